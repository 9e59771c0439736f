//! The word of an agent about what it was told: how it says that its work has ended.
//!
//! It is a value of the log, written in the commit of the attempt that brought it, and kept until it was heard.

use bytes::Bytes;

use super::batch::{Expected, Space, ValueChange};
use super::{EventLog, EventLogError};
use crate::event::DeliveryId;

/// The words that were not heard yet.
const WORDS: Space = Space::of_module("words");

/// What an agent says in its answer to a delivery: its attribute [`Word::ATTRIBUTE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

impl Word {
    /// The attribute of an answer.
    pub const ATTRIBUTE: &str = "outcome";
    /// Bytes of a word; what is longer is cut off.
    const MAX: usize = 64;

    /// The change that keeps it until it is heard.
    pub fn about(&self, delivery: DeliveryId) -> ValueChange {
        let end = self.0.floor_char_boundary(Self::MAX);
        Self::change(delivery, Some(Bytes::copy_from_slice(&self.0.as_bytes()[..end])))
    }

    /// The word that came with a delivery and was not heard yet.
    ///
    /// # Errors
    /// Those of reads.
    pub fn of(log: &EventLog, delivery: DeliveryId) -> Result<Option<Self>, EventLogError> {
        let word = log.value(&WORDS, &key(delivery))?;
        Ok(word.map(|word| Self(String::from_utf8_lossy(&word).into_owned())))
    }

    /// The deliveries whose words were not heard yet.
    ///
    /// # Errors
    /// Those of reads.
    pub fn unheard(log: &EventLog) -> Result<Vec<DeliveryId>, EventLogError> {
        Ok(log.values(&WORDS, "")?.iter().filter_map(|(key, _)| delivery(key)).collect())
    }

    /// The change that forgets it.
    pub fn heard(delivery: DeliveryId) -> ValueChange {
        Self::change(delivery, None)
    }

    fn change(delivery: DeliveryId, value: Option<Bytes>) -> ValueChange {
        ValueChange { space: WORDS, key: key(delivery), value, expected: Expected::Anything }
    }
}

fn key(delivery: DeliveryId) -> String {
    format!("{:016x}/{}", delivery.seq.0, delivery.index)
}

fn delivery(key: &str) -> Option<DeliveryId> {
    let (seq, index) = key.split_once('/')?;
    Some(DeliveryId { seq: crate::event::Seq(u64::from_str_radix(seq, 16).ok()?), index: index.parse().ok()? })
}
