//! What becomes of a new event, and of a state that may be late.

use crate::event::{ChannelName, EventId};

/// What is to become of a new event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Store,
    /// Store it, and tell nobody.
    Hold,
    /// Store it for processors.
    Repeat(EventId),
    Duplicate(EventId),
}

/// What became of a state that may be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Held,
    /// Told when its window ended, or when an operator wanted it.
    Told,
    /// Refuted or superseded.
    Dropped,
    /// Told at once, because too much is held.
    Crowded,
}

impl Fate {
    /// The label in the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Told => "told",
            Self::Dropped => "dropped",
            Self::Crowded => "crowded",
        }
    }
}

/// What became of states that may be late, by channel.
pub(crate) type Fates = Vec<(ChannelName, Fate)>;
