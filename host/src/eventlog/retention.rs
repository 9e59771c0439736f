use std::time::Duration;

/// How long settled events are kept; a limit that is none does not count.
///
/// An event with an open delivery is never removed, whatever the limits say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Since the event was received.
    pub max_age: Option<Duration>,
    /// Events that are held, open ones included.
    pub max_events: Option<u64>,
    /// Bytes of the events that are held, with their payloads, open ones included.
    pub max_bytes: Option<u64>,
}

impl Retention {
    /// Whether there is any limit.
    pub(crate) const fn limits(&self) -> bool {
        self.max_age.is_some() || self.max_events.is_some() || self.max_bytes.is_some()
    }
}
