//! The steps of a webhook: verify, decode, call the plugin, route, commit. A dry run stops before the commit.

use std::sync::Arc;

use bytes::Bytes;

use super::budget::{BodyBudget, BodyShare};
use super::decode::decode;
use super::error::IngestError;
use super::metrics::IngestMetrics;
use super::policy::BodyPolicy;
use super::ready::ReadyChannel;
use super::receipt::{Context, Routed, new_events};
use super::request::WebhookRequest;
use super::unknown;
use crate::egress::Response;
use crate::event::{Destination, EventId, Facts, SyncMode, Timestamp};
use crate::eventlog::{Appended, Batch, EventLog, NewEvent, Space, ValueChange};
use crate::metrics::ByProvider;
use crate::plugin::{Binding, Inbound, PluginHost, Receipt, StateChanges};
use crate::schema::{Mismatch, Origin, Schemas, is_tagged};

/// Where events go, as far as ingest must know: their first deliveries are part of their commit.
pub trait Router: Send + Sync {
    /// Where such an event goes.
    fn route(&self, facts: &Facts<'_>) -> Destination;
}

/// What became of a request.
#[derive(Debug)]
pub struct Received {
    /// In the order of the receipt.
    pub events: Vec<ReceivedEvent>,
    /// The plugin's own.
    pub response: Option<Response>,
}

#[derive(Clone, Debug)]
pub struct ReceivedEvent {
    /// Of a duplicate, the id of the first one.
    pub id: EventId,
    pub kind: String,
    /// How the caller waits for the agent. `None` if it does not.
    pub wait: Option<SyncMode>,
    pub outcome: Outcome,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// Stored, but nobody is told yet: what it says may be late.
    Held,
    /// Stored, but nobody is told before somebody releases it: it does not match its schema.
    Quarantined,
    /// It was in the log already.
    Duplicate,
}

impl Outcome {
    /// In answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Duplicate => "duplicate",
        }
    }
}

/// An event that a dry run would bring.
#[derive(Debug)]
pub struct DryEvent {
    pub kind: String,
    pub subject: Option<String>,
    /// Why it does not match its schema.
    pub mismatch: Option<Mismatch>,
}

/// What would become of a request.
#[derive(Debug)]
pub struct DryRun {
    /// In the order of the receipt.
    pub events: Vec<DryEvent>,
    /// The plugin's own.
    pub response: Option<Response>,
}

/// What the log says of a request that brings nothing.
const FAILED: &str = "Request failed";

pub(super) struct Pipeline {
    pub(super) plugins: PluginHost,
    pub(super) router: Arc<dyn Router>,
    pub(super) metrics: IngestMetrics,
    schemas: Schemas,
    log: EventLog,
}

/// Whether a request leaves anything behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Commit,
    /// Nothing is stored, counted, logged or recorded.
    DryRun,
}

/// The events that the plugin made of a request.
struct Evaluated {
    events: Vec<Routed>,
    response: Option<Response>,
    state: StateChanges,
    /// The memory of the decoded body, which the events refer to.
    _decoded: Option<BodyShare>,
}

/// A checked receipt.
struct Made {
    events: Vec<Routed>,
    response: Option<Response>,
    state: StateChanges,
}

/// A request that may come in.
enum Verified {
    /// When it was verified; `None` if its channel verifies nothing.
    At(Option<Timestamp>),
    /// Its provider only looks if the address answers.
    Probe,
}

impl Evaluated {
    /// Nothing but an empty response.
    fn probe() -> Self {
        let response = Response { status: 200, headers: Vec::new(), body: Bytes::new() };
        Self { events: Vec::new(), response: Some(response), state: StateChanges::default(), _decoded: None }
    }
}

impl Pipeline {
    pub(super) fn new(
        plugins: PluginHost,
        log: EventLog,
        router: Arc<dyn Router>,
        schemas: Schemas,
        metrics: IngestMetrics,
    ) -> Self {
        Self { plugins, router, metrics, schemas, log }
    }

    /// Whether the log accepts events right now. Cheap: asked before anything is done for a request.
    pub(super) fn admits(&self) -> Result<(), IngestError> {
        Ok(self.log.admits()?)
    }

    /// Returns when the events are durable.
    pub(super) async fn receive(
        &self,
        channel: &ReadyChannel,
        policy: BodyPolicy,
        request: WebhookRequest,
        budget: &Arc<BodyBudget>,
    ) -> Result<Received, IngestError> {
        let evaluated = self.evaluate(channel, policy, request, budget, Mode::Commit).await?;
        let Evaluated { events, response, state, _decoded } = evaluated;
        let events = self.store(&channel.channel().binding, events, state, Origin::Webhook).await?;
        Ok(Received { events, response })
    }

    pub(super) async fn store(
        &self,
        binding: &Binding,
        events: Vec<Routed>,
        state: StateChanges,
        origin: Origin,
    ) -> Result<Vec<ReceivedEvent>, IngestError> {
        let known: Vec<_> = events.iter().map(|routed| (routed.event.kind.clone(), routed.wait)).collect();
        let events = events.into_iter().map(|routed| routed.event).collect();
        let appended = self.append(binding, events, state, origin).await?;
        let received = |(appended, (kind, wait)): (Appended, (String, Option<SyncMode>))| {
            let outcome = match &appended {
                Appended::Accepted(event) if event.quarantine.is_some() => Outcome::Quarantined,
                Appended::Accepted(_) => Outcome::Accepted,
                Appended::Held(_) => Outcome::Held,
                Appended::Repeat { .. } | Appended::Duplicate(_) => Outcome::Duplicate,
            };
            // No agent will answer.
            let wait = wait.filter(|_| outcome != Outcome::Quarantined);
            ReceivedEvent { id: appended.id(), kind, wait, outcome }
        };
        Ok(appended.into_iter().zip(known).map(received).collect())
    }

    pub(super) async fn dry_run(
        &self,
        channel: &ReadyChannel,
        policy: BodyPolicy,
        request: WebhookRequest,
        budget: &Arc<BodyBudget>,
    ) -> Result<DryRun, IngestError> {
        let evaluated = self.evaluate(channel, policy, request, budget, Mode::DryRun).await?;
        let named = |Routed { event, .. }| {
            let mismatch = self.schemas.problem(&event);
            DryEvent { kind: event.kind, subject: event.subject, mismatch }
        };
        let events = evaluated.events.into_iter().map(named).collect();
        Ok(DryRun { events, response: evaluated.response })
    }

    /// Everything but the commit. Unverified bytes reach neither the decoder nor the plugin.
    async fn evaluate(
        &self,
        channel: &ReadyChannel,
        policy: BodyPolicy,
        mut request: WebhookRequest,
        budget: &Arc<BodyBudget>,
        mode: Mode,
    ) -> Result<Evaluated, IngestError> {
        if request.body.len() > policy.max() {
            return Err(IngestError::TooLarge { limit: policy.max() });
        }
        let at = match self.verify(channel, &request, mode)? {
            Verified::At(at) => at,
            Verified::Probe => return Ok(Evaluated::probe()),
        };
        let mut decoded = None;
        if let Some(coding) = policy.coding {
            let (body, share) = decode(coding, request.body.clone(), policy.max(), budget).await?;
            request = request.with_decoded(body);
            decoded = Some(share);
        }
        let context = channel.context(&request, at);
        let inbound = channel.inbound(request);
        let complete = |receipt| self.complete(channel, &context, receipt);
        let made = match mode {
            Mode::Commit => self.call_or_fall_back(channel, inbound, complete).await,
            // Nothing is counted, logged or recorded.
            Mode::DryRun => channel.call(inbound).await?.map_err(IngestError::Rejected).and_then(complete),
        };
        let Made { events, response, state } = match made {
            Err(error) if channel.keeps_unknown() => complete(self.keep(channel, error, &context.body, mode)?)?,
            made => made?,
        };
        Ok(Evaluated { events, response, state, _decoded: decoded })
    }

    /// Checks a receipt, and completes it to events.
    fn complete(&self, channel: &ReadyChannel, context: &Context<'_>, receipt: Receipt) -> Result<Made, IngestError> {
        let Receipt { events, response, state } = receipt;
        channel.check_count(events.len())?;
        let events = new_events(events, context, |facts| self.router.route(facts)).map_err(IngestError::Receipt)?;
        Ok(Made { events, response, state })
    }

    /// Calls the plugin. What a new version fails or refuses, the version before may take: a bad file costs no request.
    async fn call_or_fall_back(
        &self,
        channel: &ReadyChannel,
        inbound: Inbound,
        complete: impl Fn(Receipt) -> Result<Made, IngestError>,
    ) -> Result<Made, IngestError> {
        let generation = channel.generation();
        let before = generation.before().map(|before| (before, inbound.clone()));
        let error = match self.call(channel, inbound).await.and_then(&complete) {
            Ok(made) => {
                generation.note(false);
                return Ok(made);
            }
            Err(error) => error,
        };
        let is_refusal = matches!(error, IngestError::Rejected(_));
        let Some((before, inbound)) = before.filter(|_| is_refusal || error.is_fault_of_plugin()) else {
            if is_refusal || error.is_fault_of_plugin() {
                generation.note(!is_refusal);
            }
            return Err(error);
        };
        let called = channel.on(before).call(inbound).await;
        let made = called.map_err(IngestError::from).and_then(|called| called.map_err(IngestError::Rejected));
        let Ok(made) = made.and_then(&complete) else {
            // The request is to blame.
            generation.note(false);
            return Err(error);
        };
        generation.note(true);
        generation.count_fallback();
        channel.channel().warn_of("Request taken by the version of the plugin before", &error);
        Ok(made)
    }

    fn verify(&self, channel: &ReadyChannel, request: &WebhookRequest, mode: Mode) -> Result<Verified, IngestError> {
        if mode == Mode::Commit {
            // Checked again, because reading the body may have taken long.
            self.admits()?;
        }
        let error = match channel.verify(request) {
            Ok(at) => return Ok(Verified::At(at)),
            Err(_) if channel.is_unsigned_probe(request) => return Ok(Verified::Probe),
            Err(error) => error,
        };
        if mode == Mode::Commit {
            let channel = channel.channel();
            self.metrics.signature_failures.get_or_create(&ByProvider::new(channel.name())).inc();
            channel.warn_of(FAILED, &error);
        }
        Err(error.into())
    }

    /// Keeps a body that the plugin refuses as an event, where the channel does that.
    fn keep(
        &self,
        channel: &ReadyChannel,
        error: IngestError,
        body: &[u8],
        mode: Mode,
    ) -> Result<Receipt, IngestError> {
        let Some(receipt) = unknown::kept(&error, body) else { return Err(error) };
        if mode == Mode::Commit {
            let channel = channel.channel();
            self.metrics.unknown_bodies.get_or_create(&ByProvider::new(channel.name())).inc();
            channel.warn_of("Request kept as an event of kind `unknown`", &error);
        }
        Ok(receipt)
    }

    async fn call(&self, channel: &ReadyChannel, inbound: Inbound) -> Result<Receipt, IngestError> {
        let recorder = channel.channel().recorder();
        let recorded = recorder.as_ref().map(|_| inbound.clone());
        let called = channel.call(inbound).await;
        if let (Some(recorder), Some(inbound)) = (recorder, recorded) {
            recorder.note(inbound, &called);
        }
        called.inspect_err(|error| channel.channel().warn_of(FAILED, error))?.map_err(IngestError::Rejected)
    }

    /// Checks events with their schemas, and stores them in one commit with the changes that their call made to the plugin's state.
    pub(super) async fn append(
        &self,
        binding: &Binding,
        events: Vec<NewEvent>,
        changes: StateChanges,
        origin: Origin,
    ) -> Result<Vec<Appended>, IngestError> {
        let mut events = self.schemas.check(events, origin).await?;
        for event in events.iter_mut().filter(|event| is_tagged(event)) {
            // A route may be for what does not match.
            event.recipients = self.router.route(&facts(event)).recipients;
        }
        let unrouted = |event: &NewEvent| {
            (event.recipients.is_empty() && event.quarantine.is_none()).then(|| event.channel.clone())
        };
        let unrouted: Vec<_> = events.iter().map(unrouted).collect();
        let appended = self.commit(binding, events, changes).await?;
        for (appended, channel) in appended.iter().zip(unrouted) {
            if let (Appended::Accepted(_) | Appended::Held(_), Some(channel)) = (appended, channel) {
                self.metrics.unrouted.get_or_create(&ByProvider::new(channel)).inc();
            }
        }
        Ok(appended)
    }

    async fn commit(
        &self,
        binding: &Binding,
        events: Vec<NewEvent>,
        changes: StateChanges,
    ) -> Result<Vec<Appended>, IngestError> {
        match &binding.state {
            Some(state) if !changes.is_empty() => {
                let write = async move |entries| {
                    let values = ValueChange::all(&Space::of_plugin(&state.owner), entries);
                    Ok(self.log.commit(Batch { events, values, ..Batch::default() }).await?.events)
                };
                state.keep(changes, write).await
            }
            _ => Ok(self.log.commit(events.into()).await?.events),
        }
    }
}

fn facts(event: &NewEvent) -> Facts<'_> {
    let NewEvent { channel, kind, subject, attributes, data, .. } = event;
    Facts { channel, kind, subject: subject.as_deref(), attributes, data }
}
