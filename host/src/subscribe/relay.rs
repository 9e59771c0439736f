//! The newest events, read from the log once for all subscribers.
//!
//! A subscriber has no queue: it is a position in the log. As long as it keeps up it reads from the ring here; one that falls out of
//! it reads from the log until it has caught up. Whoever has seen everything waits, and is woken by the first event that its filter
//! lets through.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::shared_event::SharedEvent;
use crate::event::{ChannelName, Filter, Seq};
use crate::eventlog::{EventLog, EventLogError, Page, Query, Range, ScanLimits, Skipped, TailPage};

/// What the ring holds at most.
const EVENTS: usize = 4096;
const BYTES: usize = 16 << 20;

/// Subscribers that read from the log at once.
const CATCHING_UP: usize = 8;

/// How long to wait before the log is read again after an error.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Relay {
    log: EventLog,
    state: Mutex<State>,
    /// Somebody reads, or nobody any more.
    changed: Notify,
    disk: Semaphore,
}

#[derive(Default)]
struct State {
    readers: usize,
    /// Without a gap.
    ring: VecDeque<Arc<SharedEvent>>,
    bytes: usize,
    /// Whether the log is followed: events come into the ring.
    is_following: bool,
    /// Everything up to here went through the ring, or is older.
    upto: Seq,
    waiting: HashMap<u64, Waiting>,
    quiet: QuietKinds,
    next_reader: u64,
    /// Why nothing will follow any more.
    ended: Option<EventLogError>,
}

/// Kinds, by channel, that nobody who waits wants: an event of one costs a look into this table and not one at every filter.
#[derive(Default)]
struct QuietKinds {
    kinds: HashMap<ChannelName, HashSet<String>>,
    count: usize,
}

/// A reader that has seen everything.
struct Waiting {
    filter: Filter,
    /// The first position that it has not seen.
    next: Seq,
    /// The first event for it, or the first position to read from the log.
    found: Option<Seq>,
    wake: Arc<Notify>,
}

/// A position in the log that moves on.
pub(super) struct Reader {
    relay: Arc<Relay>,
    number: u64,
    filter: Filter,
    next: Seq,
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
    pub(super) fn new(log: EventLog) -> Self {
        Self { log, state: Mutex::default(), changed: Notify::new(), disk: Semaphore::new(CATCHING_UP) }
    }

    pub(super) const fn log(&self) -> &EventLog {
        &self.log
    }

    /// Follows the log while somebody reads, until `stop`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                while self.state().readers == 0 {
                    self.changed.notified().await;
                }
                match self.follow().await {
                    Ok(()) => {}
                    Err(error) if error.is_transient() => {
                        tracing::warn!("Events cannot be read for subscribers now: {error}");
                        tokio::time::sleep(AGAIN).await;
                    }
                    Err(error) => {
                        self.end(error);
                        break;
                    }
                }
            }
        })
        .await;
    }

    /// Follows the log until nobody reads any more.
    async fn follow(&self) -> Result<(), EventLogError> {
        let head = self.log.head();
        let mut tail = self.log.tail(head);
        self.begin(head);
        let followed = loop {
            tokio::select! {
                page = tail.next() => match page {
                    Ok(page) => self.publish(page),
                    Err(error) => break Err(error),
                },
                () = self.changed.notified() => {
                    if self.state().readers == 0 {
                        break Ok(());
                    }
                }
            }
        };
        let mut state = self.state();
        (state.ring, state.bytes, state.is_following) = (VecDeque::new(), 0, false);
        followed
    }

    /// Starts over at `head`: what came before is read from the log.
    fn begin(&self, head: Seq) {
        let mut state = self.state();
        state.ring.clear();
        (state.bytes, state.upto, state.is_following) = (0, head, true);
        for waiting in state.waiting.values_mut().filter(|waiting| waiting.next <= head) {
            waiting.wake_at(waiting.next);
        }
    }

    fn publish(&self, page: TailPage) {
        let TailPage { events, skipped, upto } = page;
        if !skipped.is_empty() {
            return self.begin(upto);
        }
        let mut kinds: Vec<_> = events.iter().map(|event| (&event.channel, event.kind.as_str())).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut state = self.state();
        let State { waiting, quiet, .. } = &mut *state;
        kinds.retain(|(channel, kind)| !quiet.has(channel, kind));
        if !kinds.is_empty() {
            let mut wanted = vec![false; kinds.len()];
            for waiting in waiting.values_mut().filter(|waiting| waiting.found.is_none()) {
                let Waiting { filter, next, .. } = waiting;
                let mut is_wanted = false;
                for ((channel, kind), wanted) in kinds.iter().zip(&mut wanted) {
                    let matches = filter.matches_kind(channel, kind);
                    *wanted |= matches;
                    is_wanted |= matches;
                }
                if is_wanted
                    && let Some(first) = events.iter().find(|event| event.seq >= *next && filter.matches(event))
                {
                    waiting.wake_at(first.seq);
                }
            }
            let unwanted = kinds.iter().zip(wanted).filter(|(_, wanted)| !wanted);
            unwanted.for_each(|((channel, kind), _)| quiet.add(channel, kind));
        }
        for event in events {
            state.bytes += event.data.len();
            state.ring.push_back(Arc::new(SharedEvent::new(event)));
        }
        while state.ring.len() > EVENTS || state.bytes > BYTES {
            let Some(oldest) = state.ring.pop_front() else { break };
            state.bytes -= oldest.event().data.len();
        }
        state.upto = upto;
    }

    fn end(&self, error: EventLogError) {
        let mut state = self.state();
        state.ended = Some(error);
        state.waiting.values().for_each(|waiting| waiting.wake.notify_one());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader of what is after `after` and passes `filter`.
    pub(super) fn reader(self: &Arc<Self>, after: Seq, filter: Filter) -> Reader {
        let mut state = self.state();
        state.readers += 1;
        let number = state.next_reader;
        state.next_reader += 1;
        if state.readers == 1 {
            self.changed.notify_one();
        }
        Reader { relay: Arc::clone(self), number, filter, next: after.next(), wake: Arc::new(Notify::new()) }
    }
}

impl QuietKinds {
    /// With more, it begins anew.
    const MOST: usize = 1024;

    fn has(&self, channel: &ChannelName, kind: &str) -> bool {
        self.kinds.get(channel).is_some_and(|kinds| kinds.contains(kind))
    }

    fn add(&mut self, channel: &ChannelName, kind: &str) {
        if self.count >= Self::MOST {
            *self = Self::default();
        }
        self.count += usize::from(self.kinds.entry(channel.clone()).or_default().insert(kind.to_owned()));
    }

    /// Somebody begins to wait for what this filter lets through.
    fn forget_wanted(&mut self, filter: &Filter) {
        for (channel, kinds) in &mut self.kinds {
            kinds.retain(|kind| !filter.matches_kind(channel, kind));
        }
        self.count = self.kinds.values().map(HashSet::len).sum();
    }
}

impl Waiting {
    /// The first position to read when everything up to `upto` went by.
    fn next(&self, upto: Seq) -> Seq {
        self.found.unwrap_or_else(|| upto.next().max(self.next))
    }

    fn wake_at(&mut self, seq: Seq) {
        self.found = Some(seq);
        self.wake.notify_one();
    }
}

impl Reader {
    /// Everything up to here is done with: it was read, or the filter does not let it through.
    pub(super) fn position(&self) -> Seq {
        let state = self.relay.state();
        let next = state.waiting.get(&self.number).map_or(self.next, |waiting| waiting.next(state.upto));
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
                match state.waiting.get(&self.number) {
                    Some(Waiting { found: Some(_), .. }) => return Ok(()),
                    Some(_) => {}
                    None if self.next > state.upto => {
                        let (filter, wake) = (self.filter.clone(), Arc::clone(&self.wake));
                        state.quiet.forget_wanted(&filter);
                        let waiting = Waiting { filter, next: self.next, found: None, wake };
                        state.waiting.insert(self.number, waiting);
                    }
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
        if let Some(waiting) = state.waiting.remove(&self.number) {
            self.next = waiting.next(upto);
        }
    }

    /// `None` if what follows is no longer in the ring.
    fn read_ring(&self, limits: ReadLimits) -> Option<Reading> {
        let state = self.relay.state();
        let before = Seq(self.next.0 - 1);
        if state.is_following && before >= state.upto {
            return Some(Reading { entries: Vec::new(), upto: before });
        }
        if self.next < state.ring.front()?.event().seq {
            return None;
        }
        // What is in quarantine is not in the ring, so a place is no position.
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
        state.waiting.remove(&self.number);
        state.readers -= 1;
        if state.readers == 0 {
            self.relay.changed.notify_one();
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
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::event::{EventPatterns, Pattern};
    use crate::eventlog::NewEvent;
    use crate::eventlog::contract::new_event;
    use crate::eventlog::{EngineKind, Settings};
    use crate::metrics::Metrics;
    use crate::subscribe::tests::commit;

    fn log() -> EventLog {
        EventLog::open(&Settings::new(EngineKind::Memory), &Metrics::new(), Vec::new()).unwrap()
    }

    fn of_kind(kind: &str) -> Filter {
        let kinds = vec![Pattern::new(kind).unwrap()];
        Filter::default().and(Arc::new(EventPatterns { kinds, ..EventPatterns::default() }))
    }

    async fn read(reader: &mut Reader) -> Vec<u64> {
        let reading = reader.read(ReadLimits::PAGE).await.unwrap();
        reading.entries.iter().map(|entry| entry.last().0).collect()
    }

    /// The next events, in as many pages as it takes.
    async fn next(reader: &mut Reader) -> Vec<u64> {
        loop {
            reader.ready().await.unwrap();
            let found = read(reader).await;
            if !found.is_empty() {
                return found;
            }
        }
    }

    #[tokio::test]
    async fn a_reader_gets_what_its_filter_lets_through_from_the_log_and_as_it_comes() {
        let log = log();
        let relay = Arc::new(Relay::new(log.clone()));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&relay).run(stop.clone()));
        for kind in ["a.x", "a.y", "a.x"] {
            commit(&log, kind, None).await;
        }
        let mut early = relay.reader(Seq(0), of_kind("a.x"));
        assert_eq!(read(&mut early).await, [1, 3], "also before anybody follows the log");
        let mut late = relay.reader(log.head(), of_kind("a.z"));

        let mut waits = JoinSet::new();
        waits.spawn(async move { (next(&mut late).await, late.position()) });
        for kind in ["a.y", "a.x", "a.z"] {
            commit(&log, kind, None).await;
        }

        assert_eq!(waits.join_next().await.unwrap().unwrap(), (vec![6], Seq(6)));
        assert_eq!(next(&mut early).await, [5]);
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }

    /// The next events, in at most ten looks.
    async fn soon(reader: &mut Reader) -> Vec<u64> {
        for _ in 0..10 {
            reader.ready().await.unwrap();
            let found = read(reader).await;
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    #[tokio::test]
    async fn nobody_misses_what_comes_after_an_event_in_quarantine() {
        let log = log();
        let relay = Arc::new(Relay::new(log.clone()));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&relay).run(stop.clone()));
        let suspect = async || {
            let event = NewEvent { quarantine: Some("why".to_owned()), ..new_event("{}") };
            log.commit(vec![event].into()).await.unwrap();
        };
        let mut all = relay.reader(Seq(0), Filter::default());
        for seq in [1, 2] {
            commit(&log, "a.x", None).await;
            assert_eq!(next(&mut all).await, [seq]);
        }
        suspect().await;
        for seq in [4, 5, 6] {
            commit(&log, "a.x", None).await;
            assert_eq!(soon(&mut all).await, [seq]);
        }
        suspect().await;
        while relay.state().upto < Seq(7) {
            tokio::task::yield_now().await;
        }
        assert_eq!(relay.reader(Seq(5), Filter::default()).read(ReadLimits::PAGE).await.unwrap().upto, Seq(7));
        drop(all);
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }

    #[test]
    fn a_kind_is_quiet_until_somebody_waits_for_it() {
        let (mut quiet, channel) = (QuietKinds::default(), "a".parse().unwrap());
        for number in 0..QuietKinds::MOST {
            quiet.add(&channel, &format!("a.{number}"));
        }
        quiet.forget_wanted(&of_kind("a.1*"));
        assert!(quiet.has(&channel, "a.0") && !quiet.has(&channel, "a.1") && !quiet.has(&channel, "a.10"));
        assert!(quiet.count < QuietKinds::MOST);

        for number in 0..=QuietKinds::MOST {
            quiet.add(&channel, &format!("a.more{number}"));
        }
        assert!(quiet.count <= QuietKinds::MOST);
    }

    #[tokio::test]
    async fn the_position_of_a_reader_that_waits_moves_on() {
        let log = log();
        let relay = Arc::new(Relay::new(log.clone()));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&relay).run(stop.clone()));
        let mut waits = relay.reader(Seq(0), of_kind("a.never"));
        let mut all = relay.reader(Seq(0), Filter::default());
        let waiting = async {
            tokio::select! {
                // It waits before the first event comes.
                biased;
                _ = waits.ready() => panic!("nothing is for it"),
                () = async {
                    commit(&log, "a.x", None).await;
                    let mut seen = next(&mut all).await;
                    commit(&log, "a.x", None).await;
                    seen.extend(next(&mut all).await);
                    assert_eq!(seen, [1, 2]);
                } => {}
            }
        };
        waiting.await;

        assert_eq!(waits.position(), Seq(2));
        assert!(read(&mut waits).await.is_empty());
        drop((waits, all));
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }
}
