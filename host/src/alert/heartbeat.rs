//! Alerts that fire all the time to show that alerts arrive. What is told of one is its absence.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// What is known of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When it was seen last, or expected first.
    pub last_beat: Timestamp,
    /// How often it was seen.
    pub beats: u64,
    /// Since when it is missing.
    pub missing_since: Option<Timestamp>,
}

impl Heartbeat {
    pub(super) const fn expected_from(now: Timestamp) -> Self {
        Self { last_beat: now, beats: 0, missing_since: None }
    }
}
