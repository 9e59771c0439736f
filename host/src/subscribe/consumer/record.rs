//! What is kept of consumers in the log.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::spec::ConsumerSpec;
use super::usage::step;
use super::window::Parking;
use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::{EventLogError, Expected, Space, ValueChange};

/// A record for each consumer, by its name.
pub(in crate::subscribe) const CONSUMERS: Space = Space::of_module("subscribe/consumers");
/// Parked events, by the consumer's name and the event's position.
pub(in crate::subscribe) const PARKED: Space = Space::of_module("subscribe/parked");

/// A consumer as of its last commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::subscribe) struct Record {
    pub(in crate::subscribe) spec: ConsumerSpec,
    /// Everything up to here is settled.
    pub(in crate::subscribe) position: Seq,
    /// What is settled beyond: each as its distance from the one before, the first from the position. Short, because a value of
    /// the log is.
    settled: Vec<u64>,
    /// When somebody used it last, about.
    #[serde(default)]
    pub(in crate::subscribe::consumer) used_at: Option<Timestamp>,
}

impl Record {
    pub(in crate::subscribe) fn new(spec: ConsumerSpec, position: Seq, settled: &BTreeSet<Seq>) -> Self {
        let before = std::iter::once(&position).chain(settled);
        let distances = settled.iter().zip(before).map(|(seq, before)| seq.0 - before.0).collect();
        Self { spec, position, settled: distances, used_at: None }
    }

    /// Whether `later` need not be written, because it says the same.
    pub(in crate::subscribe::consumer) fn says(&self, later: &Self) -> bool {
        let is_used = match (self.spec.idle_expiry(), self.used_at, later.used_at) {
            (Some(expiry), Some(at), Some(later)) => later.since(at) >= step(expiry),
            (Some(_), None, Some(_)) => true,
            _ => false,
        };
        !is_used && Self { used_at: self.used_at, ..later.clone() } == *self
    }

    /// What is settled beyond the position.
    pub(in crate::subscribe) fn settled(&self) -> BTreeSet<Seq> {
        let mut at = self.position.0;
        let seq = |distance: &u64| {
            at = at.saturating_add(*distance);
            Seq(at)
        };
        self.settled.iter().map(seq).collect()
    }
}

/// An event that a consumer could not process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub seq: Seq,
    pub id: EventId,
    pub attempts: u32,
    pub reason: String,
    pub parked_at: Timestamp,
}

impl Parked {
    pub(in crate::subscribe::consumer) fn new(parking: Parking, parked_at: Timestamp) -> Self {
        let Parking { seq, id, attempts, reason } = parking;
        Self { seq, id, attempts, reason, parked_at }
    }
}

pub(in crate::subscribe::consumer) fn parked_key(consumer: &str, seq: Seq) -> String {
    format!("{}{:020}", parked_prefix(consumer), seq.0)
}

/// What the keys of a consumer's parked events begin with.
pub(in crate::subscribe) fn parked_prefix(consumer: &str) -> String {
    format!("{consumer}/")
}

/// The position in such a key.
pub(in crate::subscribe) fn parked_seq(key: &str) -> Option<Seq> {
    key.rsplit_once('/').and_then(|(_, seq)| seq.parse().ok()).map(Seq)
}

pub(in crate::subscribe) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("records hold texts and numbers").into()
}

pub(in crate::subscribe) fn decode<T: for<'a> Deserialize<'a>>(
    space: &str,
    key: &str,
    value: &[u8],
) -> Result<T, EventLogError> {
    serde_json::from_slice(value)
        .map_err(|error| EventLogError::Corrupt { key: format!("s/{space}/{key}"), detail: error.to_string() })
}

/// The change of a value that only this process writes.
pub(in crate::subscribe) fn change(space: Space, key: String, value: Option<Bytes>) -> ValueChange {
    ValueChange { space, key, value, expected: Expected::Anything }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::ValueChange;

    #[test]
    fn a_record_reads_back_what_it_writes_and_fits_into_a_value() {
        let most = ConsumerSpec::MAX_WINDOW as u64;
        // Events for the consumer may be far apart.
        let settled: BTreeSet<_> = (1..=most).map(|count| Seq(1_000_000_000_000 + count * 1_000_000_000)).collect();
        let record = Record::new(ConsumerSpec::default(), Seq(1_000_000_000_000), &settled);

        let bytes = encode(&record);

        assert!(bytes.len() < ValueChange::MAX_VALUE, "{} bytes", bytes.len());
        let read: Record = decode("", "", &bytes).unwrap();
        assert_eq!((read.settled(), read), (settled, record));
    }
}
