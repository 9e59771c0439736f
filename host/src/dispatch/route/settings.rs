//! A route as it is configured.

use super::condition::Condition;
use crate::event::{AgentName, Pattern, Priority, SyncMode};

/// One route.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// The route matches a channel if one of these does.
    pub channels: Vec<Pattern>,
    /// The route matches a kind if one of these does.
    pub kinds: Vec<Pattern>,
    /// The route matches an event that meets all of these.
    pub conditions: Vec<Condition>,
    /// Whether the route takes only what no other route takes.
    pub fallback: bool,
    /// The recipients.
    pub agents: Vec<AgentName>,
    /// Whether the caller waits for the agent.
    pub mode: Mode,
    /// The priority of the events. `None` leaves it to their attribute `priority`.
    pub priority: Option<Priority>,
    /// Whether an agent's answer goes back to the source of the event.
    pub respond: bool,
    /// Names of the skills that the agents are offered. `*` means all.
    pub skills: Vec<String>,
}

/// Whether the caller waits for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The caller gets the response once the events are durable.
    Async,
    /// The caller gets the answer of the route's only agent.
    Sync(SyncMode),
}
