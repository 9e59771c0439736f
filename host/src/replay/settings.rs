//! Limits of replays.

use std::collections::BTreeSet;

use super::record::Replay;
use crate::event::AgentName;

/// Valid input of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Deliveries that one replay adds per second, unless another rate was asked for.
    pub rate: u32,
    /// Redeliveries to one agent that are open at once; more wait for their turn in the log.
    pub open: u64,
    /// Replays that run at once; more are refused.
    pub running: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rate: 100, open: 200, running: 8 }
    }
}

impl Settings {
    /// The highest rate of a replay.
    pub const MAX_RATE: u32 = 10_000;
    /// The most that [`Settings::running`] can be; all of them are kept, with some that ended.
    pub const MAX_RUNNING: usize = Replay::KEPT / 2;
}

/// What holds for replays now. A reload replaces it as a whole.
pub(super) struct Rules {
    pub(super) settings: Settings,
    /// The configured agents. Deliveries to others are left alone.
    pub(super) agents: BTreeSet<AgentName>,
}
