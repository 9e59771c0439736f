//! Consumers: named readers with a durable position, one receiver at a time, and acknowledgements.
//!
//! A consumer is held by connections, the first of them active and the others standby, or by whoever pulls. Each turn is a lease with
//! a number of its own; an acknowledgement under an earlier one is refused. What is acknowledged becomes durable a moment later, and
//! only then it is confirmed.

pub(super) mod holder;
pub(super) mod lease;
pub(super) mod record;
pub(super) mod spec;
pub(super) mod status;
mod usage;
mod window;
mod writing;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use self::lease::{ConsumerError, Lease};
use self::record::Record;
use self::spec::ConsumerSpec;
use self::status::ConsumerStatus;
use self::usage::Usage;
use self::window::{Head, Sending, Window};
use super::message::{Ack, Nack};
use super::relay::{Entry, ReadLimits, Reader, Relay};
use super::shared_event::{Repetition, SharedEvent};
use crate::event::{Event, EventId, EventPatterns, Filter, Seq, Timestamp};
use crate::eventlog::{Cursor, EventLog, EventLogError, SkipReason, Skipped};

/// A consumer, while the gateway runs.
pub(super) struct Consumer {
    pub(super) name: String,
    state: Mutex<State>,
    /// Counts what may let a holder go on: acknowledgements, turns, positions.
    changed: watch::Sender<u64>,
    /// Held while a record is written, so that they are written in order.
    writing: tokio::sync::Mutex<()>,
    log: EventLog,
    parkings: Counter,
}

struct State {
    spec: ConsumerSpec,
    patterns: Arc<EventPatterns>,
    window: Window,
    /// Connections, the active one first.
    holders: VecDeque<u64>,
    next_holder: u64,
    turn: Option<Turn>,
    /// What is durable; `None` before the first commit.
    written: Option<Record>,
    /// Acknowledged one by one since the last commit.
    acked: Vec<EventId>,
    /// Acknowledged one by one and durable, but its receiver was not told.
    confirmed: Vec<EventId>,
    /// Counts turns and moves: what a write has made durable is told in the turn that it began in, or never.
    turns: u64,
    deleted: bool,
    /// Whether the log knows of it no more.
    is_gone: bool,
    usage: Usage,
    last_active: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    lease: Lease,
    /// `None` for whoever pulls.
    holder: Option<u64>,
}

/// What is sent to a consumer.
pub(super) enum ConsumerEntry {
    Event(Arc<SharedEvent>, Repetition),
    Gap(Skipped),
}

/// What has become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    pub position: Seq,
    /// Events beyond.
    pub ids: Vec<EventId>,
}

impl Consumer {
    pub(super) fn new(
        name: &str,
        record: Record,
        is_durable: bool,
        parked: BTreeSet<Seq>,
        log: EventLog,
        parkings: Counter,
    ) -> Result<Self, String> {
        let patterns = record.spec.patterns().map_err(|error| error.to_string())?;
        let window = Window::new(record.spec.limits(), record.position, record.settled(), parked);
        let usage = Usage::since(record.used_at, record.spec.idle_expiry(), Timestamp::now());
        let state = State {
            spec: record.spec.clone(),
            patterns: Arc::new(patterns),
            window,
            holders: VecDeque::new(),
            next_holder: 0,
            turn: None,
            written: is_durable.then_some(record),
            acked: Vec::new(),
            confirmed: Vec::new(),
            turns: 0,
            deleted: false,
            is_gone: false,
            usage,
            last_active: None,
        };
        Ok(Self {
            name: name.to_owned(),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            writing: tokio::sync::Mutex::default(),
            log,
            parkings,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = {
            let mut state = self.state();
            state.usage.used(Timestamp::now());
            change(&mut state)
        };
        self.changed.send_modify(|count| *count += 1);
        changed
    }

    /// Hears of changes.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Goes on with other settings. What was sent stays as it is.
    pub(super) fn set_spec(&self, spec: ConsumerSpec) -> Result<(), String> {
        let patterns = Arc::new(spec.patterns().map_err(|error| error.to_string())?);
        self.change(|state| {
            state.window.set_limits(spec.limits());
            (state.spec, state.patterns) = (spec, patterns);
        });
        Ok(())
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.state().deleted
    }

    pub(super) fn spec(&self) -> ConsumerSpec {
        self.state().spec.clone()
    }

    /// The lease of whoever pulls: the one that it has, or that of a new turn.
    pub(super) fn pull(&self, held: Option<Lease>) -> Result<Lease, ConsumerError> {
        let lease = Lease::new()?;
        self.change(|state| {
            if state.deleted {
                return Err(ConsumerError::Deleted);
            }
            if !state.holders.is_empty() {
                return Err(ConsumerError::Active);
            }
            match (held, state.turn) {
                (Some(held), Some(turn)) if turn.lease == held => Ok(held),
                (Some(_), _) => Err(ConsumerError::StaleLease),
                (None, _) => {
                    state.begin_turn(lease, None);
                    Ok(lease)
                }
            }
        })
    }

    /// A reader of what the consumer gets, which begins where the window ends.
    pub(super) fn reader(&self, relay: &Arc<Relay>, grant: &Filter) -> Reader {
        let state = self.state();
        relay.reader(state.window.read_upto(), grant.clone().and(Arc::clone(&state.patterns)))
    }

    /// The next events for the holder of the lease, marked as sent, at most `limit`.
    pub(super) async fn next(
        &self,
        lease: Lease,
        reader: &mut Reader,
        limit: usize,
    ) -> Result<Vec<ConsumerEntry>, ConsumerError> {
        let (again, room) = {
            let mut state = self.state();
            state.check(lease)?;
            let now = Instant::now();
            state.window.expire(now);
            let again: Vec<_> = std::iter::from_fn(|| state.window.send(now)).take(limit).collect();
            let room = state.window.room().min(limit - again.len());
            (again, room)
        };
        let mut entries = Vec::with_capacity(again.len());
        for sending in again {
            match self.read(sending.seq).await? {
                // Acknowledgements of the attempt before may come over another connection.
                Some(_) if !self.state().window.is_sent(sending) => {}
                Some(event) => entries.push(sending.entry(Arc::new(SharedEvent::new(event)))),
                None => {
                    // Retention has removed it.
                    self.change(|state| state.window.settle(sending));
                    entries.extend(sending.gap());
                }
            }
        }
        if room == 0 {
            return Ok(entries);
        }
        let reading = reader.read(ReadLimits { events: room, ..ReadLimits::PAGE }).await?;
        let mut state = self.state();
        state.check(lease)?;
        let now = Instant::now();
        // Somebody else with the same lease may have read on meanwhile.
        let read = state.window.read_upto();
        for entry in reading.entries.into_iter().filter(|entry| entry.last() > read) {
            match entry {
                Entry::Gap(gap) => entries.push(ConsumerEntry::Gap(gap)),
                Entry::Event(shared) => {
                    state.window.add(Head::of(shared.event()));
                    let seq = shared.event().seq;
                    if let Some(sending) = state.window.send_new(seq, now) {
                        entries.push(sending.entry(shared));
                    }
                }
            }
        }
        state.window.pass(reading.upto);
        state.last_active = Some(Timestamp::now());
        Ok(entries)
    }

    async fn read(&self, seq: Seq) -> Result<Option<Arc<Event>>, EventLogError> {
        let stored = self.read_log(move |log| log.event(seq)).await?;
        Ok(stored.map(|stored| Arc::new(stored.event)))
    }

    /// Reads in a thread that may wait.
    async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&EventLog) -> Result<T, EventLogError> + Send + 'static,
    ) -> Result<T, EventLogError> {
        let log = self.log.clone();
        let read = tokio::task::spawn_blocking(move || read(&log)).await;
        read.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
    }

    /// Whether more events may be read for it.
    pub(super) fn has_room(&self) -> bool {
        self.state().window.room() > 0
    }

    /// Whether something may be sent that was read before.
    pub(super) fn is_ready(&self) -> bool {
        self.state().window.is_ready(Instant::now())
    }

    /// Events that were sent and are not settled.
    pub(super) fn unacked(&self) -> usize {
        self.state().window.unacked()
    }

    /// When something is due again.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.state().window.next_timer()
    }

    /// Settles events. [`flush`](Self::flush) makes it durable.
    pub(super) fn ack(&self, lease: Lease, ack: &Ack) -> Result<(), ConsumerError> {
        self.state().check(lease)?;
        let upto = ack.cursor.as_deref().map(|cursor| self.position_of(cursor)).transpose()?;
        self.change(|state| {
            state.check(lease)?;
            if let Some(upto) = upto {
                state.window.ack_upto(upto);
            }
            for id in &ack.ids {
                if state.window.ack(*id) {
                    state.acked.push(*id);
                }
            }
            Ok(())
        })
    }

    fn position_of(&self, cursor: &str) -> Result<Seq, ConsumerError> {
        let cursor: Cursor = cursor.parse().map_err(|_| ConsumerError::BadCursor("`cursor` is not a cursor"))?;
        let snapshot = self.log.snapshot();
        if cursor.epoch != snapshot.epoch || cursor.seq > snapshot.head {
            return Err(ConsumerError::BadCursor("`cursor` is not of this log"));
        }
        Ok(cursor.seq)
    }

    /// Takes events back: to be retried, parked or skipped.
    pub(super) fn nack(&self, lease: Lease, nack: &Nack) -> Result<(), ConsumerError> {
        let delay = Duration::from_millis(nack.delay_ms).min(Self::LONGEST_DELAY);
        let reason: String = nack.reason.chars().take(Self::REASON).collect();
        self.change(|state| {
            state.check(lease)?;
            for id in nack.id.iter().chain(&nack.ids) {
                state.window.nack(*id, nack.action, delay, &reason, Instant::now());
            }
            Ok(())
        })
    }

    const LONGEST_DELAY: Duration = Duration::from_secs(86_400);
    /// Characters of a reason that are kept.
    const REASON: usize = 500;

    pub(super) fn extend(&self, lease: Lease) -> Result<(), ConsumerError> {
        self.change(|state| {
            state.check(lease)?;
            state.window.extend(Instant::now());
            Ok(())
        })
    }

    /// Goes on after `position`. Refused while somebody is connected, unless it is forced.
    pub(super) fn seek(&self, position: Seq, force: bool) -> Result<(), ConsumerError> {
        let lease = Lease::new()?;
        self.change(|state| {
            if !state.holders.is_empty() && !force {
                return Err(ConsumerError::Active);
            }
            state.window.seek(position);
            let holder = state.holders.front().copied();
            state.end_turn();
            state.turn = holder.map(|holder| Turn { lease, holder: Some(holder) });
            Ok(())
        })
    }

    /// Sends an event again if it is parked. Returns whether it is.
    pub(super) fn replay(&self, event: &Event) -> bool {
        self.change(|state| state.window.replay(Head::of(event)))
    }

    /// Whether nobody has used it for as long as its settings say. Then nobody may hold it any more; it is still to be deleted.
    pub(super) fn expire(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let is_over = state.spec.idle_expiry().is_some_and(|expiry| state.usage.is_over(expiry, now));
        let expires = is_over && !state.deleted;
        state.deleted |= expires;
        expires
    }

    /// The consumer now. `stalled` is a consumer that has something to do and nobody who does it.
    pub(super) fn status(&self, head: Cursor, oldest: Option<Timestamp>) -> ConsumerStatus {
        let state = self.state();
        let position = state.window.position();
        let lag = head.seq.0.saturating_sub(position.0);
        let is_active = state.turn.is_some() && (!state.holders.is_empty() || state.window.unacked() > 0);
        let is_stuck = state.window.is_full_of_parked();
        ConsumerStatus {
            name: self.name.clone(),
            state: match (is_active, is_stuck, lag) {
                (_, true, _) => "stalled",
                (true, ..) => "active",
                (false, _, 0) => "idle",
                (false, ..) => "waiting",
            },
            cursor: Cursor { epoch: head.epoch, seq: position },
            position,
            lag,
            oldest: oldest.filter(|_| lag > 0),
            unacked: state.window.unacked(),
            parked: state.window.parked(),
            connections: state.holders.len(),
            last_active: state.last_active,
            spec: state.spec.clone(),
        }
    }

    /// Everything up to here is settled.
    pub(super) fn position(&self) -> Seq {
        self.state().window.position()
    }
}

impl State {
    fn check(&self, lease: Lease) -> Result<(), ConsumerError> {
        match self.turn {
            _ if self.deleted => Err(ConsumerError::Deleted),
            Some(turn) if turn.lease == lease => Ok(()),
            _ => Err(ConsumerError::StaleLease),
        }
    }

    fn begin_turn(&mut self, lease: Lease, holder: Option<u64>) {
        self.end_turn();
        self.turn = Some(Turn { lease, holder });
    }

    fn end_turn(&mut self) {
        self.window.take_back();
        self.acked.clear();
        self.confirmed.clear();
        self.turns += 1;
        self.turn = None;
    }

    fn record(&self) -> Record {
        let mut record = Record::new(self.spec.clone(), self.window.position(), &self.window.settled());
        record.used_at = Some(self.usage.last(Timestamp::now()));
        record
    }
}

impl Head {
    fn of(event: &Event) -> Self {
        Self { seq: event.seq, id: event.id, subject: event.subject.as_deref().map(Arc::from) }
    }
}

impl Sending {
    fn entry(self, shared: Arc<SharedEvent>) -> ConsumerEntry {
        ConsumerEntry::Event(shared, Repetition { attempt: self.attempt, parked: self.parked })
    }

    /// What stands for it when it is gone. A parked event was told before.
    fn gap(self) -> Option<ConsumerEntry> {
        let skipped = Skipped { first: self.seq, last: self.seq, reason: SkipReason::Retention };
        (!self.parked).then_some(ConsumerEntry::Gap(skipped))
    }
}

#[cfg(test)]
mod tests;
