//! Reads of stored records: blocks, payloads, buckets, tombstones, and a cursor over events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use super::block::{BODY_PART, Block, EventHeader, body_part};
use super::deliveries::{self, Part, bucket_of};
use super::key;
use super::record::{self, Record, Tombstone, corrupt};

use crate::event::{Delivery, Seq};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::{Direction, Engine};

/// Reads records of the log from an engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) engine: Arc<dyn Engine>,
    /// Grows by one before events are removed and by one after it, so that it is odd meanwhile.
    removals: Arc<AtomicU64>,
}

/// The deliveries of the events of one bucket that are not as they were when the event was accepted.
#[derive(Debug, Default)]
pub(crate) struct StoredBucket {
    pub(crate) events: BTreeMap<Seq, Vec<Delivery>>,
    pub(crate) parts: u16,
}

impl Store {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, removals: Arc::default() }
    }

    /// Tells those who read that events are about to be removed, or have been.
    pub(crate) fn removal(&self) {
        self.removals.fetch_add(1, Ordering::SeqCst);
    }

    /// The range of events that are no longer there and `seq` with them: its first position, and the rest.
    pub(crate) fn tombstone_at(&self, seq: Seq) -> Result<Option<(Seq, Tombstone)>, EventLogError> {
        let range = key::tombstones_to(seq);
        let found = self.engine.scan(&range.start..&range.end, Direction::Down, 1)?;
        let Some((key, value)) = found.first() else { return Ok(None) };
        let first = key::tombstone_seq(key).ok_or_else(|| corrupt(key, "no position in the key".to_owned()))?;
        let gone: Tombstone = record::decode(key, value)?;
        Ok((gone.last >= seq).then_some((first, gone)))
    }

    pub(crate) fn read<T: Record>(&self, key: &[u8]) -> Result<Option<T>, EventLogError> {
        self.engine.get(key)?.map(|value| record::decode(key, &value)).transpose()
    }

    /// The value of `key` in `space`.
    pub(crate) fn value(&self, space: &str, key: &str) -> Result<Option<Bytes>, EventLogError> {
        self.read(&key::value(space, key))
    }

    /// The first values of `space` whose keys start with `prefix`, by key, at most `limit`.
    pub(crate) fn values(
        &self,
        space: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, EventLogError> {
        let range = key::values(space, prefix);
        let found = self.engine.scan(&range.start..&range.end, Direction::Up, limit)?;
        let entry = |(key, value): (Bytes, Bytes)| {
            let (_, name) = key::value_name(&key).ok_or_else(|| corrupt(&key, "no name in the key".to_owned()))?;
            Ok((name, record::decode(&key, &value)?))
        };
        found.into_iter().map(entry).collect()
    }

    /// An error unless the event at `seq`, which is in no block, is known to be gone.
    pub(crate) fn expect_tombstone(&self, seq: Seq) -> Result<(), EventLogError> {
        if self.is_emptied(seq)? || self.tombstone_at(seq)?.is_some() {
            return Ok(());
        }
        Err(corrupt(&key::block(seq), format!("event {seq} is missing")))
    }

    /// Whether `seq` is in a block that other events of it still need.
    fn is_emptied(&self, seq: Seq) -> Result<bool, EventLogError> {
        Ok(self.block_at(seq)?.is_some_and(|block| block.last() >= seq))
    }

    /// The block that has the event at `seq`, or the one before it.
    pub(crate) fn block_at(&self, seq: Seq) -> Result<Option<Block>, EventLogError> {
        let range = key::blocks_to(seq);
        let found = self.engine.scan(&range.start..&range.end, Direction::Down, 1)?;
        found.first().map(|(key, value)| Block::read(key, value)).transpose()
    }

    /// Up to `limit` blocks that start at `from` or later.
    pub(crate) fn blocks_from(&self, from: Seq, limit: usize) -> Result<Vec<Block>, EventLogError> {
        let range = key::blocks_from(from);
        let found = self.engine.scan(&range.start..&range.end, Direction::Up, limit)?;
        found.iter().map(|(key, value)| Block::read(key, value)).collect()
    }

    /// The payload of `header`.
    pub(crate) fn payload(&self, header: &EventHeader) -> Result<Bytes, EventLogError> {
        if header.overflow == 0 {
            return Ok(header.event.data.clone());
        }
        let seq = header.event.seq;
        let length = usize::try_from(header.overflow).unwrap_or(usize::MAX);
        let mut data = BytesMut::new();
        for index in 0..parts(header.overflow) {
            let key = key::body(seq, index);
            let Some(value) = self.engine.get(&key)? else { return Err(corrupt(&key, "it is missing".to_owned())) };
            let part = body_part(&key, &value)?;
            if index == 0 {
                data.reserve(length.min(part.len().saturating_mul(parts(header.overflow) as usize)));
            }
            data.extend_from_slice(&part);
        }
        if data.len() == length {
            Ok(data.freeze())
        } else {
            Err(corrupt(&key::block(seq), format!("the payload has {} bytes, expected {length}", data.len())))
        }
    }

    /// The changed deliveries of a bucket.
    pub(crate) fn bucket(&self, bucket: u64) -> Result<StoredBucket, EventLogError> {
        let first = key::deliveries(bucket, 0);
        let Some(value) = self.engine.get(&first)? else { return Ok(StoredBucket::default()) };
        let Part { version, count, mut content } = Part::read(&first, &value)?;
        if count > 1 {
            let mut whole = BytesMut::from(&content[..]);
            for index in 1..count {
                let key = key::deliveries(bucket, index);
                let Some(value) = self.engine.get(&key)? else { return Err(corrupt(&key, "it is missing".to_owned())) };
                let part = Part::read(&key, &value)?;
                if part.version != version {
                    return Err(corrupt(&key, format!("version {} beside {version}", part.version)));
                }
                whole.extend_from_slice(&part.content);
            }
            content = whole.freeze();
        }
        let events = deliveries::read(version, &content).map_err(|error| record::unreadable(&first, error))?;
        Ok(StoredBucket { events, parts: count })
    }
}

/// The number of records of a payload of `length` bytes that is apart.
pub(crate) fn parts(length: u64) -> u32 {
    u32::try_from(length.div_ceil(BODY_PART as u64)).unwrap_or(u32::MAX)
}

/// Walks over events one by one and keeps what neighbours share: the block and the bucket.
pub(crate) struct EventCursor<'a> {
    store: &'a Store,
    block: Option<Block>,
    bucket: Option<(u64, StoredBucket)>,
    ahead: Vec<Block>,
    /// The number of removals when `block` was read.
    removals: u64,
}

impl<'a> EventCursor<'a> {
    const AHEAD: usize = 8;

    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, block: None, bucket: None, ahead: Vec::new(), removals: 0 }
    }

    /// The event at `seq`, its payload only when it is in its block.
    pub(crate) fn header(&mut self, seq: Seq) -> Result<Option<EventHeader>, EventLogError> {
        let has = |block: &Block| (block.first..=block.last()).contains(&seq);
        if !self.block.as_ref().is_some_and(has) {
            let follows = self.block.as_ref().is_some_and(|block| block.last().next() == seq);
            let removals = self.store.removals.load(Ordering::SeqCst);
            if !follows || removals != self.removals {
                self.ahead.clear();
            }
            self.removals = removals;
            if follows && self.ahead.is_empty() {
                // One that is damaged must not keep those before it from being read.
                self.ahead = self.store.blocks_from(seq, Self::AHEAD).unwrap_or_default();
                self.ahead.reverse();
            }
            self.block = match self.ahead.pop() {
                Some(block) if has(&block) => Some(block),
                _ => {
                    self.ahead.clear();
                    self.store.block_at(seq)?
                }
            };
        }
        self.block.as_ref().map_or(Ok(None), |block| block.header(seq))
    }

    /// The bytes that the event of `header`, which was found last, takes in the log.
    pub(crate) fn bytes_of(&self, header: &EventHeader) -> u64 {
        self.block.as_ref().map_or(0, |block| block.bytes_of(header))
    }

    /// The deliveries of the event of `header` as they are now; none when it was removed meanwhile.
    pub(crate) fn deliveries(&mut self, header: &EventHeader) -> Result<Option<Vec<Delivery>>, EventLogError> {
        let number = bucket_of(header.event.seq);
        let bucket = match self.bucket.take() {
            Some((cached, bucket)) if cached == number => bucket,
            _ => self.store.bucket(number)?,
        };
        let deliveries = bucket.events.get(&header.event.seq).cloned();
        self.bucket = Some((number, bucket));
        // A bucket says nothing of an event whose deliveries are as they were, and nothing of a removed one either.
        let removals = self.store.removals.load(Ordering::SeqCst);
        if deliveries.is_none() && (removals != self.removals || removals % 2 == 1) {
            (self.block, self.removals) = (None, 0);
            self.ahead.clear();
            if self.header(header.event.seq)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(deliveries.unwrap_or_else(|| header.first_deliveries())))
    }
}
