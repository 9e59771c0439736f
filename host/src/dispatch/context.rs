//! Shared by all agents of a gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::AgentName;
use crate::notice::Notices;
use crate::plugin::PluginHost;
use crate::skill::Skills;

use super::agent::Agent;
use super::metrics::DispatchMetrics;
use super::pause::Pauses;
use super::route::Routes;
use super::watch::Watchers;

pub(super) struct Context {
    pub(super) routes: Routes,
    pub(super) agents: BTreeMap<AgentName, Arc<Agent>>,
    pub(super) plugins: PluginHost,
    pub(super) skills: Skills,
    pub(super) pauses: Pauses,
    pub(super) notices: Notices,
    pub(super) watchers: Arc<Watchers>,
    pub(super) metrics: DispatchMetrics,
}
