//! What format 1 kept in records of kinds of its own, and what are values now: replays and positions of consumers.

use std::ops::Range;

use bytes::Bytes;

use super::key;
use super::reader::Store;
use super::record::{self, PLAIN, corrupt};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::Direction;

/// The space of the replays: by their ids.
pub(crate) const REPLAYS: &str = "replays";
/// The space of the consumers' positions: by their names.
pub(crate) const CONSUMERS: &str = "consumers";

/// The version with which such a value begins; the rest of it is as it was.
const VERSION: u8 = 1;

/// A record of format 1 as a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MovedValue {
    /// The key of the record.
    pub(crate) old: Vec<u8>,
    pub(crate) space: &'static str,
    pub(crate) key: String,
    pub(crate) value: Bytes,
}

/// All of them in a store of format 1; none in a later one.
pub(crate) fn values(store: &Store) -> Vec<Result<MovedValue, EventLogError>> {
    let replay = |key: &[u8]| key::old_replay_id(key).map(|id| id.to_string());
    let mut found = in_range(store, REPLAYS, key::old_replays(), replay);
    found.extend(in_range(store, CONSUMERS, key::old_consumers(), key::old_consumer_name));
    found
}

fn in_range(
    store: &Store,
    space: &'static str,
    range: Range<Vec<u8>>,
    name: impl Fn(&[u8]) -> Option<String>,
) -> Vec<Result<MovedValue, EventLogError>> {
    let records = match store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX) {
        Ok(records) => records,
        Err(error) => return vec![Err(error.into())],
    };
    let moved = |(old, value): (Bytes, Bytes)| {
        let (_, content) = record::open(&old, &value, PLAIN)?;
        let key = name(&old).ok_or_else(|| corrupt(&old, "no name in the key".to_owned()))?;
        Ok(MovedValue { old: old.to_vec(), space, key, value: versioned(&content) })
    };
    records.into_iter().map(moved).collect()
}

/// The value whose content format 1 would have kept.
pub(crate) fn versioned(content: &[u8]) -> Bytes {
    [&[VERSION], content].concat().into()
}
