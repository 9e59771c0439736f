//! Which identities are in the log, and whose they are.
//!
//! Identities are random, and one key for each would touch a page of the store for each. So they are kept as they
//! come: one record for each commit, and all of them in memory, until they are many. Then they become a run: sorted
//! records and a filter, written once. A lookup asks the memory and the filters, and reads a record only when a
//! filter says that it may be there. A run goes as a whole once its latest identity is older than the window.
//!
//! What grows with the window is the filters: 2.5 bytes in memory for each identity, and one look at each run for a new
//! one. So the number of identities is bounded besides the window; when there are more, the oldest run goes early, and a
//! counter says so.

mod run;

use std::collections::HashMap;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde::{Deserialize, Serialize};

use self::run::Run;
use super::key;
use super::reader::Store;
use super::record::{self, corrupt};
use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::{Direction, Op};
use crate::eventlog::identity::Identity;

/// The identities as the writer sees them; what is added is in the next commit.
pub(crate) struct Identities {
    recent: HashMap<Identity, EventId>,
    /// Oldest first, with consecutive numbers.
    runs: Vec<Run>,
    /// The number of the next run.
    end: u64,
    /// Those of the commit that is being built.
    added: Vec<(Identity, EventId)>,
    /// The records of commits since the last run.
    written: Vec<Seq>,
    /// Records of commits that are in a run, to be removed.
    stale: Vec<Seq>,
    /// The most runs; with more, the oldest goes before its time.
    most: usize,
    forgotten: Counter,
}

impl Identities {
    /// When the recent ones become a run: 4 MB in memory.
    const RECENT: usize = if cfg!(test) { 100 } else { 64 * 1024 };
    /// How many stale records go with one commit.
    const REMOVED: usize = 256;

    /// Reads the filters of all runs and what came after the last one.
    pub(crate) fn load(store: &Store, max: usize, forgotten: Counter) -> Result<Self, EventLogError> {
        let runs = store.read::<Runs>(&key::meta(RUNS))?.unwrap_or_default();
        let mut identities = Self {
            recent: HashMap::new(),
            runs: (runs.first..runs.end).map(|number| Run::load(store, number)).collect::<Result<_, _>>()?,
            end: runs.end,
            added: Vec::new(),
            written: Vec::new(),
            stale: Vec::new(),
            most: (max / Self::RECENT).max(1),
            forgotten,
        };
        let in_runs = identities.runs.last().map_or(Seq(0), |run| run.last);
        let range = key::all_identities();
        for (key, value) in store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX)? {
            let seq = key::identities_seq(&key).ok_or_else(|| corrupt(&key, "no position in the key".to_owned()))?;
            if seq <= in_runs {
                identities.stale.push(seq);
            } else {
                identities.written.push(seq);
                identities.recent.extend(record::decode::<Vec<(Identity, EventId)>>(&key, &value)?);
            }
        }
        identities.stale.reverse();
        Ok(identities)
    }

    /// Gives all identities of `store` to `found` in pieces, a later one of the same name later, and what cannot be
    /// read to `failed`.
    ///
    /// # Errors
    /// Those of `found`.
    pub(crate) fn read_all(
        store: &Store,
        found: &mut dyn FnMut(Vec<(Identity, EventId)>) -> Result<(), EventLogError>,
        failed: &mut dyn FnMut(EventLogError),
    ) -> Result<(), EventLogError> {
        let runs = store.read::<Runs>(&key::meta(RUNS)).unwrap_or_else(|error| {
            failed(error);
            None
        });
        let runs = runs.unwrap_or_default();
        let mut in_runs = Seq(0);
        for number in runs.first..runs.end {
            match Run::load(store, number) {
                Ok(run) => {
                    in_runs = run.last;
                    run.read_all(store, found, failed)?;
                }
                Err(error) => failed(error),
            }
        }
        let range = key::all_identities();
        match store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX) {
            Ok(records) => {
                for (key, value) in records {
                    match record::decode(&key, &value) {
                        Ok(entries) if key::identities_seq(&key).is_some_and(|seq| seq > in_runs) => found(entries)?,
                        Ok(_) => {}
                        Err(error) => failed(error),
                    }
                }
            }
            Err(error) => failed(error.into()),
        }
        Ok(())
    }

    /// Adds identities of events up to `last` to a log that is being restored.
    pub(crate) fn restore(&mut self, entries: Vec<(Identity, EventId)>, last: Seq, ops: &mut Vec<Op>) {
        self.recent.extend(entries);
        if self.recent.len() >= Self::RECENT {
            self.restored(last, ops);
        }
    }

    /// Ends it: whatever is left becomes a run, because its events may be anywhere.
    pub(crate) fn restored(&mut self, last: Seq, ops: &mut Vec<Op>) {
        if !self.recent.is_empty() {
            self.runs.push(Run::write(self.end, last, self.recent.drain().collect(), ops));
            self.end += 1;
        }
        let key = key::meta(RUNS);
        let runs = Runs { first: self.end - self.runs.len() as u64, end: self.end };
        let value = record::encode(&key, &runs);
        ops.push(Op::Put(key, value));
    }

    /// The event that has `identity`, the latest if there are several.
    pub(crate) fn find(&self, store: &Store, identity: &Identity) -> Result<Option<EventId>, EventLogError> {
        if let Some(id) = self.recent(identity) {
            return Ok(Some(id));
        }
        for run in self.runs.iter().rev() {
            if let Some(id) = run.find(store, identity)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The event that has `identity`, when it is one of the recent ones.
    pub(crate) fn recent(&self, identity: &Identity) -> Option<EventId> {
        self.recent.get(identity).copied()
    }

    pub(crate) fn add(&mut self, identity: Identity, id: EventId) {
        self.recent.insert(identity, id);
        self.added.push((identity, id));
    }

    /// What has to be written with the commit; `now` is the time of its latest event, when it has one.
    pub(crate) fn write(&mut self, now: Option<Timestamp>, window: Duration, ops: &mut Vec<Op>) {
        for part in self.added.chunks(Run::RECORD) {
            let Some((_, first)) = part.first() else { continue };
            let key = key::identities(first.seq());
            ops.push(Op::Put(key.to_vec(), record::encode_plain(&key, part)));
            self.written.push(first.seq());
        }
        self.added.clear();
        let runs = Runs { first: self.end - self.runs.len() as u64, end: self.end };
        if self.recent.len() >= Self::RECENT {
            let old = |id: &EventId| now.is_some_and(|now| is_older(id.received_at(), now, window));
            let last = self.recent.values().map(|id| id.seq()).max().unwrap_or_default();
            let entries = self.recent.drain().filter(|(_, id)| !old(id)).collect();
            self.runs.push(Run::write(self.end, last, entries, ops));
            self.end += 1;
            self.stale.append(&mut self.written);
        }
        let left = self.stale.len().saturating_sub(Self::REMOVED);
        ops.extend(self.stale.drain(left..).map(|seq| Op::Remove(key::identities(seq).to_vec())));
        if let Some(oldest) = self.runs.first() {
            let is_over = now.is_some_and(|now| is_older(oldest.latest, now, window));
            if is_over || self.runs.len() > self.most {
                oldest.remove(ops);
                self.runs.remove(0);
                self.forgotten.inc_by(if is_over { 0 } else { Self::RECENT as u64 });
            }
        }
        let after = Runs { first: self.end - self.runs.len() as u64, end: self.end };
        if after != runs {
            let key = key::meta(RUNS);
            let value = record::encode(&key, &after);
            ops.push(Op::Put(key, value));
        }
    }
}

const RUNS: &str = "runs";

/// The numbers of the runs that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Runs {
    first: u64,
    end: u64,
}

record::plain_records! { Runs Vec<(Identity, EventId)> }

/// Whether an identity of `time` is no longer remembered at `now`; one from a clock that was far ahead is not either.
fn is_older(time: Timestamp, now: Timestamp, window: Duration) -> bool {
    now.since(time).max(time.since(now)) >= window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_time() {
        for millis in [0, 1, 1_700_000_000_123] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(EventId::new(time, Seq(9), 7).received_at(), time);
        }
    }
}
