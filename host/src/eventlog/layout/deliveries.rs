//! The changed deliveries of consecutive events: one content, divided into as many records as it needs.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::additions::Unreadable;
use super::list::{List, Stored};
use super::record::{self, ENVELOPE, MAX_VALUE, corrupt, draft, push, seal};
use super::{key, v1, v2};
use crate::event::{Delivery, Seq};
use crate::eventlog::EventLogError;

/// How many consecutive events have their deliveries in one bucket.
pub(crate) const BUCKET: u64 = 16;

const VERSION: u8 = 2;
const COUNT: usize = 2;

/// The bucket that has the deliveries of `seq`.
pub(crate) const fn bucket_of(seq: Seq) -> u64 {
    seq.0 / BUCKET
}

/// Splits the deliveries of a bucket into values, none when there are none: each starts with the number of parts.
pub(crate) fn bucket_values(bucket: u64, entries: &[(Seq, &[Delivery])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    const PART: usize = MAX_VALUE - ENVELOPE - COUNT;
    if entries.is_empty() {
        return Vec::new();
    }
    let content = push(Vec::with_capacity(1024), &Entries(entries));
    let parts = content.chunks(PART);
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX).to_le_bytes();
    (0..u16::MAX)
        .zip(parts)
        .map(|(index, part)| {
            let key = key::deliveries(bucket, index);
            let mut value = draft(count.len() + part.len());
            value.extend_from_slice(&count);
            value.extend_from_slice(part);
            (key.to_vec(), seal(&key, VERSION, value))
        })
        .collect()
}

/// The entries of a bucket, to be written.
struct Entries<'a>(&'a [(Seq, &'a [Delivery])]);

impl Serialize for Entries<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(seq, deliveries)| (seq, v2::Deliveries(deliveries))))
    }
}

/// One part of a bucket.
pub(super) struct Part {
    pub(super) version: u8,
    /// How many parts there are.
    pub(super) count: u16,
    pub(super) content: Bytes,
}

impl Part {
    pub(super) fn read(key: &[u8], value: &Bytes) -> Result<Self, EventLogError> {
        let (version, content) = record::open(key, value, VERSION)?;
        let count = content.first_chunk().ok_or_else(|| corrupt(key, "no number of parts".to_owned()))?;
        Ok(Self { version, count: u16::from_le_bytes(*count), content: content.slice(count.len()..) })
    }
}

/// Reads the content of all parts of a bucket.
pub(super) fn read(version: u8, content: &[u8]) -> Result<BTreeMap<Seq, Vec<Delivery>>, Unreadable> {
    match version {
        1 => entries::<v1::Delivery<'_>>(content),
        _ => entries::<v2::ReadDelivery<'_>>(content),
    }
}

fn entries<'a, S>(content: &'a [u8]) -> Result<BTreeMap<Seq, Vec<Delivery>>, Unreadable>
where
    S: Stored<Value = Delivery> + Deserialize<'a>,
{
    let entries: Vec<(Seq, List<S>)> = postcard::from_bytes(content)?;
    entries.into_iter().map(|(seq, deliveries)| Ok((seq, deliveries.into_values()?))).collect()
}
