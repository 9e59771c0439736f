use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::EventLogError;
use super::engine::{Direction, Engine};
use super::key;
use super::record::{self, BODY_PART, Block, Facts, bucket_of, corrupt};
use crate::event::{Delivery, Seq};

/// Reads records of the log from an engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) engine: Arc<dyn Engine>,
}

/// The deliveries of the events of one bucket that are not as they were when the event was accepted.
#[derive(Debug, Default)]
pub(crate) struct StoredBucket {
    pub(crate) events: BTreeMap<Seq, Vec<Delivery>>,
    pub(crate) parts: u16,
}

impl Store {
    pub(crate) fn read<T: for<'de> serde::Deserialize<'de>>(&self, key: &[u8]) -> Result<Option<T>, EventLogError> {
        self.engine.get(key)?.map(|value| record::decode(key, &value)).transpose()
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

    /// The payload of `facts`.
    pub(crate) fn payload(&self, facts: &Facts) -> Result<Bytes, EventLogError> {
        if facts.apart == 0 {
            return Ok(facts.event.data.clone());
        }
        let seq = facts.event.seq;
        let length = usize::try_from(facts.apart).unwrap_or(usize::MAX);
        let mut data = BytesMut::new();
        for index in 0..parts(facts.apart) {
            let key = key::body(seq, index);
            let Some(value) = self.engine.get(&key)? else { return Err(corrupt(&key, "it is missing".to_owned())) };
            let part = record::open(&key, &value)?;
            if index == 0 {
                data.reserve(length.min(part.len().saturating_mul(parts(facts.apart) as usize)));
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
        let (parts, mut content) = record::bucket_part(&first, &value)?;
        if parts > 1 {
            let mut whole = BytesMut::from(&content[..]);
            for index in 1..parts {
                let key = key::deliveries(bucket, index);
                let Some(value) = self.engine.get(&key)? else { return Err(corrupt(&key, "it is missing".to_owned())) };
                whole.extend_from_slice(&record::bucket_part(&key, &value)?.1);
            }
            content = whole.freeze();
        }
        let events: Vec<(Seq, Vec<Delivery>)> =
            postcard::from_bytes(&content).map_err(|error| corrupt(&first, error.to_string()))?;
        Ok(StoredBucket { events: events.into_iter().collect(), parts })
    }
}

/// The number of records of a payload of `length` bytes that is apart.
pub(crate) fn parts(length: u64) -> u32 {
    u32::try_from(length.div_ceil(BODY_PART as u64)).unwrap_or(u32::MAX)
}

/// Walks over events one by one and keeps what neighbours share: the block and the bucket.
pub(crate) struct Walk<'a> {
    store: &'a Store,
    block: Option<Block>,
    bucket: Option<(u64, StoredBucket)>,
    ahead: Vec<Block>,
}

impl<'a> Walk<'a> {
    const AHEAD: usize = 8;

    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, block: None, bucket: None, ahead: Vec::new() }
    }

    /// The event at `seq`, its payload only when it is in its block.
    pub(crate) fn facts(&mut self, seq: Seq) -> Result<Option<Facts>, EventLogError> {
        let has = |block: &Block| (block.first..=block.last()).contains(&seq);
        if !self.block.as_ref().is_some_and(has) {
            let follows = self.block.as_ref().is_some_and(|block| block.last().next() == seq);
            if follows && self.ahead.is_empty() {
                self.ahead = self.store.blocks_from(seq, Self::AHEAD)?;
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
        self.block.as_ref().map_or(Ok(None), |block| block.facts(seq))
    }

    /// The deliveries of the event of `facts` as they are now.
    pub(crate) fn deliveries(&mut self, facts: &Facts) -> Result<Vec<Delivery>, EventLogError> {
        let number = bucket_of(facts.event.seq);
        let bucket = match self.bucket.take() {
            Some((cached, bucket)) if cached == number => bucket,
            _ => self.store.bucket(number)?,
        };
        let deliveries = bucket.events.get(&facts.event.seq).cloned();
        self.bucket = Some((number, bucket));
        Ok(deliveries.unwrap_or_else(|| facts.first_deliveries()))
    }
}
