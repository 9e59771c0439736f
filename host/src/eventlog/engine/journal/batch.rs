//! Changes of the store of keys, with the count of what lives in each segment.

use std::collections::BTreeMap;

use super::pointer::Pointer;
use super::record::Entry;
use crate::eventlog::engine::sled::Sled;
use crate::eventlog::engine::{Direction, EngineError, Op};

/// How many bytes the store points to in each segment. Kept in the store, behind the keys of the log, and changed together
/// with the pointers, so that they agree whenever it is opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Live(BTreeMap<u64, u64>);

/// Changes that the store gets at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    ops: Vec<Op>,
    bytes: usize,
    changed: BTreeMap<u64, i64>,
}

impl Live {
    /// What the keys of the counts begin with: nothing of the log is behind it.
    const PREFIX: [u8; 2] = [u8::MAX, b's'];
    const END: [u8; 2] = [u8::MAX, b't'];

    pub(super) fn load(store: &Sled) -> Result<Self, EngineError> {
        let found = store.scan(&Self::PREFIX..&Self::END, Direction::Up, usize::MAX)?;
        let count = |(key, value): &(bytes::Bytes, bytes::Bytes)| {
            let id = u64::from_be_bytes(key.get(Self::PREFIX.len()..)?.try_into().ok()?);
            Some((id, u64::from_le_bytes(value[..].try_into().ok()?)))
        };
        Ok(Self(found.iter().filter_map(count).collect()))
    }

    /// What it is when every pointer of the store is counted.
    pub(super) fn count(store: &Sled) -> Result<Self, EngineError> {
        const PAGE: usize = 1024;
        let mut live = Self::default();
        let mut from = Vec::new();
        loop {
            let page = store.scan(&from..&Self::PREFIX, Direction::Up, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(live) };
            from = [&last[..], &[0]].concat();
            for pointer in page.iter().filter_map(|(_, value)| Pointer::read(value)) {
                *live.0.entry(pointer.segment).or_default() += u64::from(pointer.length);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn of_segment(segment: u64, bytes: u64) -> Self {
        Self(BTreeMap::from([(segment, bytes)]))
    }

    pub(super) fn of(&self, segment: u64) -> u64 {
        self.0.get(&segment).copied().unwrap_or_default()
    }

    /// The first id behind those of the segments that the store points to, lost ones included.
    pub(super) fn next_id(&self) -> u64 {
        self.0.last_key_value().map_or(1, |(id, _)| id + 1)
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    fn key(segment: u64) -> Vec<u8> {
        [&Self::PREFIX[..], &segment.to_be_bytes()].concat()
    }
}

impl Batch {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds what `key` has from now on. A batch has a key once.
    pub(super) fn add(&mut self, store: &Sled, key: &[u8], entry: &Entry) -> Result<(), EngineError> {
        let old = store.get(key)?;
        if let Some(old) = old.as_deref().and_then(Pointer::read) {
            *self.changed.entry(old.segment).or_default() -= i64::from(old.length);
        }
        let op = match entry {
            Entry::Removed if old.is_none() => return Ok(()),
            Entry::Removed => Op::Remove(key.to_vec()),
            Entry::Value(value) => Op::Put(key.to_vec(), value.to_vec()),
            Entry::At(pointer) => {
                *self.changed.entry(pointer.segment).or_default() += i64::from(pointer.length);
                Op::Put(key.to_vec(), pointer.write())
            }
        };
        self.bytes += op.size();
        self.ops.push(op);
        Ok(())
    }

    /// Gives all of it to the store, or nothing.
    pub(super) fn apply(self, store: &Sled, live: &mut Live) -> Result<(), EngineError> {
        let Self { mut ops, changed, .. } = self;
        let mut counts = Vec::with_capacity(changed.len());
        for (segment, change) in changed.into_iter().filter(|(_, change)| *change != 0) {
            let count = live.of(segment).saturating_add_signed(change);
            ops.push(match count {
                0 => Op::Remove(Live::key(segment)),
                count => Op::Put(Live::key(segment), count.to_le_bytes().to_vec()),
            });
            counts.push((segment, count));
        }
        if ops.is_empty() {
            return Ok(());
        }
        store.apply(ops, None)?;
        for (segment, count) in counts {
            match count {
                0 => live.0.remove(&segment),
                count => live.0.insert(segment, count),
            };
        }
        Ok(())
    }
}
