//! The parts of a backup, whatever its format is.

use bytes::Bytes;

use super::LostRange;
use crate::event::{ChannelName, Delivery, Event, EventId, Recipient, Seq};
use crate::eventlog::ChannelCounts;
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::record::Tombstone;

/// A part of a backup.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Frame {
    /// The first one: the position of the last event.
    Head { head: Seq },
    /// An event; its payload follows in the same frame.
    Event {
        event: Event,
        identity: Option<Identity>,
        recipients: Vec<Recipient>,
        /// `None` while they are as they were at first.
        deliveries: Option<Vec<Delivery>>,
    },
    /// Positions without an event.
    Tombstone { first: Seq, gone: Tombstone },
    /// Which events have which identity, those of events that are gone among them.
    Identities(Vec<(Identity, EventId)>),
    /// The figures of a channel.
    Channel(ChannelName, ChannelCounts),
    /// A value of a module or a plugin.
    Value { space: String, key: String, value: Bytes },
    /// What could not be read when it was made.
    Lost(LostRange),
    /// The last one: how many frames and events there were.
    End { frames: u64, events: u64 },
}
