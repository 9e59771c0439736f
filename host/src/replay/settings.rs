//! Limits of replays.

use super::record::Replay;

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
