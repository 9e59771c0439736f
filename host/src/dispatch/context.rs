//! Shared by all agents of a gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::event::AgentName;
use crate::notice::Notices;
use crate::plugin::PluginHost;
use crate::skill::Skills;

use super::agent::Agent;
use super::memory_budget::MemoryBudget;
use super::metrics::DispatchMetrics;
use super::pause::Pauses;
use super::route::Routes;
use super::watch::Watchers;

/// The configured agents.
pub(super) type Agents = BTreeMap<AgentName, Arc<Agent>>;

pub(super) struct Context {
    pub(super) routes: ArcSwap<Routes>,
    pub(super) agents: ArcSwap<Agents>,
    pub(super) budget: Arc<MemoryBudget>,
    pub(super) plugins: PluginHost,
    pub(super) skills: Skills,
    pub(super) pauses: Pauses,
    pub(super) notices: Notices,
    pub(super) watchers: Arc<Watchers>,
    pub(super) metrics: DispatchMetrics,
}
