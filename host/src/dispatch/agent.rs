//! One agent: settings, breaker and counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::egress::Egress;
use crate::event::{AgentName, Timestamp};
use crate::metrics::ByAgent;
use crate::notice::Notice;
use crate::plugin::{Binding, Generation, Kind, Network, PluginHost, config_text};

use super::breaker::{AgentVerdict, BreakerState};
use super::endpoint::{Endpoint, Health, best};
use super::failure_class::FailureClass;
use super::hold::{AgentFailure, Hold, Holder};
use super::inbox::Inbox;
use super::memory_budget::MemoryBudget;
use super::metrics::{ByClass, DispatchMetrics};
use super::objective::ObjectiveStatus;
use super::pause::Pause;
use super::queues::OnFailure;
use super::settings::AgentSettings;
use super::track_record::{Lately, TrackRecord};

/// A configured destination. It outlives the generations of its plugin, and every change of its settings.
pub(super) struct Agent {
    pub(super) name: AgentName,
    pub(super) inbox: Inbox,
    /// Deliveries in memory.
    pub(super) queued: AtomicUsize,
    /// Attempts in flight.
    pub(super) in_flight: AtomicUsize,
    /// Whether deliveries that wait for a retry are due.
    pub(super) hurries: AtomicBool,
    /// The setup was replaced.
    pub(super) changed: Notify,
    /// Cancelled when the agent is no longer configured: no attempt starts.
    pub(super) retired: CancellationToken,
    /// Cancelled when its task has ended, and with it the last attempt.
    pub(super) ended: CancellationToken,
    setup: ArcSwap<Setup>,
    last_failure: Mutex<Option<AgentFailure>>,
    record: Mutex<TrackRecord>,
}

/// The settings of an agent, and what its plugin is called with. An attempt keeps the setup that it began with.
pub(super) struct Setup {
    pub(super) settings: AgentSettings,
    /// At least one.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
}

impl Setup {
    /// `before` is the setup that it may replace: what is known of an address goes on.
    pub(super) fn new(settings: AgentSettings, plugins: &PluginHost, before: Option<&Self>) -> Self {
        let config: BTreeMap<_, _> =
            settings.config.iter().map(|(key, value)| (key.clone(), config_text(value))).collect();
        let name = settings.name.as_str();
        let owner = match settings.name.channel() {
            Some(channel) => format!("channels/{channel}"),
            None => format!("agents/{name}"),
        };
        let state = plugins.state(&owner, settings.state);
        let endpoint = |address: Option<String>| {
            let network = Network::Granted(Box::new(Egress::new(settings.egress.clone())));
            let binding = Binding::new(name, config.clone(), network, &settings.limits);
            let binding = Arc::new(binding.with_state(state.clone()).with_address(address.clone()));
            let known = before.and_then(|before| before.endpoints.iter().find(|known| known.address == address));
            Arc::new(Endpoint::new(address, binding, &settings.breaker, known.map(Arc::as_ref)))
        };
        let endpoints = match settings.endpoints.as_slice() {
            [] => vec![endpoint(None)],
            addresses => addresses.iter().cloned().map(Some).map(endpoint).collect(),
        };
        Self { endpoints, settings }
    }

    /// The generation for an attempt, or what is missing.
    pub(super) fn generation(&self, plugins: &PluginHost) -> Result<Arc<Generation>, String> {
        let AgentSettings { name, plugin, endpoints, .. } = &self.settings;
        let generation = plugins
            .serving(plugin.as_str())
            .ok_or_else(|| format!("no serving plugin `{plugin}` in the plugin folder"))?;
        if name.channel().is_some() {
            if !generation.responds() {
                return Err(format!("plugin `{plugin}` accepts no answers: it does not export `respond`"));
            }
        } else if generation.kind() != Kind::Agent {
            return Err(format!("plugin `{plugin}` is a channel plugin"));
        }
        if !endpoints.is_empty() && generation.manifest.address.is_none() {
            return Err(format!("plugin `{plugin}` names no setting for an address, which `endpoints` need"));
        }
        let config = self.settings.config_at(&generation.manifest, endpoints.first().map(String::as_str));
        match generation.manifest.check_config(&config).into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(generation),
        }
    }
}

/// Whether an agent gets its deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    Serving,
    /// Something is missing. Its deliveries stay in the log.
    Waiting,
    /// An operator has paused it. Its deliveries stay in the log.
    Paused,
}

/// One row of `/admin/agents`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct AgentStatus {
    pub name: String,
    pub plugin: String,
    pub state: AgentState,
    /// Why it waits.
    pub detail: Option<String>,
    pub generation: Option<u64>,
    /// Deliveries in memory.
    pub queued: usize,
    /// Attempts in flight.
    pub in_flight: usize,
    /// Whether some open deliveries are only in the log.
    pub behind: bool,
    /// Of the endpoint that is best off.
    pub breaker: BreakerStatus,
    /// Configured endpoints, and one whose health is asked for.
    pub endpoints: Vec<EndpointStatus>,
    /// Why the last attempt that failed did.
    pub last_failure: Option<AgentFailure>,
    /// The last minutes, and nothing before the start of the gateway.
    pub lately: Lately,
    /// `None` if it has none.
    pub objective: Option<ObjectiveStatus>,
    pub paused: Option<Pause>,
    pub on_failure: &'static str,
    pub attempts: u32,
    pub timeout_ms: u64,
    pub concurrency: usize,
    /// Attempts that start per time; `None` limits them by concurrency alone.
    pub rate: Option<String>,
    /// Bytes of state, used and granted.
    pub state_used: usize,
    pub state_quota: usize,
}

/// One address of an agent.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointStatus {
    /// `None` if the settings of the plugin say it.
    pub address: Option<String>,
    /// Attempts in flight.
    pub in_flight: usize,
    pub breaker: BreakerStatus,
    /// `None` if nobody has asked.
    pub health: Option<Health>,
}

/// The breaker of an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerStatus {
    pub state: BreakerState,
    /// The state as in the metric: 0, 1 or 2.
    pub code: u8,
    /// Consecutive failed attempts.
    pub failures: u32,
    /// How long the breaker stays open. `None` if it is not open.
    pub retry_in_ms: Option<u64>,
    /// The moment of that.
    pub retry_at: Option<Timestamp>,
    /// Why the last attempt failed, unless the breaker is closed.
    pub reason: Option<String>,
}

impl Agent {
    pub(super) fn new(setup: Setup, budget: Arc<MemoryBudget>) -> Self {
        let settings = &setup.settings;
        Self {
            name: settings.name.clone(),
            inbox: Inbox::new(settings.queue, budget),
            queued: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            hurries: AtomicBool::new(false),
            last_failure: Mutex::default(),
            record: Mutex::new(TrackRecord::new(settings.objective.clone(), Instant::now())),
            changed: Notify::new(),
            retired: CancellationToken::new(),
            ended: CancellationToken::new(),
            setup: ArcSwap::from_pointee(setup),
        }
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        self.setup.load_full()
    }

    /// Replaces the setup, for the attempts that start from now on.
    pub(super) fn replace(&self, setup: Setup, metrics: &DispatchMetrics) {
        let now = Instant::now();
        let mut record = self.record();
        record.hide(&self.name, metrics, now);
        record.reconfigure(setup.settings.objective.clone(), now);
        record.show(&self.name, metrics, now);
        drop(record);
        let breaker = &setup.settings.breaker;
        setup.endpoints.iter().for_each(|endpoint| endpoint.breaker().reconfigure(breaker.clone()));
        self.setup.store(Arc::new(setup));
        self.changed.notify_one();
    }

    /// Reports the result of an attempt that started in `epoch` to the breaker of its endpoint. Returns what there is to notice: a
    /// breaker that opens or closes, but not one that opens again after a probe.
    pub(super) fn report(
        &self,
        endpoint: &Endpoint,
        epoch: u64,
        verdict: AgentVerdict,
        metrics: &DispatchMetrics,
    ) -> Option<Notice> {
        let now = Instant::now();
        let (before, failures, until) = {
            let mut breaker = endpoint.breaker();
            let before = breaker.state();
            if !breaker.ended(epoch, verdict, now) {
                return None;
            }
            (before, breaker.failures(), breaker.open_until())
        };
        let (name, address) = (&self.name, endpoint.address.as_deref());
        self.show_breaker(metrics);
        let Some(until) = until else {
            tracing::info!(agent = %name, endpoint = address, "Breaker closes, the agent answers again");
            return Some(Notice::new("agent.breaker_closed", name, json!({"agent": name, "endpoint": address})));
        };
        let pause = until.saturating_duration_since(now);
        tracing::warn!(agent = %name, endpoint = address, ?pause, failures, "Breaker opens, the agent's deliveries wait");
        metrics.breaker_opened.get_or_create(&ByAgent::new(name)).inc();
        (before == BreakerState::Closed).then(|| {
            let retry_at = Timestamp::now().after(pause);
            let last_failure = self.last_failure();
            let data = json!({"agent": name, "endpoint": address, "failures": failures, "retry_at": retry_at, "last_failure": last_failure});
            Notice::new("agent.breaker_opened", name, data)
        })
    }

    /// Counts an attempt or a probe, `failure` is `None` for an attempt that delivered. Returns what there is to notice.
    pub(super) fn note(
        &self,
        failure: Option<FailureClass>,
        is_notice: bool,
        metrics: &DispatchMetrics,
    ) -> Option<Notice> {
        if let Some(class) = failure {
            metrics.failures.get_or_create(&ByClass::new(&self.name, class.name())).inc();
        }
        let now = Instant::now();
        let mut record = self.record();
        record.add(failure, is_notice, now);
        if record.is_to_judge(failure) { record.judge(&self.name, || self.last_failure(), now) } else { None }
    }

    /// Looks at its objective when some time has passed. Returns what there is to notice.
    pub(super) fn look(&self, metrics: &DispatchMetrics) -> Option<Notice> {
        let now = Instant::now();
        let mut record = self.record();
        record.show(&self.name, metrics, now);
        record.judge(&self.name, || self.last_failure(), now)
    }

    /// Updates the metrics that describe it at the moment.
    pub(super) fn show(&self, metrics: &DispatchMetrics) {
        self.show_breaker(metrics);
        self.record().show(&self.name, metrics, Instant::now());
    }

    /// Removes them. What counts stays.
    pub(super) fn hide(&self, metrics: &DispatchMetrics) {
        metrics.forget(&self.name);
        self.record().hide(&self.name, metrics, Instant::now());
    }

    fn record(&self) -> MutexGuard<'_, TrackRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers why an attempt failed.
    pub(super) fn failed(&self, at: Timestamp, class: FailureClass, code: &str, message: &str) {
        let failure = AgentFailure { at, class, code: code.to_owned(), message: message.to_owned() };
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    fn last_failure(&self) -> Option<AgentFailure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the agent's task try at once what waits.
    pub(super) fn hurry(&self, metrics: &DispatchMetrics) {
        for endpoint in &self.setup().endpoints {
            endpoint.breaker().probe_now();
        }
        self.show_breaker(metrics);
        self.hurries.store(true, Ordering::Release);
        self.inbox.lag.notify_one();
    }

    /// Closes the breaker of an endpoint that says that it is well.
    pub(super) fn recovered(&self, endpoint: &Endpoint, metrics: &DispatchMetrics) {
        if endpoint.breaker().recovered() {
            tracing::info!(agent = %self.name, endpoint = endpoint.address.as_deref(), "Breaker closes, the agent says that it is well");
            self.show_breaker(metrics);
            self.inbox.lag.notify_one();
        }
    }

    /// What holds its deliveries, if anything does.
    pub(super) fn hold(&self, pause: Option<Pause>) -> Option<Hold> {
        if let Some(Pause { since, by }) = pause {
            let reason = Some(format!("paused by {by} at {since}"));
            return Some(Hold { by: Holder::Pause, until: None, reason });
        }
        let setup = self.setup();
        let opens = setup.endpoints.iter().map(|endpoint| endpoint.breaker().open_until());
        let wait = opens.collect::<Option<Vec<_>>>()?.into_iter().min()?.saturating_duration_since(Instant::now());
        let reason = self.last_failure().map(|failure| failure.text());
        Some(Hold { by: Holder::Breaker, until: Some(Timestamp::now().after(wait)), reason })
    }

    /// Updates the metric of the breaker's state: that of the endpoint that is best off.
    pub(super) fn show_breaker(&self, metrics: &DispatchMetrics) {
        let (_, state) = best(&self.setup().endpoints);
        metrics.breaker_state.get_or_create(&ByAgent::new(&self.name)).set(state as i64);
    }

    fn breaker_status(endpoint: &Endpoint, last_failure: Option<&AgentFailure>) -> BreakerStatus {
        let breaker = endpoint.breaker();
        let pause = breaker.open_until().map(|until| until.saturating_duration_since(Instant::now()));
        BreakerStatus {
            state: breaker.state(),
            code: breaker.state() as u8,
            failures: breaker.failures(),
            retry_in_ms: pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            retry_at: pause.map(|pause| Timestamp::now().after(pause)),
            reason: last_failure.filter(|_| breaker.state() != BreakerState::Closed).map(AgentFailure::text),
        }
    }

    pub(super) fn status(&self, plugins: &PluginHost, paused: Option<Pause>) -> AgentStatus {
        let setup = self.setup();
        let generation = setup.generation(plugins);
        let AgentSettings { name, plugin, limits, retry, on_failure, state, .. } = &setup.settings;
        let last_failure = self.last_failure();
        let breaker = Self::breaker_status(best(&setup.endpoints).0, last_failure.as_ref());
        let is_listed = |endpoint: &&Arc<Endpoint>| endpoint.address.is_some() || endpoint.health().is_some();
        let row = |endpoint: &Arc<Endpoint>| EndpointStatus {
            address: endpoint.address.clone(),
            in_flight: endpoint.load(),
            breaker: Self::breaker_status(endpoint, last_failure.as_ref()),
            health: endpoint.health(),
        };
        let endpoints = setup.endpoints.iter().filter(is_listed).map(row).collect();
        let (lately, objective) = {
            let (record, now) = (self.record(), Instant::now());
            (record.lately(now), record.objective(now))
        };
        AgentStatus {
            name: name.to_string(),
            plugin: plugin.to_string(),
            state: match &generation {
                Err(_) => AgentState::Waiting,
                Ok(_) if paused.is_some() => AgentState::Paused,
                Ok(_) => AgentState::Serving,
            },
            detail: generation.as_ref().err().cloned(),
            generation: generation.as_ref().ok().map(|generation| generation.number),
            queued: self.queued.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            behind: self.inbox.is_behind(),
            breaker,
            endpoints,
            last_failure,
            lately,
            objective,
            paused,
            rate: setup.settings.rate.map(|rate| rate.to_string()),
            on_failure: match on_failure {
                OnFailure::Block => "block",
                OnFailure::Skip => "skip",
            },
            attempts: retry.attempts.get(),
            timeout_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
            concurrency: limits.concurrency,
            state_used: setup.endpoints[0].binding.state.as_ref().map_or(0, |state| state.used()),
            state_quota: *state,
        }
    }
}
