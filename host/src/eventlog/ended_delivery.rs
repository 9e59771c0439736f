//! Deliveries that have ended, for the module that wants to hear how.
//!
//! Each is a value of the log, written in the commit of the attempt that ended it, and kept until it was heard: so whoever hears of
//! it does however often the process is killed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::{Expected, Space, ValueChange};
use super::{EventLog, EventLogError};
use crate::event::{DeliveryId, Seq};

/// The deliveries that were not heard of yet.
const ENDED: Space = Space::of_module("ended");
/// The version of a record.
const VERSION: u8 = 1;

/// A delivery that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedDelivery {
    pub id: DeliveryId,
    /// Whether the agent has accepted it; otherwise it is dead.
    pub is_accepted: bool,
    /// What the agent says of it: the attribute [`EndedDelivery::ATTRIBUTE`] of its answer.
    pub said: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    is_accepted: bool,
    said: Option<String>,
}

impl EndedDelivery {
    /// The attribute of an answer.
    pub const ATTRIBUTE: &str = "outcome";
    /// Bytes of what an agent says; what is longer is cut off.
    const MAX: usize = 64;

    /// The change that keeps it until it is heard.
    pub fn kept(&self) -> ValueChange {
        let said = self.said.as_ref().map(|said| said[..said.floor_char_boundary(Self::MAX)].to_owned());
        let record = Record { is_accepted: self.is_accepted, said };
        let record = postcard::to_extend(&record, vec![VERSION]).expect("a record holds nothing that postcard refuses");
        self.change(Some(record.into()))
    }

    /// The change that forgets it.
    pub fn heard(&self) -> ValueChange {
        self.change(None)
    }

    /// Whether a change is about such a delivery.
    pub fn is_kept_by(change: &ValueChange) -> bool {
        change.space == ENDED
    }

    /// Those that were not heard of yet, oldest event first, at most `limit`. What is damaged is an end without a word. Waits for the disk.
    ///
    /// # Errors
    /// Those of reads.
    pub fn unheard(log: &EventLog, limit: usize) -> Result<Vec<Self>, EventLogError> {
        let values = log.0.reader.values(&ENDED, "", limit)?;
        Ok(values.iter().filter_map(|(key, record)| Some(Self::read(delivery(key)?, record))).collect())
    }

    fn read(id: DeliveryId, record: &[u8]) -> Self {
        let known = record.split_first().filter(|(version, _)| **version == VERSION);
        let read = known.and_then(|(_, record)| postcard::from_bytes(record).ok());
        let Record { is_accepted, said } = read.unwrap_or_else(|| {
            tracing::error!(delivery = ?id, "How a delivery has ended cannot be read, its agent is taken for one that says nothing");
            Record { is_accepted: true, said: None }
        });
        Self { id, is_accepted, said }
    }

    fn change(&self, value: Option<Bytes>) -> ValueChange {
        let key = format!("{:016x}/{}", self.id.seq.0, self.id.index);
        ValueChange { space: ENDED, key, value, expected: Expected::Anything }
    }
}

fn delivery(key: &str) -> Option<DeliveryId> {
    let (seq, index) = key.split_once('/')?;
    Some(DeliveryId { seq: Seq(u64::from_str_radix(seq, 16).ok()?), index: index.parse().ok()? })
}
