use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use crate::plugin::{Egress, Generation, Instance, Kind, PluginHost, config_text};

use super::AgentSettings;
use super::held::Budget;
use super::inbox::Inbox;

/// A configured destination. Lives as long as the gateway; generations of its plugin come and go.
pub(super) struct Agent {
    pub(super) settings: AgentSettings,
    pub(super) instance: Arc<Instance>,
    pub(super) inbox: Inbox,
    /// Deliveries in memory.
    pub(super) queued: AtomicUsize,
    /// Attempts under way.
    pub(super) in_flight: AtomicUsize,
}

/// Whether an agent's deliveries are being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// They are.
    Serving,
    /// Something is missing; its deliveries stay in the log.
    Waiting,
}

/// One row of `/admin/agents`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct AgentStatus {
    pub name: String,
    pub plugin: String,
    pub state: AgentState,
    /// What it waits for.
    pub detail: Option<String>,
    pub generation: Option<u64>,
    /// Deliveries in memory.
    pub queued: usize,
    /// Attempts under way.
    pub in_flight: usize,
    /// Whether more deliveries are open than there are in memory.
    pub behind: bool,
    pub attempts: u32,
    pub timeout_ms: u64,
    pub concurrency: usize,
}

impl Agent {
    pub(super) fn new(settings: AgentSettings, budget: Arc<Budget>) -> Self {
        let config = settings.config.iter().map(|(key, value)| (key.clone(), config_text(value))).collect();
        let egress = Egress::new(settings.egress.clone());
        let instance = Arc::new(Instance::new(settings.name.as_str(), config, Some(egress), &settings.limits));
        let inbox = Inbox::new(settings.queue, budget);
        Self { settings, instance, inbox, queued: AtomicUsize::new(0), in_flight: AtomicUsize::new(0) }
    }

    /// The generation that an attempt runs on, or what is missing.
    pub(super) fn generation(&self, plugins: &PluginHost) -> Result<Arc<Generation>, String> {
        let plugin = &self.settings.plugin;
        let generation = plugins
            .serving(plugin.as_str())
            .ok_or_else(|| format!("no serving plugin `{plugin}` in the plugin folder"))?;
        if generation.kind() != Kind::Agent {
            return Err(format!("plugin `{plugin}` is a channel plugin"));
        }
        match generation.manifest.check_config(&self.settings.config).into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(generation),
        }
    }

    pub(super) fn status(&self, plugins: &PluginHost) -> AgentStatus {
        let generation = self.generation(plugins);
        let AgentSettings { name, plugin, limits, retry, .. } = &self.settings;
        AgentStatus {
            name: name.to_string(),
            plugin: plugin.to_string(),
            state: if generation.is_ok() { AgentState::Serving } else { AgentState::Waiting },
            detail: generation.as_ref().err().cloned(),
            generation: generation.as_ref().ok().map(|generation| generation.number),
            queued: self.queued.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            behind: self.inbox.is_behind(),
            attempts: retry.attempts.get(),
            timeout_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
            concurrency: limits.concurrency,
        }
    }
}
