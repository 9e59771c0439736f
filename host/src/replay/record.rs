//! Replays as the log keeps them: one value each, which says how far the replay has come.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::{AgentName, ChannelName, DeliveryState, Seq, Timestamp};
use crate::eventlog::{
    Batch, DeliveryFilter, EventLog, EventLogError, Expected, Redelivery, Selection, Space, ValueChange,
};

/// Names one replay; counts from 1 and is never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplayId(pub u64);

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ReplayId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    Running,
    /// It has gone through every event that there was when it began.
    Done,
    /// Somebody ended it; what it had added is delivered all the same.
    Cancelled,
    /// It cannot go on.
    Failed,
}

/// A bulk redelivery of what a filter matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    pub id: ReplayId,
    pub filter: DeliveryFilter,
    /// Who asked for it.
    pub by: String,
    /// The most deliveries that it adds per second.
    pub rate: u32,
    /// How many deliveries there were to replay when it was asked for.
    pub total: u64,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// The next event to scan: everything before is done.
    pub next: Seq,
    /// The last event to scan.
    pub last: Seq,
    /// Deliveries that it added.
    pub replayed: u64,
    /// Deliveries that it left alone because their agent is gone.
    pub skipped: u64,
    pub state: ReplayState,
    /// Why it failed.
    pub error: Option<String>,
}

impl Replay {
    /// How many are kept; the oldest that ended goes first.
    pub const KEPT: usize = 100;

    /// A replay of what `filter` matches between two positions, without an id. It is done if there are no positions.
    pub(super) fn new(filter: DeliveryFilter, by: String, rate: u32, total: u64, next: Seq, last: Seq) -> Self {
        let created_at = Timestamp::now();
        let (ended_at, state) =
            if next > last { (Some(created_at), ReplayState::Done) } else { (None, ReplayState::Running) };
        let (id, error) = (ReplayId::default(), None);
        let (replayed, skipped) = (0, 0);
        Self { id, filter, by, rate, total, created_at, ended_at, next, last, replayed, skipped, state, error }
    }

    /// The same replay after a step up to `next`, or to its end.
    pub(super) fn stepped(self, replayed: u64, skipped: u64, next: Option<Seq>) -> Self {
        let (replayed, skipped) = (self.replayed + replayed, self.skipped + skipped);
        let stepped = Self { replayed, skipped, next: next.unwrap_or(self.last.next()), ..self };
        if next.is_some() { stepped } else { stepped.ended(ReplayState::Done, None, Timestamp::now()) }
    }

    /// The same replay, ended unless it has ended before.
    fn ended(self, state: ReplayState, error: Option<String>, now: Timestamp) -> Self {
        if self.state == ReplayState::Running { Self { state, error, ended_at: Some(now), ..self } } else { self }
    }
}

const SPACE: Space = Space::of_module("replays");

/// All replays that are kept, as they are durable.
///
/// Each change expects the value that was read or written last, so that none is made twice.
pub(super) struct Records {
    log: EventLog,
    kept: Mutex<BTreeMap<ReplayId, Record>>,
}

struct Record {
    replay: Replay,
    stored: Bytes,
}

impl Records {
    /// Reads what the log keeps. Waits for the disk.
    pub(super) fn load(log: EventLog) -> Result<Self, EventLogError> {
        let mut kept = BTreeMap::new();
        for (key, stored) in log.values(&SPACE, "")? {
            let replay = decode(&key, &stored)?;
            kept.insert(replay.id, Record { replay, stored });
        }
        Ok(Self { log, kept: Mutex::new(kept) })
    }

    /// All replays, the oldest first.
    pub(super) fn all(&self) -> Vec<Replay> {
        self.lock().values().map(|record| record.replay.clone()).collect()
    }

    pub(super) fn get(&self, id: ReplayId) -> Option<Replay> {
        self.lock().get(&id).map(|record| record.replay.clone())
    }

    /// The replays that run.
    pub(super) fn running(&self) -> Vec<Replay> {
        let kept = self.lock();
        let running = kept.values().filter(|record| record.replay.state == ReplayState::Running);
        running.map(|record| record.replay.clone()).collect()
    }

    /// Keeps a new replay under the next free id, in the place of the oldest that ended if there are too many. One caller at
    /// a time.
    pub(super) async fn add(&self, new: Replay) -> Result<Replay, EventLogError> {
        let (id, gone) = {
            let kept = self.lock();
            let id = ReplayId(kept.last_key_value().map_or(0, |(last, _)| last.0) + 1);
            let ended = kept.values().filter(|record| record.replay.state != ReplayState::Running);
            let surplus = (kept.len() + 1).saturating_sub(Replay::KEPT);
            (id, ended.map(|record| record.replay.id).take(surplus).collect::<Vec<_>>())
        };
        let replay = Replay { id, ..new };
        let mut batch = Batch::default();
        batch.values.extend(gone.iter().map(|id| ValueChange {
            space: SPACE,
            key: id.to_string(),
            value: None,
            expected: Expected::Anything,
        }));
        let replay = self.write(replay, Expected::Absent, batch).await?;
        gone.iter().for_each(|id| drop(self.lock().remove(id)));
        Ok(replay)
    }

    /// Makes `replay` what is kept, together with `redeliveries`.
    ///
    /// # Errors
    /// `Conflict` when the replay or a delivery was changed meanwhile; `NotFound` when it is not kept.
    pub(super) async fn change(&self, replay: Replay, redeliveries: Vec<Redelivery>) -> Result<Replay, EventLogError> {
        let stored = self.lock().get(&replay.id).map(|record| record.stored.clone());
        let stored = stored.ok_or(EventLogError::NotFound)?;
        self.write(replay, Expected::Exactly(stored), Batch { redeliveries, ..Batch::default() }).await
    }

    /// Ends a replay that runs, and leaves one alone that has ended.
    ///
    /// # Errors
    /// `NotFound` when it is not kept; those of a commit.
    pub(super) async fn end(
        &self,
        id: ReplayId,
        state: ReplayState,
        error: Option<String>,
    ) -> Result<Replay, EventLogError> {
        loop {
            let replay = self.get(id).ok_or(EventLogError::NotFound)?;
            if replay.state != ReplayState::Running {
                return Ok(replay);
            }
            // A step may be committed meanwhile.
            match self.change(replay.ended(state, error.clone(), Timestamp::now()), Vec::new()).await {
                Err(EventLogError::Conflict(_)) => {}
                ended => return ended,
            }
        }
    }

    async fn write(&self, replay: Replay, expected: Expected, mut batch: Batch) -> Result<Replay, EventLogError> {
        let (id, key, stored) = (replay.id, replay.id.to_string(), encode(&replay));
        batch.values.push(ValueChange { space: SPACE, key, value: Some(stored.clone()), expected });
        match self.log.commit(batch).await {
            Ok(_) => {
                self.lock().insert(id, Record { replay: replay.clone(), stored });
                Ok(replay)
            }
            Err(error) => {
                // It may be durable all the same, so that the next change would conflict for ever.
                self.reload(id).await;
                Err(error)
            }
        }
    }

    async fn reload(&self, id: ReplayId) {
        let (log, key) = (self.log.clone(), id.to_string());
        let read = tokio::task::spawn_blocking(move || log.value(&SPACE, &key)).await;
        let Ok(Ok(Some(stored))) = read else { return };
        match decode(&id.to_string(), &stored) {
            Ok(replay) => drop(self.lock().insert(id, Record { replay, stored })),
            Err(error) => tracing::error!(replay = %id, "Replay cannot be read: {error}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplayId, Record>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version of what [`encode`] writes; it is followed by JSON, in which unknown members are skipped.
const VERSION: u8 = 2;

fn encode(replay: &Replay) -> Bytes {
    let mut stored = vec![VERSION];
    serde_json::to_writer(&mut stored, replay).expect("a replay has no keys that JSON cannot have");
    stored.into()
}

fn decode(key: &str, stored: &Bytes) -> Result<Replay, EventLogError> {
    let place = || format!("s/replays/{key}");
    let corrupt = |detail: String| EventLogError::Corrupt { key: place(), detail };
    let replay: Replay = match stored.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?,
        Some((1, record)) => {
            postcard::from_bytes::<Version1>(record).map_err(|error| corrupt(error.to_string()))?.into()
        }
        Some((&found, _)) => return Err(EventLogError::Version { key: place(), found, expected: VERSION }),
        None => return Err(corrupt("it is empty".to_owned())),
    };
    if replay.id.to_string() == key {
        Ok(replay)
    } else {
        Err(corrupt(format!("replay {} is somewhere else", replay.id)))
    }
}

/// A replay as logs of format 1 keep it.
#[derive(Deserialize)]
struct Version1 {
    id: ReplayId,
    filter: FilterVersion1,
    by: String,
    rate: u32,
    total: u64,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    next: Seq,
    last: Seq,
    replayed: u64,
    skipped: u64,
    state: ReplayState,
    error: Option<String>,
}

#[derive(Deserialize)]
struct FilterVersion1 {
    channel: Option<ChannelName>,
    kind: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    state: Option<DeliveryState>,
    agent: Option<AgentName>,
}

impl From<Version1> for Replay {
    fn from(old: Version1) -> Self {
        let Version1 { id, filter, by, rate, total, created_at, ended_at, next, last, replayed, skipped, .. } = old;
        let FilterVersion1 { channel, kind, since, until, state, agent } = filter;
        let events = Selection { channel, kind, subject: None, since, until };
        let filter = DeliveryFilter { events, state, agent };
        let (state, error) = (old.state, old.error);
        Self { id, filter, by, rate, total, created_at, ended_at, next, last, replayed, skipped, state, error }
    }
}
