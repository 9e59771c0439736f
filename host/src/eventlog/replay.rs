//! Replays: deliveries that a filter takes are made again, bit by bit, and never one of them twice.
//!
//! A replay is a record of the log. What a step adds and how far the replay has come are one commit, so that a crash at
//! any moment neither repeats nor leaves out a delivery.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::writer::Work;
use super::writer::queue::Weight;
use super::{DeliveryFilter, EventLog, EventLogError};
use crate::event::{AgentName, ChannelName, Delivery, DeliveryId, Event, Seq, Timestamp};

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
    /// There is more to look at.
    Running,
    /// It has looked at every event that there was when it began.
    Done,
    /// Somebody ended it; what it had added is delivered all the same.
    Cancelled,
    /// It cannot go on.
    Failed,
}

/// Deliveries that are to be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// The deliveries it is about.
    pub filter: DeliveryFilter,
    /// Who asked for it.
    pub by: String,
    /// The most deliveries that it adds in a second.
    pub rate: u32,
    /// How many deliveries there were to replay when it was asked for.
    pub total: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended; none while it runs.
    pub ended_at: Option<Timestamp>,
    /// The next event to look at: everything before is done.
    pub next: Seq,
    /// The last event to look at.
    pub last: Seq,
    /// Deliveries that it added.
    pub replayed: u64,
    /// Deliveries that it left alone: their agent is gone, or they were replayed otherwise in the meantime.
    pub skipped: u64,
    /// Where it stands.
    pub state: ReplayState,
    /// Why it failed.
    pub error: Option<String>,
}

impl Replay {
    /// How many are kept; the oldest that ended goes first.
    pub const KEPT: usize = 100;
}

/// What a replay begins with.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Replay`")]
pub struct NewReplay {
    pub filter: DeliveryFilter,
    pub by: String,
    pub rate: u32,
    pub total: u64,
    pub last: Seq,
}

/// The next piece of a replay.
#[derive(Clone, Debug)]
pub struct ReplayStep {
    /// The replay.
    pub id: ReplayId,
    /// Where it stood when the piece was found.
    pub from: Seq,
    /// Where it stands afterwards; none at the end.
    pub next: Option<Seq>,
    /// The deliveries to make again, each with its event.
    pub items: Vec<(DeliveryId, Arc<Event>)>,
    /// How many the piece leaves alone.
    pub skipped: u64,
}

/// A change of a replay.
#[derive(Clone, Debug)]
pub(crate) enum ReplayChange {
    Begin(NewReplay),
    Step(ReplayStep),
    End { id: ReplayId, state: ReplayState, error: Option<String> },
}

/// A delivery that may be made again: it is settled, and the latest of its event to its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The delivery.
    pub id: DeliveryId,
    /// Its destination.
    pub agent: AgentName,
    /// The channel of its event.
    pub channel: ChannelName,
    /// Bytes of the payload.
    pub bytes: usize,
}

/// A part of the deliveries that may be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayable {
    /// Oldest event first; those of one event are never divided.
    pub items: Vec<Candidate>,
    /// Where to go on; none when the last event was reached.
    pub next: Option<Seq>,
}

/// The deliveries of one event that can be made again and that `filter` takes, with their places.
pub(crate) fn replayable<'a>(
    deliveries: &'a [Delivery],
    filter: &DeliveryFilter,
) -> impl Iterator<Item = (u32, &'a Delivery)> {
    Delivery::latest(deliveries).filter(|(_, delivery)| !delivery.state.is_open() && filter.takes(delivery))
}

impl EventLog {
    /// Deliveries that can be made again and that `filter` takes, of the events from `from` to `to`.
    ///
    /// As bounded as [`EventLog::list`]; a few more than `limit` when one event has several.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn replayable(
        &self,
        filter: &DeliveryFilter,
        from: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Replayable, EventLogError> {
        self.0.reader.replayable(filter, from, to, limit)
    }

    /// All replays that are kept, by id. Cheap.
    pub fn replays(&self) -> Arc<BTreeMap<ReplayId, Replay>> {
        self.0.publisher.replays()
    }

    /// How many deliveries that somebody asked for again are not settled, by agent; none without such. Cheap.
    pub fn open_replays(&self) -> Arc<BTreeMap<AgentName, u64>> {
        self.0.publisher.open_replays()
    }

    /// Makes one delivery again, on behalf of `by`; none when it is open or not the latest to its agent.
    ///
    /// # Errors
    /// `NotFound` when there is no such delivery; those of [`EventLog::append`].
    pub async fn renew(&self, id: DeliveryId, by: &str) -> Result<Option<DeliveryId>, EventLogError> {
        self.0.publisher.condition.borrow().takes_upkeep()?;
        let by = by.to_owned();
        let weight = Weight { intake: false, events: 1, bytes: 1024 };
        let ids = self.submit(weight, |reply| Work::Renew { id, by, reply }).await?;
        Ok(ids.first().copied())
    }

    /// Keeps a new replay, which runs from now on as far as somebody takes its steps.
    ///
    /// # Errors
    /// Those of [`EventLog::append`].
    pub async fn begin_replay(&self, new: NewReplay) -> Result<Replay, EventLogError> {
        self.change_replay(ReplayChange::Begin(new), 1).await
    }

    /// Takes a step: its deliveries are added and the replay moves on, in one commit. Deliveries that cannot be made
    /// again any more are left alone, and a step of a replay that ended or moved on does nothing.
    ///
    /// # Errors
    /// `NotFound` when the replay is not kept any more; those of [`EventLog::append`].
    pub async fn step_replay(&self, step: ReplayStep) -> Result<Replay, EventLogError> {
        let deliveries = step.items.len();
        self.change_replay(ReplayChange::Step(step), deliveries).await
    }

    /// Ends a replay that runs, and leaves one alone that has ended.
    ///
    /// # Errors
    /// `NotFound` when the replay is not kept; those of [`EventLog::append`].
    pub async fn end_replay(
        &self,
        id: ReplayId,
        state: ReplayState,
        error: Option<String>,
    ) -> Result<Replay, EventLogError> {
        self.change_replay(ReplayChange::End { id, state, error }, 1).await
    }

    async fn change_replay(&self, change: ReplayChange, deliveries: usize) -> Result<Replay, EventLogError> {
        self.0.publisher.condition.borrow().takes_upkeep()?;
        let weight = Weight { intake: false, events: deliveries.max(1), bytes: 1024 * deliveries.max(1) };
        self.submit(weight, |reply| Work::Replays { change, reply }).await
    }
}
