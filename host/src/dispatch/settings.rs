//! Settings of deliveries.

use std::collections::BTreeMap;

use crate::caller::Rate;
use crate::egress::EgressSettings;
use crate::event::{AgentName, PluginName};
use crate::plugin::CallLimits;

use super::breaker::BreakerSettings;
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
    pub egress: EgressSettings,
    /// Bytes of state; 0 grants none.
    pub state: usize,
    /// Limits of an attempt. `time` is the agent's timeout, `concurrency` its attempts in flight.
    pub limits: CallLimits,
    pub retry: RetrySettings,
    /// What happens to later deliveries of the subject until a retry.
    pub on_failure: OnFailure,
    pub breaker: BreakerSettings,
    /// How many attempts start per time.
    pub rate: Option<Rate>,
    /// Waiting deliveries in memory per priority. More stay in the log until there is room.
    pub queue: usize,
}
