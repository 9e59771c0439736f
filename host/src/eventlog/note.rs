//! Notes: what a processor has decided about an event, in one sentence for people.
//!
//! A note is a value of the log. The processor writes it in the commit of its decision, and it goes when the event goes.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::EventLogError;
use super::batch::{Expected, Space, ValueChange};
use super::engine::Direction;
use super::layout::key;
use super::layout::reader::Store;
use crate::event::{Seq, Timestamp};

/// The values with the notes.
pub(super) const NOTES: Space = Space::of_module("notes");
/// The version of a note's record.
const VERSION: u8 = 1;

/// What a processor has decided about an event. An event has one: the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The processor.
    pub by: String,
    pub at: Timestamp,
    /// A sentence without a full stop.
    pub text: String,
}

impl Note {
    /// Bytes of the text; what is longer is cut off.
    const MAX: usize = 1024;

    /// The change that notes it for the event at `seq`. It changes nothing once that event is gone.
    pub fn about(mut self, seq: Seq) -> ValueChange {
        self.text.truncate(self.text.floor_char_boundary(Self::MAX));
        let record = postcard::to_extend(&self, vec![VERSION]).expect("a note holds nothing that postcard refuses");
        ValueChange { space: NOTES, key: Self::key(seq), value: Some(record.into()), expected: Expected::Anything }
    }

    /// The name of the note about the event at `seq`.
    pub(super) fn key(seq: Seq) -> String {
        format!("{:016x}", seq.0)
    }

    /// The event that a note with this name is about.
    pub(super) fn seq_of(key: &str) -> Option<Seq> {
        u64::from_str_radix(key, 16).ok().map(Seq)
    }

    /// The note about the event at `seq` in the store.
    pub(super) fn stored_key(seq: Seq) -> Vec<u8> {
        key::value(NOTES.as_str(), &Self::key(seq))
    }

    /// Whether there are any: in a log that has none nobody looks for them.
    pub(super) fn any(store: &Store) -> Result<bool, EventLogError> {
        let range = key::values(NOTES.as_str(), "");
        Ok(!store.engine.scan(&range.start..&range.end, Direction::Up, 1)?.is_empty())
    }

    /// The events from `first` to `last` that have one in the store.
    pub(super) fn between(store: &Store, first: Seq, last: Seq) -> Result<HashSet<Seq>, EventLogError> {
        let range = Self::stored_key(first)..Self::stored_key(last.next());
        let found = store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX)?;
        Ok(found.iter().filter_map(|(key, _)| Self::seq_of(&key::value_name(key)?.1)).collect())
    }

    pub(super) fn read(seq: Seq, record: &Bytes) -> Result<Self, EventLogError> {
        let key = || format!("s/{}/{}", NOTES.as_str(), Self::key(seq));
        let corrupt = |detail: String| EventLogError::Corrupt { key: key(), detail };
        match record.split_first() {
            Some((&VERSION, note)) => postcard::from_bytes(note).map_err(|error| corrupt(error.to_string())),
            Some((&found, _)) => Err(EventLogError::Version { key: key(), found, expected: VERSION }),
            None => Err(corrupt("it is empty".to_owned())),
        }
    }
}
