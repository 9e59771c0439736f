//! The promises of the event log, one function each, run against every engine.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

pub(crate) use super::engine::EngineError;
use super::engine::journal::{Journal, Sizes};
use super::engine::memory::Memory;
use super::engine::sled::Sled;
use super::engine::{Direction, Engine, Op, Pair, Purpose};
use super::layout::key;
use super::metrics::LogMetrics;
use super::*;
use crate::event::{
    Attempt, ChannelName, Delivery, DeliveryId, DeliveryState, Event, EventId, EventStatus, Level, Outcome, Priority,
    Recipient, RequestId, Timestamp,
};

mod disk;
mod format;
mod full_disk;
mod journal;
mod maintenance;
mod notes;
mod processors;
mod promises;
mod quarantine;
mod repeats;
mod retention;
mod scans;
mod sinks;
mod states;
mod values;

/// Runs `$promise` against every engine; an engine joins with one line.
macro_rules! engines {
    ($($promise:ident)+) => {
        mod sled_keeps { $( #[tokio::test] async fn $promise() { super::$promise(super::Bed::sled()).await; } )+ }
        mod small_segments_keep {
            $( #[tokio::test] async fn $promise() { super::$promise(super::Bed::small_segments()).await; } )+
        }
        mod memory_keeps { $( #[tokio::test] async fn $promise() { super::$promise(super::Bed::memory()).await; } )+ }
    };
}
use engines;

/// An engine that can be opened again and made to fail, with what the sink was told.
pub(crate) struct Bed {
    settings: Settings,
    dir: TempDir,
    memory: Option<Arc<Memory>>,
    fault: Arc<Mutex<Option<EngineError>>>,
    held: Arc<AtomicBool>,
    /// What every write says that has happened.
    after_write: Arc<Mutex<Option<EngineError>>>,
    /// What the engine says of its work behind the writes.
    failed_behind: Arc<Mutex<Option<EngineError>>>,
    told: Arc<Told>,
    /// Whether the store may hit the end of the disk.
    reckless: bool,
    sizes: Sizes,
    metrics: Arc<LogMetrics>,
    clock: TestClock,
}

/// The time of the writer: that of the machine until it is set.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<Mutex<Option<Timestamp>>>);

impl TestClock {
    pub(crate) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = Some(now);
    }

    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().unwrap_or_else(Timestamp::now)
    }
}

/// What the sink was told.
#[derive(Default)]
struct Told {
    /// Events with their new deliveries.
    commits: Mutex<Vec<(Seq, Vec<DeliveryId>)>>,
    attempts: Mutex<Vec<(DeliveryId, Outcome)>>,
    ends: Mutex<Vec<EventLogError>>,
}

impl CommitSink for Told {
    fn committed(&self, event: &Arc<Event>, deliveries: &[NewDelivery]) {
        let ids = deliveries.iter().map(|new| new.id).collect();
        self.commits.lock().unwrap().push((event.seq, ids));
    }

    fn attempted(&self, delivery: DeliveryId, outcome: Outcome) {
        self.attempts.lock().unwrap().push((delivery, outcome));
    }

    fn ended(&self, why: &EventLogError) {
        self.ends.lock().unwrap().push(why.clone());
    }
}

impl Bed {
    pub(crate) fn sled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        Self::new(dir, EngineKind::Sled { dir: path, cache_bytes: 16 << 20, ballast_bytes: 64 << 10, min_free: 0 })
    }

    /// The same with a journal that begins, applies, frees and empties segments all the time.
    pub(crate) fn small_segments() -> Self {
        Self { sizes: Sizes { segment: 48 << 10, batch: 4 << 10 }, ..Self::sled() }
    }

    pub(crate) fn memory() -> Self {
        let mut bed = Self::new(tempfile::tempdir().unwrap(), EngineKind::Memory);
        bed.memory = Some(Arc::new(Memory::default()));
        bed
    }

    fn new(dir: TempDir, engine: EngineKind) -> Self {
        Self {
            settings: Settings { retention: RetentionLimits::default(), ..Settings::new(engine) },
            dir,
            memory: None,
            fault: Arc::default(),
            held: Arc::default(),
            after_write: Arc::default(),
            failed_behind: Arc::default(),
            told: Arc::default(),
            reckless: false,
            sizes: Sizes::default(),
            metrics: Arc::new(LogMetrics::register(&Metrics::new())),
            clock: TestClock::default(),
        }
    }

    /// Has retention keep this many events.
    pub(crate) fn keep_events(&mut self, most: u64) {
        self.settings.retention.max_events = Some(most);
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn open(&self) -> EventLog {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<EventLog, EventLogError> {
        let engine: Arc<dyn Engine> = match (&self.memory, &self.settings.engine) {
            (Some(memory), _) => Arc::clone(memory) as Arc<dyn Engine>,
            (None, EngineKind::Sled { dir, cache_bytes, ballast_bytes, min_free }) => {
                let mut store = Sled::open(dir, *cache_bytes, *ballast_bytes, *min_free)?;
                if self.reckless {
                    store.keep_nothing_free();
                }
                Arc::new(Journal::over(store, dir, self.sizes)?)
            }
            (None, EngineKind::Memory) => Arc::new(Memory::default()),
        };
        let (fault, held) = (Arc::clone(&self.fault), Arc::clone(&self.held));
        let after_write = Arc::clone(&self.after_write);
        let failed_behind = Arc::clone(&self.failed_behind);
        let faulty = Faulty { engine, fault, held, after_write, failed_behind };
        EventLog::start(
            Arc::new(faulty),
            &self.settings,
            Arc::clone(&self.metrics),
            vec![Arc::clone(&self.told) as Arc<dyn CommitSink>],
            Arc::new({
                let clock = self.clock.clone();
                move || clock.now()
            }),
        )
    }

    pub(crate) async fn reopen(&self, log: EventLog) -> EventLog {
        log.close().await;
        self.open()
    }

    fn told(&self) -> Vec<(u64, usize)> {
        self.told.commits.lock().unwrap().iter().map(|(seq, ids)| (seq.0, ids.len())).collect()
    }

    fn ends(&self) -> Vec<EventLogError> {
        self.told.ends.lock().unwrap().clone()
    }

    /// Lets no write succeed until [`Bed::heal`].
    pub(crate) fn fail_writes(&self) {
        self.fail_with(EngineError::Failed("power cut".to_owned()));
    }

    pub(crate) fn heal(&self) {
        self.fault.lock().unwrap().take();
    }

    pub(crate) fn fail_with(&self, error: EngineError) {
        *self.fault.lock().unwrap() = Some(error);
    }

    /// Has every write succeed, and say that it did not.
    fn fail_after_write(&self, error: EngineError) {
        *self.after_write.lock().unwrap() = Some(error);
    }
}

/// Fails or waits where the engine below would not.
struct Faulty {
    engine: Arc<dyn Engine>,
    fault: Arc<Mutex<Option<EngineError>>>,
    held: Arc<AtomicBool>,
    after_write: Arc<Mutex<Option<EngineError>>>,
    failed_behind: Arc<Mutex<Option<EngineError>>>,
}

impl Engine for Faulty {
    fn write(&self, ops: Vec<Op>, head: Seq) -> Result<(), EngineError> {
        while self.held.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        match self.fault.lock().unwrap().clone() {
            Some(error) => return Err(error),
            None => self.engine.write(ops, head)?,
        }
        self.after_write.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.engine.get(key)
    }

    fn scan(
        &self,
        range: std::ops::Range<&[u8]>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, EngineError> {
        self.engine.scan(range, direction, limit)
    }

    fn room(&self, bytes: usize, purpose: Purpose) -> Result<(), EngineError> {
        self.engine.room(bytes, purpose)
    }

    fn refill(&self) -> Result<(), EngineError> {
        self.engine.refill()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        match self.fault.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => self.engine.reopen(),
        }
    }

    fn disk(&self) -> Option<Disk> {
        self.engine.disk()
    }

    fn journal(&self) -> Option<JournalStats> {
        self.engine.journal()
    }

    fn failure(&self) -> Option<EngineError> {
        self.failed_behind.lock().unwrap().clone().or_else(|| self.engine.failure())
    }

    fn close(&self) {
        self.engine.close();
    }

    fn block_bytes(&self) -> usize {
        self.engine.block_bytes()
    }
}

pub(crate) fn new_event(data: impl Into<Bytes>) -> NewEvent {
    NewEvent {
        channel: "github".parse().unwrap(),
        plugin: "github".parse().unwrap(),
        kind: "github.push".to_owned(),
        subject: Some("octo/repo".to_owned()),
        time: Timestamp::from_millis(1_700_000_000_000),
        verified_at: None,
        content_type: "application/json".to_owned(),
        data: data.into(),
        attributes: vec![("action".to_owned(), "created".to_owned())],
        headers: Vec::new(),
        request_id: RequestId::new(),
        delivery_id: None,
        traceparent: None,
        identity: None,
        statement: None,
        is_imported: false,
        quarantine: None,
        keep_repeat: false,
        repeat_of: None,
        recipients: Vec::new(),
    }
}

pub(crate) fn routed(agents: &[&str]) -> NewEvent {
    NewEvent { recipients: recipients(agents), ..new_event("{}") }
}

fn recipients(agents: &[&str]) -> Vec<Recipient> {
    let recipient = |agent: &&str| Recipient { agent: agent.parse().unwrap(), priority: Priority::Normal };
    agents.iter().map(recipient).collect()
}

fn known_as(key: &str, millis: i64) -> NewEvent {
    let event = new_event("{}");
    NewEvent {
        identity: Some(Identity::of_key(&event.channel, key)),
        time: Timestamp::from_millis(1_700_000_000_000 + millis),
        ..event
    }
}

async fn append(log: &EventLog, events: Vec<NewEvent>) -> Result<Vec<Appended>, EventLogError> {
    Ok(log.commit(events.into()).await?.events)
}

pub(crate) async fn accept(log: &EventLog, event: NewEvent) -> Arc<Event> {
    match append(log, vec![event]).await.unwrap().remove(0) {
        Appended::Accepted(event) => event,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn record(
    log: &EventLog,
    delivery: DeliveryId,
    attempt: Attempt,
    next_attempt_at: Option<Timestamp>,
) -> Result<(), EventLogError> {
    let attempts = vec![FinishedAttempt { delivery, attempt, next_attempt_at }];
    log.commit(Batch { attempts, ..Batch::default() }).await.map(|_| ())
}

async fn redeliver(log: &EventLog, id: EventId, recipients: Vec<Recipient>) -> Result<Vec<DeliveryId>, EventLogError> {
    let event = log.event(id)?.ok_or(EventLogError::NotFound)?.event;
    let target = RedeliveryTarget::Recipients(recipients);
    let redeliveries = vec![Redelivery { event: Arc::new(event), target, by: "me".to_owned() }];
    Ok(log.commit(Batch { redeliveries, ..Batch::default() }).await?.redelivered.concat())
}

/// Repeats one delivery.
async fn repeat(log: &EventLog, id: DeliveryId) -> Result<Vec<DeliveryId>, EventLogError> {
    let event = log.event(id.seq)?.ok_or(EventLogError::NotFound)?.event;
    let target = RedeliveryTarget::Repeat { index: id.index, state: None };
    let redeliveries = vec![Redelivery { event: Arc::new(event), target, by: "me".to_owned() }];
    Ok(log.commit(Batch { redeliveries, ..Batch::default() }).await?.redelivered.concat())
}

async fn checkpoint(log: &EventLog, consumer: &str, seq: Seq) -> Result<(), EventLogError> {
    Consumer::open(log, consumer)?.advance(seq, Batch::default()).await.map(|_| ())
}

/// The events after `after` with their payloads, at most `limit`.
fn read(log: &EventLog, after: Seq, limit: usize) -> Vec<Stored> {
    log.scan(&Query::whole(), Range::up_from(after.next()), ScanLimits::items(limit)).unwrap().items
}

/// The open deliveries to `agent`, or to all.
fn open_deliveries(
    log: &EventLog,
    agent: Option<&str>,
    range: Range,
    limit: usize,
) -> (Vec<(DeliveryId, Delivery)>, Page) {
    let agent = agent.map(|agent| agent.parse().unwrap());
    let selection = DeliverySelection { agent, ..DeliverySelection::open() };
    let query = Query { deliveries: Some(selection.clone()), ..Query::default() };
    let page = log.scan(&query, range, ScanLimits::items(limit)).unwrap();
    let found = page.deliveries(&selection).map(|(id, delivery, _)| (id, delivery.clone())).collect();
    (found, page)
}

pub(crate) async fn serving(log: &EventLog) {
    let mut snapshots = log.watch();
    snapshots.wait_for(|snapshot| snapshot.writer == WriterState::Serving).await.unwrap();
}

pub(crate) fn attempt(number: u32, outcome: Outcome) -> Attempt {
    let moment = Timestamp::from_millis(1_700_000_000_500);
    Attempt {
        number,
        term: Attempt::FIRST_TERM,
        started_at: moment,
        ended_at: moment,
        outcome,
        code: String::new(),
        message: String::new(),
    }
}

fn statuses(log: &EventLog) -> Vec<u64> {
    let snapshot = log.snapshot();
    EventStatus::ALL[..4].iter().map(|status| snapshot.with_status(*status)).collect()
}
