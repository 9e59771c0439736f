//! Builds one commit: checks what is asked against the writer's view, and turns it into changes of the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::warn;

use super::fate::{Fates, Ruling};
use super::open_redeliveries::OpenRedeliveries;
use super::retention::{Reason, Retention};
use super::status_counts::StatusCounts;
use super::tally::Tallies;
use crate::event::{Delivery, DeliveryId, Event, EventId, EventStatus, Outcome, Recipient, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::batch::{
    Appended, Batch, Committed, Expected, FinishedAttempt, NewDelivery, NewEvent, ValueChange,
};
use crate::eventlog::claim::Claims;
use crate::eventlog::engine::Op;
use crate::eventlog::epoch::Epoch;
use crate::eventlog::layout::block::{BlockWriter, first_deliveries};
use crate::eventlog::layout::bucket::{Buckets, Slot};
use crate::eventlog::layout::identities::Identities;
use crate::eventlog::layout::key;
use crate::eventlog::layout::meta::{self, LogState, REOPENED, STATE, open_replays};
use crate::eventlog::layout::reader::{EventCursor, Store};
use crate::eventlog::layout::record::{self, corrupt};
use crate::eventlog::layout::states::States;
use crate::eventlog::metrics::LogMetrics;
use crate::eventlog::note::Note;
use crate::eventlog::settings::{DedupLimits, RetentionLimits};
use crate::eventlog::snapshot::{Snapshot, WriterState};

/// The writer's view of the log: positions and figures in memory, and the commit that is being built.
///
/// A failed commit leaves it ahead of the store: it has to be loaded again.
pub(crate) struct CommitBuilder {
    pub(super) store: Store,
    pub(super) dedup_window: Duration,
    /// How many events are held at most.
    pub(super) held_max: usize,
    pub(super) metrics: Arc<LogMetrics>,
    pub(super) state: LogState,
    pub(super) tallies: Tallies,
    pub(super) buckets: Buckets,
    /// Positions below `state.settled` that are open again.
    pub(super) reopened: BTreeSet<Seq>,
    pub(super) reopened_changed: bool,
    /// An open position, remembered so that it is not read with every commit.
    pub(super) blocked_on: Option<Seq>,
    pub(super) redeliveries: OpenRedeliveries,
    /// Whether there may be notes.
    pub(super) has_notes: bool,
    /// The values that the commit changes, by key: what a later batch of the same commit expects is compared with these.
    pub(super) values: HashMap<Vec<u8>, Option<Bytes>>,
    pub(super) identities: Identities,
    pub(super) states: States,
    /// Held events of this commit, and who is to get them: the store does not have them yet.
    pub(super) fresh: HashMap<Seq, (Arc<Event>, Vec<Recipient>)>,
    status_counts: StatusCounts,
    pub(super) epoch: Epoch,
    pub(super) random: u64,
    pub(super) commit: Commit,
    pub(super) block: BlockWriter,
    pub(super) latest: Option<Timestamp>,
    pub(super) retention: Retention,
}

/// One atomic write and what follows from it.
#[derive(Default)]
pub(crate) struct Commit {
    pub(crate) ops: Vec<Op>,
    pub(crate) news: Vec<News>,
    /// The attempts that it adds.
    pub(crate) attempts: Vec<(DeliveryId, Outcome)>,
    pub(crate) events: usize,
    /// Events that it removes, by reason.
    pub(crate) removed: [u64; Reason::ALL.len()],
    pub(crate) fates: Fates,
}

/// What the sinks are to hear.
pub(crate) struct News {
    pub(crate) event: Arc<Event>,
    pub(crate) deliveries: Vec<NewDelivery>,
    /// Whether the event is new; otherwise it has new deliveries.
    pub(crate) is_appended: bool,
}

/// The term under which this process makes all deliveries.
const TERM: u64 = Claims::EVERYTHING.term();

impl CommitBuilder {
    /// How many events at the end are read in full before the log is used.
    const TAIL: u64 = 64;
    /// How many settled events a commit checks, at least.
    const UPKEEP: usize = 256;
    /// How many reopened positions are kept; with more, the low-water mark moves back.
    const REOPENED: usize = 256;

    /// Reads what is needed to go on after the last commit, and begins an empty store.
    pub(crate) fn load(
        store: Store,
        dedup: DedupLimits,
        retention: RetentionLimits,
        metrics: Arc<LogMetrics>,
    ) -> Result<Self, EventLogError> {
        let epoch = meta::open(&store)?;
        let mut state = meta::state(&store)?;
        verify_tail(&store, &state, Self::TAIL)?;
        let reopened = store.read(&key::meta(REOPENED))?.unwrap_or_default();
        let redeliveries = OpenRedeliveries::load(&store)?;
        let DedupLimits { window, max, states_max, held_max } = dedup;
        let identities = Identities::load(&store, max, metrics.identities_forgotten.clone())?;
        let states = States::load(&store, states_max, metrics.states_forgotten.clone())?;
        let status_counts = StatusCounts::load(&store, &mut state, &states)?;
        let has_notes = Note::any(&store)?;
        let tallies = Tallies::load(&store, Arc::clone(&metrics))?;
        let block = BlockWriter::new(store.engine.block_bytes());
        let retention = Retention::new(retention, state.floor);
        let builder = Self {
            store,
            dedup_window: window,
            held_max,
            metrics,
            state,
            tallies,
            buckets: Buckets::default(),
            reopened,
            reopened_changed: false,
            blocked_on: None,
            redeliveries,
            has_notes,
            values: HashMap::new(),
            identities,
            states,
            fresh: HashMap::new(),
            status_counts,
            epoch,
            random: getrandom::u64().map_err(|error| EventLogError::Io(format!("no random numbers: {error}")))?,
            commit: Commit::default(),
            block,
            latest: None,
            retention,
        };
        builder.show_figures();
        Ok(builder)
    }

    pub(crate) const fn state(&self) -> &LogState {
        &self.state
    }

    /// What was loaded, for everybody to see.
    pub(crate) fn snapshot(&self, writer: WriterState) -> Snapshot {
        let LogState { head, floor, settled, statuses, bytes } = self.state;
        Snapshot {
            epoch: self.epoch,
            head,
            floor,
            oldest: self.retention.oldest,
            bytes,
            channels: Arc::new(self.tallies.counts()),
            open_redeliveries: self.redeliveries.open(),
            held: Arc::clone(self.states.held()),
            writer,
            statuses,
            settled,
            reopened: Arc::new(self.reopened.clone()),
        }
    }

    /// Adds a batch to the commit: all of it, or nothing and why not.
    pub(crate) fn add(&mut self, mut batch: Batch, now: Timestamp) -> Result<Committed, EventLogError> {
        // All reads come first. After them nothing can fail, so that no batch is added in part.
        let known = self.check_events(&batch.events)?;
        batch.attempts.iter().try_for_each(|finished| self.check_attempt(finished))?;
        batch.values.iter().try_for_each(|change| self.check_value(change))?;
        self.check_notes(&mut batch.values)?;
        let recipients = self.check_redeliveries(&batch.redeliveries)?;
        self.check_releases(&batch.releases)?;

        let Batch { events, redeliveries, attempts, values, releases } = batch;
        let events = events.into_iter().zip(known).map(|(event, known)| self.append(event, known, now));
        let events = events.collect::<Result<_, _>>()?;
        attempts.into_iter().try_for_each(|finished| self.record(finished))?;
        values.into_iter().for_each(|change| self.put_value(change));
        let redelivered = redeliveries.into_iter().zip(recipients);
        let redelivered = redelivered.map(|(redelivery, to)| self.redeliver(redelivery, to, now));
        let redelivered = redelivered.collect::<Result<_, _>>()?;
        let released = releases.into_iter().map(|release| self.release(release, now)).collect::<Result<_, _>>()?;
        Ok(Committed { events, redelivered, released })
    }

    /// For each event the one that has its identity already.
    fn check_events(&mut self, events: &[NewEvent]) -> Result<Vec<Option<EventId>>, EventLogError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.buckets.get(&self.store, self.state.head, self.state.head.next())?;
        let find = |event: &NewEvent| match event.identity {
            Some(identity) => self.identities.find(&self.store, &identity),
            None => Ok(None),
        };
        events.iter().map(find).collect()
    }

    fn check_attempt(&mut self, finished: &FinishedAttempt) -> Result<(), EventLogError> {
        if finished.attempt.term < TERM {
            return Err(EventLogError::Superseded);
        }
        self.slot(finished.delivery.seq)?
            .filter(|slot| slot.deliveries.len() > finished.delivery.index as usize)
            .map_or(Err(EventLogError::NotFound), |_| Ok(()))
    }

    fn check_value(&self, change: &ValueChange) -> Result<(), EventLogError> {
        if change.expected == Expected::Anything {
            return Ok(());
        }
        let key = key::value(change.space.as_str(), &change.key);
        let met = match self.values.get(&key) {
            Some(changed) => change.expected.is_met(changed.as_ref()),
            None => change.expected.is_met(self.store.value(change.space.as_str(), &change.key)?.as_ref()),
        };
        if met { Ok(()) } else { Err(EventLogError::Conflict(key::display(&key))) }
    }

    /// The deliveries of the event at `seq`; `None` for a position that is not held.
    pub(super) fn slot(&mut self, seq: Seq) -> Result<Option<&Slot>, EventLogError> {
        if !self.state.holds(seq) {
            return Ok(None);
        }
        self.buckets.get(&self.store, self.state.head, seq)
    }

    fn append(&mut self, new: NewEvent, known: Option<EventId>, now: Timestamp) -> Result<Appended, EventLogError> {
        self.latest = self.latest.max(Some(new.time));
        // One before it in its receipt may have the same identity.
        let known = new.identity.and_then(|identity| self.identities.recent(&identity)).or(known);
        let known = known.filter(|first| new.time.since(first.received_at()) < self.dedup_window);
        let ruling = match (known, &new.statement, new.repeat_of) {
            (Some(first), ..) => Ruling::Duplicate(first),
            (None, Some(said), _) => self.judge(&new, said, now),
            (None, None, Some(first)) if new.quarantine.is_none() => Ruling::Repeat(first),
            (None, None, _) => Ruling::Store,
        };
        Ok(match ruling {
            Ruling::Store => Appended::Accepted(self.put_event(new, None, false, now)?),
            Ruling::Hold => Appended::Held(self.put_event(new, None, true, now)?),
            Ruling::Repeat(first) => {
                // It is told to nobody, and where it says something of a thing its delivery is known by that.
                let identity = new.identity.filter(|_| new.statement.is_none());
                let repeat = NewEvent { identity, statement: None, recipients: Vec::new(), ..new };
                Appended::Repeat { event: self.put_event(repeat, Some(first), false, now)?, first }
            }
            Ruling::Duplicate(first) => {
                self.tallies.change(&new.channel).duplicates += 1;
                Appended::Duplicate(first)
            }
        })
    }

    /// Adds an event to the commit.
    pub(super) fn put_event(
        &mut self,
        new: NewEvent,
        repeat_of: Option<EventId>,
        is_held: bool,
        now: Timestamp,
    ) -> Result<Arc<Event>, EventLogError> {
        let seq = self.state.head.next();
        let event = Event {
            id: EventId::new(if new.is_imported { now } else { new.time }, seq, self.next_random()),
            seq,
            channel: new.channel,
            plugin: new.plugin,
            kind: new.kind,
            subject: new.subject,
            time: new.time,
            verified_at: new.verified_at,
            stored_at: now,
            content_type: new.content_type,
            data: new.data,
            attributes: new.attributes,
            headers: new.headers,
            request_id: new.request_id,
            delivery_id: new.delivery_id,
            traceparent: new.traceparent,
            quarantine: new.quarantine,
            repeat_of,
        };
        let slot = Slot::new(if is_held { Vec::new() } else { first_deliveries(&event, &new.recipients) });
        let slot = match (&event.quarantine, repeat_of) {
            (Some(_), _) => slot.bare(EventStatus::Quarantined),
            (None, Some(_)) => slot.bare(EventStatus::Repeat),
            (None, None) => slot,
        };
        let status = if is_held { EventStatus::Held } else { slot.status() };
        self.state.statuses[status as usize] += 1;
        self.buckets.push(&self.store, seq, slot)?;
        if is_held && !new.recipients.is_empty() {
            self.buckets.withhold(seq);
        }
        self.state.head = seq;
        let ops = &mut self.commit.ops;
        let put = &mut |key, value| ops.push(Op::Put(key, value));
        self.state.bytes += self.block.add(&event, new.identity, &new.recipients, put);
        self.retention.oldest.get_or_insert(event.id.received_at());
        if let Some(identity) = new.identity {
            self.identities.add(identity, event.id);
        }
        self.tallies.change(&event.channel).add(&event);
        let event = Arc::new(event);
        if let Some(said) = &new.statement {
            self.remember(said, &event, &new.recipients, is_held);
        }
        let delivery = |(index, Recipient { agent, priority })| {
            let id = DeliveryId { seq, index };
            NewDelivery { id, agent, priority, replay: false }
        };
        let recipients = if is_held { Vec::new() } else { new.recipients };
        let deliveries = (0..).zip(recipients).map(delivery).collect();
        self.commit.news.push(News { event: Arc::clone(&event), deliveries, is_appended: true });
        self.commit.events += 1;
        Ok(event)
    }

    fn record(&mut self, finished: FinishedAttempt) -> Result<(), EventLogError> {
        let FinishedAttempt { delivery: id, attempt, next_attempt_at } = finished;
        self.commit.attempts.push((id, attempt.outcome));
        self.change(id.seq, |deliveries| {
            if let Some(delivery) = deliveries.get_mut(id.index as usize) {
                delivery.record(attempt, next_attempt_at);
            }
        })
    }

    pub(super) fn put_value(&mut self, change: ValueChange) {
        let key = key::value(change.space.as_str(), &change.key);
        let op = match &change.value {
            Some(value) => {
                let value = record::encode(&key, value);
                Op::Put(key.clone(), value)
            }
            None => Op::Remove(key.clone()),
        };
        self.commit.ops.push(op);
        self.values.insert(key, change.value);
    }

    pub(super) fn change(&mut self, seq: Seq, change: impl FnOnce(&mut Vec<Delivery>)) -> Result<(), EventLogError> {
        self.buckets.get(&self.store, self.state.head, seq)?;
        let Some(slot) = self.buckets.change(seq) else { return Err(EventLogError::NotFound) };
        let before = slot.status();
        let open_before = open_replays(&slot.deliveries);
        change(&mut slot.deliveries);
        let after = slot.status();
        self.redeliveries.note(open_before, open_replays(&slot.deliveries));
        let open = slot.is_open();
        self.state.statuses[before as usize] -= 1;
        self.state.statuses[after as usize] += 1;
        if open && seq < self.state.settled {
            self.reopened_changed |= self.reopened.insert(seq);
        } else if !open {
            self.reopened_changed |= self.reopened.remove(&seq);
            self.blocked_on = self.blocked_on.filter(|blocked| *blocked != seq);
            self.retention.settled(seq);
        }
        Ok(())
    }

    /// Completes the commit, and tells what is held until `now`; nothing of it may be shown before it is written.
    pub(crate) fn finish(&mut self, now: Timestamp) -> Commit {
        self.tell_due(now);
        let ops = &mut self.commit.ops;
        self.block.finish(&mut |key, value| ops.push(Op::Put(key, value)));
        self.buckets.write(&mut self.commit.ops);
        let upkeep = Self::UPKEEP + 2 * self.commit.events;
        self.advance_settled(upkeep);
        let latest = self.latest.take();
        self.identities.write(latest, self.dedup_window, &mut self.commit.ops);
        self.states.write(latest.unwrap_or(now), self.dedup_window, &mut self.commit.ops);
        self.status_counts.write(&self.state, &self.states, &mut self.commit.ops);
        self.tallies.write(&mut self.commit.ops);
        self.redeliveries.write(&mut self.commit.ops);
        self.values.clear();
        if std::mem::take(&mut self.reopened_changed) {
            self.commit.ops.push(meta::put(REOPENED, &self.reopened));
        }
        let mut commit = std::mem::take(&mut self.commit);
        if !commit.ops.is_empty() {
            commit.ops.push(meta::put(STATE, &self.state));
        }
        commit
    }

    /// Shows what was written.
    pub(crate) fn show(&mut self, snapshot: &mut Snapshot) {
        self.tallies.show(&mut snapshot.channels);
        let LogState { head, floor, settled, statuses, bytes } = self.state;
        (snapshot.head, snapshot.floor, snapshot.settled) = (head, floor, settled);
        (snapshot.statuses, snapshot.bytes, snapshot.oldest) = (statuses, bytes, self.retention.oldest);
        snapshot.open_redeliveries = self.redeliveries.open();
        snapshot.held = Arc::clone(self.states.held());
        if *snapshot.reopened != self.reopened {
            snapshot.reopened = Arc::new(self.reopened.clone());
        }
    }

    /// Lets go of what later commits will not need. Not while others wait for the snapshot.
    pub(crate) fn committed(&mut self) {
        self.buckets.shrink(self.state.settled);
        self.show_figures();
    }

    pub(super) fn show_figures(&self) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.bytes.set(number(self.state.bytes));
        self.metrics.held.set(number(self.state.statuses.iter().sum()));
        self.metrics.states.set(number(self.states.len() as u64));
        self.metrics.late_held.set(number(self.states.held().len() as u64));
        self.metrics.quarantined.set(number(self.state.statuses[EventStatus::Quarantined as usize]));
        self.metrics.oldest.set(self.retention.oldest.map_or(0, Timestamp::as_secs));
    }

    /// Moves the low-water mark up to the first open event, looking at no more than `limit` events.
    pub(super) fn advance_settled(&mut self, limit: usize) {
        for _ in 0..limit {
            let seq = self.state.settled;
            if seq > self.state.head || self.blocked_on == Some(seq) {
                break;
            }
            if let Some(last) = self.gone_through(seq) {
                self.state.settled = last.next();
                continue;
            }
            match self.buckets.get(&self.store, self.state.head, seq) {
                Ok(slot) if !slot.is_some_and(Slot::is_open) => self.state.settled = seq.next(),
                Ok(_) => self.blocked_on = Some(seq),
                Err(error) => {
                    warn!(%seq, %error, "Event cannot be read, low-water mark stays");
                    self.blocked_on = Some(seq);
                }
            }
        }
        if self.reopened.len() > Self::REOPENED
            && let Some(first) = self.reopened.pop_first()
        {
            self.state.settled = first;
            self.reopened.clear();
            self.reopened_changed = true;
            self.blocked_on = None;
        }
    }

    /// The last of the positions from `seq` on that have no event any more. Cheap where none is above the floor.
    fn gone_through(&self, seq: Seq) -> Option<Seq> {
        if self.state.statuses.iter().sum::<u64>() == self.state.head.0 + 1 - self.state.floor.0 {
            return None;
        }
        self.store.tombstone_at(seq).ok().flatten().map(|(_, gone)| gone.last)
    }

    /// 32 random bits (SplitMix64), enough to tell the ids of two logs apart.
    pub(super) fn next_random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 32) as u32
    }
}

/// Reads the last events in full: what was written last is what a crash may have damaged.
fn verify_tail(store: &Store, state: &LogState, events: u64) -> Result<(), EventLogError> {
    let stored = store.block_at(Seq(u64::MAX - 1))?.map_or(Seq(0), |block| block.last());
    let gone = store.tombstone_at(state.head)?.map_or(Seq(0), |(_, gone)| gone.last);
    let last = stored.max(gone);
    if last != state.head {
        let detail = format!("the last event is {last}, expected {}", state.head);
        return Err(corrupt(&key::meta(STATE), detail));
    }
    let mut cursor = EventCursor::new(store);
    let first = state.floor.0.max((state.head.0 + 1).saturating_sub(events));
    for seq in (first..=state.head.0).map(Seq) {
        let Some(header) = cursor.header(seq)? else {
            store.expect_tombstone(seq)?;
            continue;
        };
        store.payload(&header)?;
        cursor.deliveries(&header)?;
    }
    Ok(())
}
