//! Events in quarantine: they are stored and told to nobody, until a release tells a copy.
//!
//! An event says itself that it is in quarantine ([`Event::quarantine`]). What released it is a value of the log, which goes when the
//! event goes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::EventLogError;
use super::batch::Space;
use super::layout::key;
use super::layout::reader::Store;
use crate::event::{Event, EventId, EventStatus, Seq, Timestamp};

/// The values that say what was released.
pub(super) const RELEASES: Space = Space::of_module("releases");

/// What became of an event that was in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// What was told in its place.
    pub event: EventId,
    /// Who asked for it.
    pub by: String,
    pub at: Timestamp,
}

impl Released {
    /// The name of the value about the event at `seq`.
    pub(super) fn key(seq: Seq) -> String {
        format!("{:016x}", seq.0)
    }

    /// The event that a value with this name is about.
    pub(super) fn seq_of(key: &str) -> Option<Seq> {
        u64::from_str_radix(key, 16).ok().map(Seq)
    }

    /// The value about the event at `seq` in the store.
    pub(super) fn stored_key(seq: Seq) -> Vec<u8> {
        key::value(RELEASES.as_str(), &Self::key(seq))
    }

    pub(super) fn write(&self) -> Bytes {
        serde_json::to_vec(self).expect("it is JSON").into()
    }

    pub(super) fn read(seq: Seq, value: &[u8]) -> Result<Self, EventLogError> {
        let corrupt = |error: serde_json::Error| EventLogError::Corrupt {
            key: format!("{}/{}", RELEASES.as_str(), Self::key(seq)),
            detail: error.to_string(),
        };
        serde_json::from_slice(value).map_err(corrupt)
    }
}

/// The status of an event without deliveries if it is, or was, in quarantine.
pub(super) fn status(store: &Store, event: &Event) -> Result<Option<EventStatus>, EventLogError> {
    if event.quarantine.is_none() {
        return Ok(None);
    }
    let released = store.value(RELEASES.as_str(), &Released::key(event.seq))?;
    Ok(Some(if released.is_some() { EventStatus::Released } else { EventStatus::Quarantined }))
}
