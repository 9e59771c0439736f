//! One agent: settings, breaker and counters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::egress::Egress;
use crate::event::AgentName;
use crate::metrics::ByAgent;
use crate::plugin::{Binding, Generation, Kind, Network, PluginHost, config_text};

use super::breaker::{AgentVerdict, Breaker, BreakerState};
use super::inbox::Inbox;
use super::memory_budget::MemoryBudget;
use super::metrics::DispatchMetrics;
use super::queues::OnFailure;
use super::settings::AgentSettings;

/// A configured destination. It outlives the generations of its plugin, and every change of its settings.
pub(super) struct Agent {
    pub(super) name: AgentName,
    pub(super) inbox: Inbox,
    /// Deliveries in memory.
    pub(super) queued: AtomicUsize,
    /// Attempts in flight.
    pub(super) in_flight: AtomicUsize,
    /// The setup was replaced.
    pub(super) changed: Notify,
    /// Cancelled when the agent is no longer configured: no attempt starts.
    pub(super) retired: CancellationToken,
    /// Cancelled when its task has ended, and with it the last attempt.
    pub(super) ended: CancellationToken,
    setup: ArcSwap<Setup>,
    breaker: Mutex<Breaker>,
}

/// The settings of an agent, and what its plugin is called with. An attempt keeps the setup that it began with.
pub(super) struct Setup {
    pub(super) settings: AgentSettings,
    pub(super) binding: Arc<Binding>,
}

impl Setup {
    pub(super) fn new(settings: AgentSettings, plugins: &PluginHost) -> Self {
        let config = settings.config.iter().map(|(key, value)| (key.clone(), config_text(value))).collect();
        let network = Network::Granted(Box::new(Egress::new(settings.egress.clone())));
        let name = settings.name.as_str();
        let owner = match settings.name.channel() {
            Some(channel) => format!("channels/{channel}"),
            None => format!("agents/{name}"),
        };
        let state = plugins.state(&owner, settings.state);
        let binding = Arc::new(Binding::new(name, config, network, &settings.limits).with_state(state));
        Self { settings, binding }
    }

    /// The generation for an attempt, or what is missing.
    pub(super) fn generation(&self, plugins: &PluginHost) -> Result<Arc<Generation>, String> {
        let AgentSettings { name, plugin, config, .. } = &self.settings;
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
        match generation.manifest.check_config(config).into_iter().next() {
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
    pub breaker: BreakerStatus,
    pub on_failure: &'static str,
    pub attempts: u32,
    pub timeout_ms: u64,
    pub concurrency: usize,
    /// Bytes of state, used and granted.
    pub state_used: usize,
    pub state_quota: usize,
}

/// The breaker of an agent.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerStatus {
    pub state: BreakerState,
    /// The state as in the metric: 0, 1 or 2.
    pub code: u8,
    /// Consecutive failed attempts.
    pub failures: u32,
    /// How long the breaker stays open. `None` if it is not open.
    pub retry_in_ms: Option<u64>,
}

impl Agent {
    pub(super) fn new(setup: Setup, budget: Arc<MemoryBudget>) -> Self {
        let settings = &setup.settings;
        Self {
            name: settings.name.clone(),
            inbox: Inbox::new(settings.queue, budget),
            queued: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            changed: Notify::new(),
            retired: CancellationToken::new(),
            ended: CancellationToken::new(),
            breaker: Mutex::new(Breaker::new(settings.breaker.clone())),
            setup: ArcSwap::from_pointee(setup),
        }
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        self.setup.load_full()
    }

    /// Replaces the setup, for the attempts that start from now on.
    pub(super) fn replace(&self, setup: Setup) {
        self.breaker().reconfigure(setup.settings.breaker.clone());
        self.setup.store(Arc::new(setup));
        self.changed.notify_one();
    }

    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the result of an attempt that started in `epoch` to the breaker.
    pub(super) fn report(&self, epoch: u64, verdict: AgentVerdict, metrics: &DispatchMetrics) {
        let now = Instant::now();
        let mut breaker = self.breaker();
        if !breaker.ended(epoch, verdict, now) {
            return;
        }
        let name = &self.name;
        match breaker.open_until() {
            Some(until) => {
                let (pause, failures) = (until.saturating_duration_since(now), breaker.failures());
                tracing::warn!(agent = %name, ?pause, failures, "Breaker opens, the agent's deliveries wait");
                metrics.breaker_opened.get_or_create(&ByAgent::new(name)).inc();
            }
            None => tracing::info!(agent = %name, "Breaker closes, the agent answers again"),
        }
        self.show_breaker(&breaker, metrics);
    }

    /// Updates the metric of the breaker's state.
    pub(super) fn show_breaker(&self, breaker: &Breaker, metrics: &DispatchMetrics) {
        metrics.breaker_state.get_or_create(&ByAgent::new(&self.name)).set(breaker.state() as i64);
    }

    pub(super) fn status(&self, plugins: &PluginHost) -> AgentStatus {
        let setup = self.setup();
        let generation = setup.generation(plugins);
        let AgentSettings { name, plugin, limits, retry, on_failure, state, .. } = &setup.settings;
        let breaker = self.breaker();
        let pause = breaker.open_until().map(|until| until.saturating_duration_since(Instant::now()));
        let breaker = BreakerStatus {
            state: breaker.state(),
            code: breaker.state() as u8,
            failures: breaker.failures(),
            retry_in_ms: pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        };
        AgentStatus {
            name: name.to_string(),
            plugin: plugin.to_string(),
            state: if generation.is_ok() { AgentState::Serving } else { AgentState::Waiting },
            detail: generation.as_ref().err().cloned(),
            generation: generation.as_ref().ok().map(|generation| generation.number),
            queued: self.queued.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            behind: self.inbox.is_behind(),
            breaker,
            on_failure: match on_failure {
                OnFailure::Block => "block",
                OnFailure::Skip => "skip",
            },
            attempts: retry.attempts.get(),
            timeout_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
            concurrency: limits.concurrency,
            state_used: setup.binding.state.as_ref().map_or(0, |state| state.used()),
            state_quota: *state,
        }
    }
}
