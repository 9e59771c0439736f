//! Facts about the log as a whole: its format, its epoch, its figures, and the names of their records.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tracing::info;

use super::additions::{Additions, Unreadable};
use super::key;
use super::moved::{self, MovedValue};
use super::reader::Store;
use super::record::{self, Record, corrupt, push};
use super::{v1, v2};
use crate::event::{AgentName, Delivery, EventStatus, Seq};
use crate::eventlog::engine::{Direction, Op};
use crate::eventlog::epoch::Epoch;
use crate::eventlog::error::EventLogError;
use crate::eventlog::snapshot::ChannelCounts;

/// The format of a folder that this program writes. It says which records there are, and each says its own version.
///
/// An older program compares the first byte of this record with its own format, so it is the version of the record too.
pub(crate) const FORMAT: u8 = 3;

pub(crate) const FORMAT_KEY: &str = "format";
const EPOCH: &str = "epoch";
pub(crate) const STATE: &str = "state";
pub(crate) const REOPENED: &str = "reopened";
pub(crate) const CHANNEL: &str = "channel/";
pub(crate) const OPEN_REPLAYS: &str = "open_replays";
/// How many events have recipients and no deliveries; none without the record.
pub(crate) const WITHHELD: &str = "withheld";
/// How many events are in quarantine, and how many were released; none without the record.
pub(crate) const QUARANTINE: &str = "quarantine";
/// How many events are repetitions; none without the record.
pub(crate) const REPEATS: &str = "repeats";

/// What is known of the log as a whole; written with every commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    /// The last position given.
    pub(crate) head: Seq,
    /// The first position that is still held.
    pub(crate) floor: Seq,
    /// All deliveries of events below are settled, save those reopened.
    pub(crate) settled: Seq,
    /// Events by status. Stored are those that are withheld as accepted ones.
    pub(crate) statuses: [u64; EventStatus::ALL.len()],
    /// What the events take, with their payloads.
    pub(crate) bytes: u64,
}

impl LogState {
    pub(crate) const EMPTY: Self =
        Self { head: Seq(0), floor: Seq(1), settled: Seq(1), statuses: [0; EventStatus::ALL.len()], bytes: 0 };

    /// Counts events that were stored as accepted ones as `status`, which they are.
    pub(crate) fn tell_apart(&mut self, status: EventStatus, count: u64) {
        let accepted = &mut self.statuses[EventStatus::Accepted as usize];
        let count = count.min(*accepted);
        *accepted -= count;
        self.statuses[status as usize] = count;
    }

    pub(crate) fn holds(&self, seq: Seq) -> bool {
        (self.floor..=self.head).contains(&seq)
    }
}

impl Record for LogState {
    const VERSION: u8 = 2;

    fn write(&self, value: Vec<u8>) -> Vec<u8> {
        let count = |tag: u8| {
            let counted = EventStatus::ALL.into_iter().filter(|status| v2::status_tag(*status) == tag);
            counted.map(|status| self.statuses[status as usize]).sum()
        };
        let statuses = v2::STATUSES.map(v2::status_tag).map(|tag| (tag, count(tag)));
        let Self { head, floor, settled, bytes, .. } = *self;
        let statuses = Cow::Borrowed(&statuses[..]);
        push(value, &v2::LogState { head, floor, settled, bytes, statuses, additions: Additions::NONE })
    }

    fn read(version: u8, content: &[u8]) -> Result<Self, Unreadable> {
        if version == 1 {
            let v1::LogState { head, floor, settled, statuses, bytes } = postcard::from_bytes(content)?;
            let [accepted, pending, dead, delivered] = statuses;
            let mut state = Self { head, floor, settled, bytes, ..Self::EMPTY };
            state.statuses[EventStatus::Accepted as usize] = accepted;
            state.statuses[EventStatus::Pending as usize] = pending;
            state.statuses[EventStatus::Dead as usize] = dead;
            state.statuses[EventStatus::Delivered as usize] = delivered;
            return Ok(state);
        }
        let v2::LogState { head, floor, settled, bytes, statuses, additions } = postcard::from_bytes(content)?;
        additions.skip()?;
        let mut state = Self { head, floor, settled, bytes, ..Self::EMPTY };
        for (tag, count) in statuses.iter() {
            // Events of a status that is not known cannot be counted as they come and go.
            let status = v2::STATUSES.into_iter().find(|status| v2::status_tag(*status) == *tag);
            state.statuses[status.ok_or(Unreadable::Addition(*tag))? as usize] = *count;
        }
        Ok(state)
    }
}

impl Record for ChannelCounts {
    const VERSION: u8 = 2;

    fn write(&self, value: Vec<u8>) -> Vec<u8> {
        push(value, &v2::ChannelCounts::of(self))
    }

    fn read(version: u8, content: &[u8]) -> Result<Self, Unreadable> {
        if version == 1 {
            return Ok(postcard::from_bytes::<v1::ChannelCounts>(content)?.into_counts());
        }
        postcard::from_bytes::<v2::ChannelCounts>(content)?.into_counts()
    }
}

/// The events of [`QUARANTINE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quarantine {
    pub(crate) quarantined: u64,
    pub(crate) released: u64,
}

record::plain_records! { Epoch BTreeSet<Seq> BTreeMap<AgentName, u64> u64 Quarantine }

/// The change that writes a fact.
pub(crate) fn put<T: Record>(name: &str, fact: &T) -> Op {
    let key = key::meta(name);
    let value = record::encode(&key, fact);
    Op::Put(key, value)
}

/// The format of the folder, up to the one that this program knows; `None` in an empty store.
pub(crate) fn format(store: &Store) -> Result<Option<u8>, EventLogError> {
    let key = key::meta(FORMAT_KEY);
    let Some(value) = store.engine.get(&key)? else { return Ok(None) };
    let (found, _) = record::checked(&key, &value)?;
    if found > FORMAT { Err(EventLogError::Format { found, expected: FORMAT }) } else { Ok(Some(found)) }
}

/// The records that say that a store is a log of the current format, of `epoch`.
pub(crate) fn identity(epoch: Epoch) -> [Op; 2] {
    let (format, key) = (key::meta(FORMAT_KEY), key::meta(EPOCH));
    let value = record::seal(&format, FORMAT, push(record::draft(1), &FORMAT));
    let epoch = record::encode(&key, &epoch);
    [Op::Put(format, value), Op::Put(key, epoch)]
}

/// The epoch of a log of the current format.
pub(crate) fn epoch(store: &Store) -> Result<Epoch, EventLogError> {
    expected(store, EPOCH)
}

/// The figures of the log.
pub(crate) fn state(store: &Store) -> Result<LogState, EventLogError> {
    expected(store, STATE)
}

fn expected<T: Record>(store: &Store, name: &str) -> Result<T, EventLogError> {
    let key = key::meta(name);
    store.read(&key)?.ok_or_else(|| corrupt(&key, "it is missing".to_owned()))
}

/// Makes the store a log of the current format, unless it is one, and returns its epoch.
pub(crate) fn open(store: &Store) -> Result<Epoch, EventLogError> {
    match format(store)? {
        Some(FORMAT) => epoch(store),
        Some(1) => take_over_1(store),
        Some(_) => take_over_2(store),
        None => begin(store),
    }
}

/// Writes the first records of an empty store.
fn begin(store: &Store) -> Result<Epoch, EventLogError> {
    if let Some((key, _)) = store.engine.scan(&[]..&[u8::MAX], Direction::Up, 1)?.first() {
        let detail = format!("it is missing although `{}` is there", key::display(key));
        return Err(corrupt(&key::meta(FORMAT_KEY), detail));
    }
    let epoch = Epoch::new()?;
    let ops = identity(epoch).into_iter().chain([put(STATE, &LogState::EMPTY)]).collect();
    store.engine.write(ops, Seq(0))?;
    Ok(epoch)
}

/// Makes a log of format 2 one of the current format, in one write. No record changes; what is written from now on may be in
/// the segments of the journal, which an older program does not know.
fn take_over_2(store: &Store) -> Result<Epoch, EventLogError> {
    let (head, epoch) = (state(store)?.head, epoch(store)?);
    store.engine.write(identity(epoch).into(), head)?;
    info!("Event log has format {FORMAT} now; an older version does not open it any more");
    Ok(epoch)
}

/// Makes a log of format 1 one of the current format, in one write: before it an older program opens the folder, after it
/// this one. All records but the few that are values now stay as they are.
fn take_over_1(store: &Store) -> Result<Epoch, EventLogError> {
    let head = state(store)?.head;
    let epoch = Epoch::new()?;
    let mut ops = Vec::from(identity(epoch));
    for moved in moved::values(store) {
        let MovedValue { old, space, key, value } = moved?;
        let new = key::value(space, &key);
        let value = record::encode(&new, &value);
        ops.extend([Op::Remove(old), Op::Put(new, value)]);
    }
    store.engine.write(ops, head)?;
    info!(%epoch, "Event log has format {FORMAT} now; an older version does not open it any more");
    Ok(epoch)
}

/// To whom replays among `deliveries` are open.
pub(crate) fn open_replays(deliveries: &[Delivery]) -> Vec<AgentName> {
    let open = deliveries.iter().filter(|delivery| delivery.replayed_by.is_some() && delivery.state.is_open());
    open.map(|delivery| delivery.agent.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Record>(version: u8, content: &impl serde::Serialize) -> Result<T, Unreadable> {
        T::read(version, &push(Vec::new(), content))
    }

    fn later(statuses: &[(u8, u64)], additions: Additions) -> v2::LogState<'_> {
        let (head, floor, settled) = (Seq(9), Seq(2), Seq(3));
        v2::LogState { head, floor, settled, bytes: 5, statuses: Cow::Borrowed(statuses), additions }
    }

    #[test]
    fn figures_are_read_in_both_versions() {
        let statuses = [1, 2, 3, 4, 0, 0, 0, 0, 0];
        let state = LogState { head: Seq(9), floor: Seq(2), settled: Seq(3), statuses, bytes: 5 };
        let old = v1::LogState { head: Seq(9), floor: Seq(2), settled: Seq(3), statuses: [1, 2, 3, 4], bytes: 5 };

        assert_eq!(read(1, &old), Ok(state.clone()));
        assert_eq!(LogState::read(2, &state.write(Vec::new())), Ok(state.clone()));
        let withheld = LogState { statuses: [1, 2, 3, 4, 5, 6, 7, 8, 9], ..state.clone() };
        let counted = LogState { statuses: [36, 2, 3, 4, 0, 0, 0, 0, 0], ..state };
        assert_eq!(LogState::read(2, &withheld.write(Vec::new())), Ok(counted));
    }

    #[test]
    fn additions_are_skipped_or_refused_by_their_tag() {
        let known = [(1, 1), (2, 2), (3, 3), (4, 4)];
        let skipped: LogState = read(2, &later(&known, Additions::of(127))).unwrap();
        assert_eq!(skipped.statuses, [1, 2, 3, 4, 0, 0, 0, 0, 0]);
        for (statuses, additions, tag) in
            [(&known[..], Additions::of(128), 128), (&[(1, 1), (9, 2)], Additions::NONE, 9)]
        {
            assert_eq!(read::<LogState>(2, &later(statuses, additions)), Err(Unreadable::Addition(tag)));
        }
    }
}
