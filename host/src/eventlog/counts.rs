use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{ChannelName, EventStatus, Seq, Timestamp};

/// What the log holds, as figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By channel; a channel appears with its first event.
    pub channels: BTreeMap<ChannelName, ChannelCounts>,
    /// The position of the last event; 0 before the first.
    pub head: Seq,
    /// The position of the first event that is still held; the one after `head` when none is.
    pub floor: Seq,
    /// When the first event that is still held was received.
    pub oldest: Option<Timestamp>,
    /// What the events take, with their payloads; what the store takes for it on the disk is more.
    pub bytes: u64,
    pub(crate) statuses: [u64; EventStatus::ALL.len()],
}

impl Counts {
    /// How many of the stored events have `status`.
    pub const fn with_status(&self, status: EventStatus) -> u64 {
        self.statuses[status as usize]
    }
}

/// The figures of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCounts {
    /// Events accepted since the log began.
    pub accepted: u64,
    /// Events that were in the log already.
    pub duplicates: u64,
    /// When the latest accepted event was received.
    pub last_event_at: Option<Timestamp>,
}
