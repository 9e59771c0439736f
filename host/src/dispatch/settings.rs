//! What the module is given: agents, routes, and the memory it may use.

use std::collections::BTreeMap;

use crate::egress::EgressSettings;
use crate::event::{AgentName, PluginName};
use crate::plugin::CallLimits;

use super::breaker::BreakerSettings;
use super::queues::OnFailure;
use super::retry::RetrySettings;
use super::route::RouteSettings;

/// Valid input of the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configured agents.
    pub agents: Vec<AgentSettings>,
    /// The configured routes.
    pub routes: Vec<RouteSettings>,
    /// Bytes of events that are kept in memory while they wait; others are read from the log when it is their turn.
    pub held_bytes: usize,
}

/// One configured agent.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Its name.
    pub name: AgentName,
    /// The plugin behind it.
    pub plugin: PluginName,
    /// Settings of the plugin.
    pub config: BTreeMap<String, serde_json::Value>,
    /// The network it is granted.
    pub egress: EgressSettings,
    /// Bytes of state it is granted; 0 is none.
    pub state: usize,
    /// What one attempt may use: `time` is the agent's timeout, `concurrency` its attempts at once.
    pub limits: CallLimits,
    /// When failed attempts are repeated.
    pub retry: RetrySettings,
    /// What happens meanwhile to the deliveries behind a failed one.
    pub on_failure: OnFailure,
    /// When the agent is left alone for a while.
    pub breaker: BreakerSettings,
    /// Deliveries of each priority that wait in memory; more stay in the log until there is room.
    pub queue: usize,
}
