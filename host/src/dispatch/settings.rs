//! Settings of deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::caller::{Caller, Rate};
use crate::egress::EgressSettings;
use crate::event::{AgentName, PluginName};
use crate::plugin::{CallLimits, Manifest};

use super::breaker::BreakerSettings;
use super::objective::ObjectiveSettings;
use super::queues::OnFailure;
use super::retry::RetrySettings;
use super::route::RouteSettings;

#[derive(Clone, Debug)]
pub struct Settings {
    pub agents: Vec<AgentSettings>,
    pub routes: Vec<RouteSettings>,
    /// Bytes of waiting events in memory. Other events are read from the log when they are due.
    pub held_bytes: usize,
}

/// One configured agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentSettings {
    pub name: AgentName,
    pub plugin: PluginName,
    /// The plugin's `config` table.
    pub config: BTreeMap<String, serde_json::Value>,
    /// Addresses of which each attempt gets one; without them the plugin's settings say where the agent is.
    pub endpoints: Vec<String>,
    pub health: Option<HealthSettings>,
    /// Who speaks for it: they say what became of incidents.
    pub callers: Vec<Arc<Caller>>,
    pub egress: EgressSettings,
    /// Bytes of state; 0 grants none.
    pub state: usize,
    /// Limits of an attempt. `time` is the agent's timeout, `concurrency` its attempts in flight.
    pub limits: CallLimits,
    pub retry: RetrySettings,
    /// What happens to later deliveries of the subject until a retry.
    pub on_failure: OnFailure,
    pub breaker: BreakerSettings,
    /// `None` means that nobody says how much may fail.
    pub objective: Option<ObjectiveSettings>,
    /// How many attempts start per time.
    pub rate: Option<Rate>,
    /// Waiting deliveries in memory per priority. More stay in the log until there is room.
    pub queue: usize,
}

/// How the host sees whether an endpoint is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// A path of the endpoint that answers 2xx while it is well.
    pub path: String,
    /// How often it is asked.
    pub interval: Duration,
}

impl AgentSettings {
    /// The `config` table for an attempt at `endpoint`.
    pub fn config_at(&self, manifest: &Manifest, endpoint: Option<&str>) -> BTreeMap<String, serde_json::Value> {
        let mut config = self.config.clone();
        config.extend(manifest.address.clone().zip(endpoint.map(Into::into)));
        config
    }
}
