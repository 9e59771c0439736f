//! An engine without a disk: a map that is gone with the process.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;

use crate::event::Seq;
use crate::eventlog::engine::{Direction, Engine, EngineError, Op, Pair, Purpose};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    map: RwLock<BTreeMap<Bytes, Bytes>>,
}

impl Memory {
    /// A value is kept as long as a reader has any part of it, so blocks are small.
    const BLOCK: usize = 8 * 1024;
}

impl Engine for Memory {
    fn write(&self, ops: Vec<Op>, _head: Seq) -> Result<(), EngineError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for op in ops {
            match op {
                // What a value was built in may be larger, and stays as long as the value.
                Op::Put(key, value) => drop(map.insert(key.into(), value.into_boxed_slice().into())),
                Op::Remove(key) => drop(map.remove(&key[..])),
            }
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, range: Range<&[u8]>, direction: Direction, limit: usize) -> Result<Vec<Pair>, EngineError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let found = map.range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)));
        let owned = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match direction {
            Direction::Up => found.take(limit).map(owned).collect(),
            Direction::Down => found.rev().take(limit).map(owned).collect(),
        })
    }

    fn room(&self, _bytes: usize, _purpose: Purpose) -> Result<(), EngineError> {
        Ok(())
    }

    fn refill(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn close(&self) {}

    fn block_bytes(&self) -> usize {
        Self::BLOCK
    }
}
