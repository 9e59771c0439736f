//! A plugin, tried on a sample.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::event::{RequestId, Timestamp};
use crate::ingest::{IngestError, StandaloneChannel, WebhookRequest};
use crate::plugin::{
    Binding, CallError, CallStats, Generation, Kind, LoadError, Network, Outgoing, Receipt, Script, Sent,
    StandaloneHost, collect_stats, config_text,
};

use super::compare::{Difference, differences};
use super::{Content, DeliverySample, RequestSample, Sample, outcome};

/// How long the calls of one sample are repeated to measure their time.
const MAX_TIMING: Duration = Duration::from_secs(2);

/// A plugin that is tried on samples.
pub struct PluginUnderTest {
    fresh: Arc<Generation>,
    /// Set if the limits allow reuse.
    reused: Option<Arc<Generation>>,
    /// Timed calls of each sample.
    runs: u32,
    /// A hint for the author in case of a trap.
    advice: Option<&'static str>,
}

/// The result of one sample.
#[derive(Debug)]
pub struct Trial {
    /// The name of the sample.
    pub name: String,
    /// How the result compares with the expected one.
    pub verdict: TrialVerdict,
    /// The result in the form of the sample's file.
    pub found: Value,
    /// The median time of a call in a fresh instance.
    pub fresh: Option<Duration>,
    /// The median time in a reused instance, if the limits allow reuse.
    pub reused: Option<Duration>,
    /// Memory, host calls and log lines of the first call.
    pub seen: CallStats,
}

/// How the result of a sample compares with the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialVerdict {
    /// As expected.
    Passed,
    /// Not as expected; never empty.
    Different(Vec<Difference>),
    /// The sample has no expected result.
    Unjudged,
    /// The plugin failed, or was not called because the sample is broken.
    Failed(String),
}

/// The result of one call, before the comparison.
struct Called {
    found: Result<Value, String>,
    /// The HTTP requests of an agent plugin.
    sent: Vec<Sent>,
}

impl PluginUnderTest {
    /// Loads the plugin with its limits of the configuration.
    pub async fn load(host: &StandaloneHost, file: &Path, runs: u32) -> Result<Self, LoadError> {
        let configured = host.load(file).await?;
        let advice = host.hint_on_trap(file);
        if configured.limits.reuse.is_none() {
            return Ok(Self { fresh: Arc::new(configured), reused: None, runs, advice });
        }
        let fresh = host.load(file).await?.without_reuse();
        Ok(Self { fresh: Arc::new(fresh), reused: Some(Arc::new(configured)), runs, advice })
    }

    /// A loaded plugin whose calls are not timed.
    pub(super) fn untimed(generation: Generation) -> Self {
        Self { fresh: Arc::new(generation.without_reuse()), reused: None, runs: 0, advice: None }
    }

    /// The loaded plugin.
    pub fn generation(&self) -> &Generation {
        &self.fresh
    }

    /// Runs one sample.
    pub async fn run(&self, sample: &Sample) -> Trial {
        match &sample.content {
            Err(problem) => failed(sample, problem.clone()),
            Ok(content) if kind_of(content) != self.fresh.kind() => failed(sample, self.wrong_kind(sample)),
            Ok(Content::Request(request)) => self.receive(sample, request).await,
            Ok(Content::Delivery(delivery)) => self.deliver(sample, delivery).await,
        }
    }

    fn wrong_kind(&self, sample: &Sample) -> String {
        match self.fresh.kind() {
            Kind::Agent => {
                format!("a sample of a channel, but this is an agent plugin: expected `{}.delivery.json`", sample.name)
            }
            Kind::Channel => {
                "a sample of an agent, but this is a channel plugin: expected the body of a request".to_owned()
            }
        }
    }

    async fn receive(&self, sample: &Sample, request: &RequestSample) -> Trial {
        let problems = self.fresh.manifest.check_config(&request.config);
        if !problems.is_empty() {
            return failed(sample, problems.join("; "));
        }
        let channel = StandaloneChannel::new(Arc::clone(&self.fresh), request.config.clone());
        let webhook = match webhook(&channel, request) {
            Ok(webhook) => webhook,
            Err(problem) => return failed(sample, problem),
        };
        let inbound = channel.inbound(webhook.clone());
        let (called, seen) = collect_stats(channel.receive(inbound.clone())).await;
        let found = judge(&channel, called, &webhook, self.advice).and_then(|found| self.check_kinds(found));
        let can_repeat = found.is_ok();
        let verdict = verdict(&found, &request.expected, |expected, found| {
            let mut differences = differences("", expected, found);
            differences.extend(unexpected_data(expected, found));
            differences
        });
        let mut trial = Trial { verdict, ..trial(sample, found, seen) };
        if can_repeat {
            trial.fresh = self.time(async || has_answered(&channel.receive(inbound.clone()).await)).await;
            if let Some(reused) = &self.reused {
                let channel = StandaloneChannel::new(Arc::clone(reused), request.config.clone());
                trial.reused = self.time(async || has_answered(&channel.receive(inbound.clone()).await)).await;
            }
        }
        trial
    }

    /// An event of a kind that the manifest does not list would be called a mistake in a route.
    fn check_kinds(&self, found: Value) -> Result<Value, String> {
        let mut kinds =
            found["receipt"]["events"].as_array().into_iter().flatten().filter_map(|event| event["kind"].as_str());
        match kinds.find(|kind| !self.fresh.manifest.declares(kind)).map(str::to_owned) {
            Some(kind) => Err(format!("the kind `{kind}` is not in `kinds` of the manifest")),
            None => Ok(found),
        }
    }

    async fn deliver(&self, sample: &Sample, delivery: &DeliverySample) -> Trial {
        let problems = self.fresh.manifest.check_config(&delivery.config);
        if !problems.is_empty() {
            return failed(sample, problems.join("; "));
        }
        let outgoing = Outgoing {
            event: Arc::new(delivery.event.clone()),
            skills: Arc::default(),
            attempt: delivery.attempt,
            wants_answer: true,
        };
        let scripted = ScriptedDelivery::new(&self.fresh, delivery, self.advice);
        let (called, seen) = collect_stats(scripted.call(&outgoing)).await;
        let can_repeat = called.found.is_ok();
        let verdict =
            match verdict(&called.found, &delivery.expected, |expected, found| differences("", expected, found)) {
                TrialVerdict::Failed(problem) => TrialVerdict::Failed(problem),
                before => with_requests(before, &delivery.requests, &called.sent),
            };
        let sent: Vec<_> = called.sent.iter().map(|sent| json!({"request": outcome::sent(sent)})).collect();
        let mut trial = Trial { verdict, ..trial(sample, called.found, seen) };
        if !sent.is_empty() && trial.found.is_object() {
            trial.found["http"] = sent.into();
        }
        if can_repeat {
            trial.fresh = self.time(async || scripted.call(&outgoing).await.found.is_ok()).await;
            if let Some(reused) = &self.reused {
                let scripted = ScriptedDelivery::new(reused, delivery, self.advice);
                trial.reused = self.time(async || scripted.call(&outgoing).await.found.is_ok()).await;
            }
        }
        trial
    }

    /// The median time of a call; `None` if one of them fails, or none is to be timed.
    async fn time(&self, call: impl AsyncFn() -> bool) -> Option<Duration> {
        if self.runs == 0 {
            return None;
        }
        let begun = Instant::now();
        let mut times = Vec::new();
        // The first call only warms up caches.
        for run in 0..=self.runs {
            let start = Instant::now();
            if !call().await {
                return None;
            }
            if run > 0 {
                times.push(start.elapsed());
            }
            if begun.elapsed() > MAX_TIMING && !times.is_empty() {
                break;
            }
        }
        times.sort();
        times.get(times.len() / 2).copied()
    }
}

/// An agent plugin with a scripted network.
struct ScriptedDelivery<'a> {
    advice: Option<&'static str>,
    generation: &'a Arc<Generation>,
    instance: Arc<Binding>,
    script: Arc<Script>,
}

impl<'a> ScriptedDelivery<'a> {
    fn new(generation: &'a Arc<Generation>, delivery: &DeliverySample, advice: Option<&'static str>) -> Self {
        let script = Arc::new(Script::new(delivery.answers.iter().cloned()));
        let config = delivery.config.iter().map(|(key, value)| (key.clone(), config_text(value))).collect();
        let network = Network::Scripted(Arc::clone(&script));
        let instance = Binding::new(generation.plugin.as_str(), config, network, &generation.limits);
        Self { advice, generation, instance: Arc::new(instance), script }
    }

    async fn call(&self, outgoing: &Outgoing) -> Called {
        let result = self.generation.deliver(&self.instance, outgoing.clone()).await;
        let found = result.map(|result| outcome::delivered(&result)).map_err(|error| failure(&error, self.advice));
        Called { found, sent: self.script.rewind() }
    }
}

/// The request, or why the channel would refuse it before it calls the plugin.
fn webhook(channel: &StandaloneChannel, sample: &RequestSample) -> Result<WebhookRequest, String> {
    let ready = channel.ready();
    let method = sample.method.clone().or_else(|| ready.methods().first().cloned()).unwrap_or(Method::POST);
    ready.accepts(&method, &sample.headers).map_err(|error| match error {
        IngestError::Method(methods) => {
            let methods: Vec<_> = methods.iter().map(ToString::to_string).collect();
            format!("the channel refuses the request: the method is `{method}`, expected {}", methods.join(" or "))
        }
        error => format!("the channel refuses the request: {error}"),
    })?;
    if sample.body.len() > ready.max_body() {
        let (size, limit) = (sample.body.len(), ready.max_body());
        return Err(format!(
            "the channel refuses the request: the body has {size} bytes, `max_body` of the manifest allows {limit}"
        ));
    }
    Ok(WebhookRequest {
        method,
        full_path: sample.path.clone(),
        path: sample.path.clone(),
        query: sample.query.clone(),
        headers: sample.headers.clone(),
        body: sample.body.clone(),
        received_at: Timestamp::now(),
        id: RequestId::new(),
    })
}

fn judge(
    channel: &StandaloneChannel,
    called: Result<Receipt, IngestError>,
    webhook: &WebhookRequest,
    advice: Option<&str>,
) -> Result<Value, String> {
    match called {
        Ok(receipt) => match channel.check(&receipt, webhook) {
            Ok(()) => Ok(json!({"receipt": outcome::receipt(&receipt, &webhook.body)})),
            Err(error) => Err(error.to_string()),
        },
        Err(IngestError::Rejected(rejection)) => Ok(json!({"rejection": outcome::rejection(&rejection)})),
        Err(IngestError::Plugin(error)) => Err(failure(&error, advice)),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the plugin answered. A rejection is an answer, not a failure.
fn has_answered(called: &Result<Receipt, IngestError>) -> bool {
    matches!(called, Ok(_) | Err(IngestError::Rejected(_)))
}

fn failure(error: &CallError, advice: Option<&str>) -> String {
    match (error, advice) {
        (CallError::Trap(_), Some(advice)) => format!("the plugin {error}\nhint: {advice}"),
        (CallError::Limit { .. }, _) => format!("the plugin was {error}"),
        (CallError::Trap(_), None) => format!("the plugin {error}"),
        (CallError::Busy, _) => error.to_string(),
    }
}

fn verdict(
    found: &Result<Value, String>,
    expected: &Option<Value>,
    compare: impl Fn(&Value, &Value) -> Vec<Difference>,
) -> TrialVerdict {
    match (found, expected) {
        (Err(problem), _) => TrialVerdict::Failed(problem.clone()),
        (Ok(_), None) => TrialVerdict::Unjudged,
        (Ok(found), Some(expected)) if outcome_of(expected) != outcome_of(found) => {
            let of = |value: &Value| outcome_of(value).unwrap_or_default().into();
            let whole = Difference { member: "outcome".to_owned(), expected: of(expected), found: found.clone() };
            TrialVerdict::Different(vec![whole])
        }
        (Ok(found), Some(expected)) => match compare(expected, found) {
            differences if differences.is_empty() => TrialVerdict::Passed,
            differences => TrialVerdict::Different(differences),
        },
    }
}

/// `receipt`, `rejection`, `answer`, `retry` or `reject`.
fn outcome_of(value: &Value) -> Option<&str> {
    value.as_object()?.keys().next().map(String::as_str)
}

/// Differences of events that should have the body as their data and have other data.
fn unexpected_data(expected: &Value, found: &Value) -> Vec<Difference> {
    let events = |json: &Value| json["receipt"]["events"].as_array().cloned().unwrap_or_default();
    let has_data = |event: &Value| ["data", "data_base64"].into_iter().find(|name| event.get(name).is_some());
    let pairs = events(expected).into_iter().zip(events(found)).enumerate();
    pairs
        .filter(|(_, (expected, _))| has_data(expected).is_none())
        .filter_map(|(index, (_, found))| {
            let name = has_data(&found)?;
            Some(Difference {
                member: format!("receipt.events[{index}].{name}"),
                expected: "the body".into(),
                found: found[name].clone(),
            })
        })
        .collect()
}

/// The verdict after the comparison of the HTTP requests with the expected ones.
fn with_requests(verdict: TrialVerdict, expected: &[Option<Value>], sent: &[Sent]) -> TrialVerdict {
    let mut found = Vec::new();
    for index in 0..expected.len().max(sent.len()) {
        let member = format!("http[{index}].request");
        match (expected.get(index), sent.get(index).map(outcome::sent)) {
            (Some(Some(expected)), Some(sent)) => found.extend(differences(&member, expected, &sent)),
            (Some(expected), None) => {
                let expected = expected.clone().unwrap_or_else(|| "a request".into());
                found.push(Difference { member, expected, found: Value::Null });
            }
            (None, Some(sent)) => found.push(Difference { member, expected: Value::Null, found: sent }),
            (Some(None), Some(_)) | (None, None) => {}
        }
    }
    match verdict {
        TrialVerdict::Different(differences) => found.extend(differences),
        verdict if found.is_empty() => return verdict,
        _ => {}
    }
    TrialVerdict::Different(found)
}

fn kind_of(content: &Content) -> Kind {
    match content {
        Content::Request(_) => Kind::Channel,
        Content::Delivery(_) => Kind::Agent,
    }
}

fn trial(sample: &Sample, found: Result<Value, String>, seen: CallStats) -> Trial {
    let (verdict, found) = (TrialVerdict::Unjudged, found.unwrap_or_default());
    Trial { name: sample.name.clone(), verdict, found, fresh: None, reused: None, seen }
}

fn failed(sample: &Sample, problem: String) -> Trial {
    Trial { verdict: TrialVerdict::Failed(problem), ..trial(sample, Ok(Value::Null), CallStats::default()) }
}

impl Trial {
    /// Whether the sample passed, or had no expected result.
    pub fn is_good(&self) -> bool {
        matches!(self.verdict, TrialVerdict::Passed | TrialVerdict::Unjudged)
    }
}
