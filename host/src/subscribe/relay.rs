//! The newest events, kept once for all subscribers.
//!
//! A subscriber has no queue: it is a position in the log. As long as it keeps up it reads from the ring here; one that falls out of
//! it reads from the log until it has caught up. Whoever has seen everything waits, and is woken by the first event that its filter
//! lets through. The ring lacks what nobody wanted when it came, so whoever begins to want it reads from the log as well.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::arrivals::{Arrivals, Arrived};
use super::shared_event::SharedEvent;
use crate::event::{ChannelName, Event, Filter, Seq};
use crate::eventlog::{EventLog, EventLogError, Page, Query, Range, ScanLimits, Skipped};

/// What the ring holds at most.
const EVENTS: usize = 4096;
const BYTES: usize = 16 << 20;

/// Subscribers that read from the log at once.
const CATCHING_UP: usize = 8;

pub(super) struct Relay {
    log: EventLog,
    arrivals: Arrivals,
    state: Mutex<State>,
    disk: Semaphore,
}

#[derive(Default)]
struct State {
    readers: HashMap<u64, Interest>,
    next_reader: u64,
    ring: VecDeque<Arc<SharedEvent>>,
    bytes: usize,
    /// Everything that a reader wants of what came after it is in the ring.
    complete_after: Seq,
    /// Everything up to here went by, or is older.
    upto: Seq,
    /// Why nothing will follow any more.
    ended: Option<EventLogError>,
}

/// What a reader wants.
struct Interest {
    filter: Filter,
    wake: Arc<Notify>,
    /// It has seen everything.
    waiting: Option<Waiting>,
}

struct Waiting {
    /// The first position that it has not seen.
    next: Seq,
    /// The first event for it, or the first position to read from the log.
    found: Option<Seq>,
}

/// A position in the log that moves on.
pub(super) struct Reader {
    relay: Arc<Relay>,
    number: u64,
    filter: Filter,
    next: Seq,
    /// The ring lacks events up to here that it wants.
    lacks: Seq,
    wake: Arc<Notify>,
}

/// What a reader has come past.
#[derive(Default)]
pub(super) struct Reading {
    /// In the order of positions.
    pub(super) entries: Vec<Entry>,
    /// Everything up to here is in this reading or in those before.
    pub(super) upto: Seq,
}

pub(super) enum Entry {
    Event(Arc<SharedEvent>),
    Gap(Skipped),
}

impl Entry {
    /// The last position that it stands for.
    pub(super) fn last(&self) -> Seq {
        match self {
            Self::Event(shared) => shared.event().seq,
            Self::Gap(gap) => gap.last,
        }
    }
}

/// How much is read at once.
#[derive(Clone, Copy)]
pub(super) struct ReadLimits {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl ReadLimits {
    pub(super) const PAGE: Self = Self { events: 256, bytes: 1 << 20 };
    /// Events that one reading looks at.
    const SCANNED: usize = 10_000;
}

impl Relay {
    pub(super) fn new(log: EventLog, arrivals: Arrivals) -> Self {
        Self { log, arrivals, state: Mutex::default(), disk: Semaphore::new(CATCHING_UP) }
    }

    pub(super) const fn log(&self) -> &EventLog {
        &self.log
    }

    /// Wakes readers for what comes, until `stop`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                self.arrivals.changed().await;
                drop(self.state());
            }
        })
        .await;
    }

    /// The state after everything that has come.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Arrived { events, upto, has_gap, ended } = self.arrivals.take();
        if has_gap {
            state.start_over(upto);
        } else if !events.is_empty() {
            state.add(&events, &self.arrivals);
        }
        state.upto = upto;
        if ended.is_some() && state.ended.is_none() {
            state.ended = ended;
            state.readers.values().for_each(|interest| interest.wake.notify_one());
        }
        state
    }

    /// A reader of what is after `after` and passes `filter`.
    pub(super) fn reader(self: &Arc<Self>, after: Seq, filter: Filter) -> Reader {
        let mut state = self.state();
        if state.readers.is_empty() {
            state.start_over(self.arrivals.open(&self.log));
        }
        let lacks = self.arrivals.want(&filter);
        let number = state.next_reader;
        state.next_reader += 1;
        let wake = Arc::new(Notify::new());
        let interest = Interest { filter: filter.clone(), wake: Arc::clone(&wake), waiting: None };
        state.readers.insert(number, interest);
        Reader { relay: Arc::clone(self), number, filter, next: after.next(), lacks, wake }
    }
}

impl State {
    /// Starts over at `head`: what came before is read from the log.
    fn start_over(&mut self, head: Seq) {
        // Everything before is known to be for nobody who waits.
        let unseen = self.upto;
        self.ring.clear();
        (self.bytes, self.complete_after, self.upto) = (0, head, head);
        for interest in self.readers.values_mut() {
            if let Some(next) =
                interest.waiting.as_ref().map(|waiting| waiting.next(unseen)).filter(|next| *next <= head)
            {
                interest.wake_at(next);
            }
        }
    }

    /// Wakes those who wait for one of these events, and keeps what anybody wants.
    fn add(&mut self, events: &[Arc<Event>], arrivals: &Arrivals) {
        // The last event of each kind, and whether anybody wants such events.
        let mut kinds: HashMap<_, (&Event, bool)> = HashMap::new();
        for event in events {
            kinds.insert(kind_of(event), (event, false));
        }
        for interest in self.readers.values_mut() {
            let waits = interest.waiting.as_ref().is_some_and(|waiting| waiting.found.is_none());
            let mut is_interested = false;
            for ((channel, kind), (_, is_wanted)) in &mut kinds {
                if (waits || !*is_wanted) && interest.filter.matches_kind(channel, kind) {
                    (*is_wanted, is_interested) = (true, true);
                }
            }
            if waits && is_interested {
                interest.look_at(events);
            }
        }
        kinds.values().filter(|(_, is_wanted)| !is_wanted).for_each(|(last, _)| arrivals.pass_by(last));
        for event in events.iter().filter(|event| kinds.get(&kind_of(event)).is_some_and(|(_, is_wanted)| *is_wanted)) {
            self.bytes += event.data.len();
            self.ring.push_back(Arc::new(SharedEvent::new(Arc::clone(event))));
        }
        while self.ring.len() > EVENTS || self.bytes > BYTES {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.bytes -= oldest.event().data.len();
            self.complete_after = oldest.event().seq;
        }
    }

    fn waiting(&self, number: u64) -> Option<&Waiting> {
        self.readers.get(&number)?.waiting.as_ref()
    }
}

fn kind_of(event: &Event) -> (&ChannelName, &str) {
    (&event.channel, &event.kind)
}

impl Interest {
    /// Wakes the reader, which waits, for the first of these events that is for it.
    fn look_at(&mut self, events: &[Arc<Event>]) {
        let Some(Waiting { next, .. }) = self.waiting else { return };
        if let Some(first) = events.iter().find(|event| event.seq >= next && self.filter.matches(event)) {
            self.wake_at(first.seq);
        }
    }

    fn wake_at(&mut self, seq: Seq) {
        if let Some(waiting) = &mut self.waiting {
            waiting.found = Some(seq);
            self.wake.notify_one();
        }
    }
}

impl Waiting {
    /// The first position to read when everything up to `upto` went by.
    fn next(&self, upto: Seq) -> Seq {
        self.found.unwrap_or_else(|| upto.next().max(self.next))
    }
}

impl Reader {
    /// What is up to here can be read now.
    pub(super) fn head(&self) -> Seq {
        self.relay.state().upto
    }

    /// Everything up to here is done with: it was read, or the filter does not let it through.
    pub(super) fn position(&self) -> Seq {
        let state = self.relay.state();
        let next = state.waiting(self.number).map_or(self.next, |waiting| waiting.next(state.upto));
        Seq(next.0 - 1)
    }

    /// Waits until there is something to read. Cancel safe.
    ///
    /// # Errors
    /// Why nothing will follow any more.
    pub(super) async fn ready(&mut self) -> Result<(), EventLogError> {
        loop {
            {
                let mut state = self.relay.state();
                if let Some(error) = &state.ended {
                    return Err(error.clone());
                }
                let upto = state.upto;
                let Some(interest) = state.readers.get_mut(&self.number) else { return Ok(()) };
                match &interest.waiting {
                    Some(Waiting { found: Some(_), .. }) => return Ok(()),
                    Some(_) => {}
                    None if self.next > upto => interest.waiting = Some(Waiting { next: self.next, found: None }),
                    None => return Ok(()),
                }
            }
            self.wake.notified().await;
        }
    }

    /// Reads on, from memory or from the log. Nothing if everything was seen.
    ///
    /// # Errors
    /// Those of reads of the log.
    pub(super) async fn read(&mut self, limits: ReadLimits) -> Result<Reading, EventLogError> {
        self.end_waiting();
        if let Some(reading) = self.read_ring(limits) {
            self.next = reading.upto.next();
            return Ok(reading);
        }
        let _turn = self.relay.disk.acquire().await;
        let (log, from) = (self.relay.log.clone(), self.next);
        let query = Query { filter: Some(self.filter.clone()), payloads: true, ..Query::default() };
        let scan = ScanLimits { items: limits.events, scanned: ReadLimits::SCANNED, bytes: limits.bytes };
        let read = tokio::task::spawn_blocking(move || log.scan(&query, Range::up_from(from), scan)).await;
        let reading = Reading::of(read.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))?, from);
        self.next = reading.upto.next();
        Ok(reading)
    }

    /// What was passed by while it waited is not read again.
    fn end_waiting(&mut self) {
        let mut state = self.relay.state();
        let upto = state.upto;
        if let Some(waiting) = state.readers.get_mut(&self.number).and_then(|interest| interest.waiting.take()) {
            self.next = waiting.next(upto);
        }
    }

    /// `None` if what follows is not in the ring, or not all of it.
    fn read_ring(&self, limits: ReadLimits) -> Option<Reading> {
        let state = self.relay.state();
        let before = Seq(self.next.0 - 1);
        if before >= state.upto {
            return Some(Reading { entries: Vec::new(), upto: before });
        }
        if before < state.complete_after.max(self.lacks) {
            return None;
        }
        // Not everything is in the ring, so a place is no position.
        let skip = state.ring.partition_point(|shared| shared.event().seq < self.next);
        let (mut reading, mut bytes) = (Reading { entries: Vec::new(), upto: state.upto }, 0);
        for (looked, shared) in state.ring.iter().skip(skip).enumerate() {
            let behind = Seq(shared.event().seq.0 - 1);
            if looked == ReadLimits::SCANNED {
                reading.upto = behind;
                break;
            }
            if self.filter.matches(shared.event()) {
                bytes += shared.event().data.len();
                if reading.entries.len() >= limits.events || (bytes > limits.bytes && !reading.entries.is_empty()) {
                    reading.upto = behind;
                    break;
                }
                reading.entries.push(Entry::Event(Arc::clone(shared)));
            }
        }
        Some(reading)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.relay.state();
        state.readers.remove(&self.number);
        if state.readers.is_empty() {
            self.relay.arrivals.close();
            (state.ring, state.bytes) = (VecDeque::new(), 0);
        }
    }
}

impl Reading {
    fn of(page: Page, from: Seq) -> Self {
        let upto = page.next.map_or(page.head, |next| Seq(next.0 - 1)).max(Seq(from.0 - 1));
        let mut skipped = page.skipped.into_iter().peekable();
        let mut entries = Vec::with_capacity(page.items.len());
        for stored in page.items {
            while let Some(gap) = skipped.next_if(|gap| gap.last < stored.event.seq) {
                entries.push(Entry::Gap(gap));
            }
            entries.push(Entry::Event(Arc::new(SharedEvent::new(Arc::new(stored.event)))));
        }
        entries.extend(skipped.map(Entry::Gap));
        Self { entries, upto }
    }
}

#[cfg(test)]
mod tests;
