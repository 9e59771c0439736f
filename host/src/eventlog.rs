//! The event log: the ordered, durable record of every accepted event and of what became of its deliveries.
//!
//! It owns order, durability and deduplication and nothing else: not meaning, not delivery. One thread writes; what
//! waits while it syncs the disk is committed together. Everything but the ordered key-value store below
//! (`engine.rs`) is shared by all engines.
//!
//! # Contract
//! 1. When `append` returns `Ok`, its events survive a crash and are there after the log is opened again.
//! 2. Positions start at 1, grow by 1 and are never reused, also across restarts.
//! 3. A receipt is stored as a whole or not at all.
//! 4. An identity that is known and younger than the window is a duplicate of the event that first had it, within a
//!    commit, across commits and across restarts; the times of the events decide, not the clock.
//! 5. A replay adds deliveries to an event and is never a duplicate.
//! 6. A payload of any size comes back byte for byte.
//! 7. Lists are newest first, filtered, and go on exactly where their cursor says.
//! 8. Open deliveries are found oldest first from the first open one, also after a replay of an old event.
//! 9. A recorded attempt changes its delivery, the event's status and the counts, also across restarts.
//! 10. A consumer's position is what was last written, 0 before.
//! 11. A record that is not what was written is an error, never wrong bytes.
//! 12. The sink is told of every commit in the order of positions, before its callers are.
//! 13. After a failed write nothing is acknowledged any more, and the log says why.
//! 14. A full queue refuses at once.
//! 15. A closed log has committed what it had taken, and takes nothing more.
//! 16. A step of a replay, what it adds and how far the replay has come, is one commit; no step is taken twice, and no
//!     delivery is made again that is open or not the latest of its event to its agent.
//! 17. Retention removes settled events that are over its limits, and never one with an open delivery, which does not
//!     keep others either.
//! 18. A removed event is not found, and not taken for damaged; its identity stays for its window.
//! 19. A backup holds everything up to its head and restores to the same log; one that is damaged or cut off is refused.
//! 20. What a plugin keeps is written in one step with the events that it belongs to, and is there afterwards.
//! 21. A look at everything finds each damaged record, and a repair saves all the others and tells what is lost.
//!
//! Each sentence is a function of the suite in `contract.rs`, run against every engine that can break it.

mod batch;
#[cfg(test)]
mod contract;
mod engine;
mod error;
mod identity;
mod layout;
mod maintenance;
mod metrics;
mod query;
mod replay;
mod scan;
mod settings;
mod snapshot;
mod writer;

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::oneshot;

pub use self::batch::{Appended, NewDelivery, NewEvent, NewState};
pub use self::engine::Disk;
use self::engine::Engine;
use self::engine::memory::Memory;
use self::engine::sled::Sled;
pub use self::error::EventLogError;
pub use self::identity::Identity;
use self::layout::reader::Store;
pub use self::maintenance::{
    BackupSummary, LogStats, LostKind, LostRange, Pieces, Repaired, Verified, check_backup, repair, restore, verify,
};
use self::metrics::LogMetrics;
pub use self::query::{DeliveryFilter, DeliveryPage, Filter, ListedDelivery, OpenDeliveries, Page, Selection, Stored};
pub use self::replay::{Candidate, NewReplay, Replay, ReplayId, ReplayState, ReplayStep, Replayable};
use self::scan::Reader;
pub use self::settings::{EngineKind, RetentionLimits, Settings};
pub use self::snapshot::{ChannelCounts, Counts};
use self::snapshot::{Publisher, WriterState};
use self::writer::commit::CommitBuilder;
use self::writer::queue::{Queue, Weight};
use self::writer::{Limits, Reply, Request, Work, Writer};
use crate::event::{Attempt, Delivery, DeliveryId, Event, EventId, Recipient, Seq, Timestamp};
use crate::metrics::Metrics;

/// Told of every commit, in order of position, on the writer's thread, after the commit is durable and before its
/// callers are answered. Must not block.
pub trait CommitSink: Send + Sync {
    /// `deliveries` of `event` are new: those that it was accepted with, or those of a replay.
    fn committed(&self, event: &Arc<Event>, deliveries: &[NewDelivery]);
}

/// A handle on the log; clones are the same log. The last one closes it.
#[derive(Clone)]
pub struct EventLog(Arc<Log>);

struct Log {
    queue: Arc<Queue<Request>>,
    publisher: Arc<Publisher>,
    reader: Reader,
    metrics: Arc<LogMetrics>,
    queue_bytes: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.close();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The sink may hold the last handle, and a thread cannot wait for itself; a stuck commit never ends.
        if let Some(writer) = writer
            && writer.thread().id() != std::thread::current().id()
            && self.publisher.stalled().is_none()
        {
            drop(writer.join());
        }
    }
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl EventLog {
    /// Opens the log and starts its writer. Reads the last events, so it may take a moment.
    ///
    /// # Errors
    /// `Locked` while another process has it, `Corrupt` and `Format` when it cannot be read, `Full` and `Io`.
    pub fn open(settings: &Settings, metrics: &Metrics, sink: Arc<dyn CommitSink>) -> Result<Self, EventLogError> {
        let engine: Arc<dyn Engine> = match &settings.engine {
            EngineKind::Sled { dir, cache_bytes, ballast_bytes, min_free } => {
                Arc::new(Sled::open(dir, *cache_bytes, *ballast_bytes, *min_free)?)
            }
            EngineKind::Memory => Arc::new(Memory::default()),
        };
        Self::start(engine, settings, Arc::new(LogMetrics::register(metrics)), sink)
    }

    fn start(
        engine: Arc<dyn Engine>,
        settings: &Settings,
        metrics: Arc<LogMetrics>,
        sink: Arc<dyn CommitSink>,
    ) -> Result<Self, EventLogError> {
        let store = Store::new(Arc::clone(&engine));
        let Settings { dedup_window, dedup_max, retention, .. } = *settings;
        let builder = CommitBuilder::load(store.clone(), dedup_window, dedup_max, retention, Arc::clone(&metrics))
            .inspect_err(|_| engine.close())?;
        let publisher = Arc::new(Publisher::new());
        publisher.show_all(&builder);
        let queue = Arc::new(Queue::new(settings.queue, settings.queue_bytes));
        let writer = Writer {
            engine,
            store: store.clone(),
            builder,
            queue: Arc::clone(&queue),
            publisher: Arc::clone(&publisher),
            sink,
            metrics: Arc::clone(&metrics),
            limits: Limits {
                batch_events: settings.batch_events,
                batch_bytes: settings.batch_bytes,
                dedup_window,
                dedup_max,
                retention,
            },
            in_doubt: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("eventlog".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| EventLogError::Io(format!("cannot start a thread: {error}")))?;
        Ok(Self(Arc::new(Log {
            queue,
            reader: Reader { store, publisher: Arc::clone(&publisher) },
            publisher,
            metrics,
            queue_bytes: settings.queue_bytes,
            writer: Mutex::new(Some(thread)),
        })))
    }

    /// Stores the events of one receipt, in one commit and in their order, and returns when they are durable.
    ///
    /// Cancel safe: the receipt is stored as a whole or not at all, also when the caller stops waiting.
    ///
    /// # Errors
    /// `Overloaded` at once when too much waits; `Full`, `Poisoned` and `Closed` when the log takes no events;
    /// `TooLarge` for a receipt that can never be stored. After `Full` and `Poisoned` it is unknown whether the
    /// events are stored: their identities tell when they are sent again.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Appended>, EventLogError> {
        self.append_with(events, None).await
    }

    /// As [`EventLog::append`], with a change of what a plugin keeps in the same commit.
    ///
    /// # Errors
    /// Those of [`EventLog::append`].
    pub async fn append_with(
        &self,
        events: Vec<NewEvent>,
        state: Option<NewState>,
    ) -> Result<Vec<Appended>, EventLogError> {
        let mut bytes = state.as_ref().map_or(0, NewState::bytes);
        for event in &events {
            let header = event.header_bytes();
            fits("the event without its data", header, layout::record::MAX_HEADER)?;
            bytes = bytes.saturating_add(header).saturating_add(event.data.len());
        }
        fits("the receipt", bytes, self.0.queue_bytes)?;
        if events.is_empty() && state.is_none() {
            return Ok(Vec::new());
        }
        self.0.publisher.condition.borrow().takes_intake()?;
        let weight = Weight { intake: true, events: events.len().max(1), bytes };
        self.submit(weight, |reply| Work::Append { events, state, reply }).await
    }

    /// Writes a change of what a plugin keeps and returns when it is durable.
    ///
    /// # Errors
    /// Those of [`EventLog::append`].
    pub async fn keep(&self, state: NewState) -> Result<(), EventLogError> {
        self.0.publisher.condition.borrow().takes_upkeep()?;
        let weight = Weight { intake: false, events: 1, bytes: state.bytes() };
        self.submit(weight, |reply| Work::State { state, reply }).await
    }

    /// Everything that `owner` has kept, by key. Reads may wait for the disk.
    ///
    /// # Errors
    /// `Corrupt` and `Io`, as for every read.
    pub fn state(&self, owner: &str) -> Result<Vec<(String, Bytes)>, EventLogError> {
        self.0.reader.state(owner)
    }

    /// Adds a delivery of a stored event to each of `recipients`, on behalf of `by`, and returns their ids when they are
    /// durable.
    ///
    /// # Errors
    /// `NotFound` when there is no such event; those of [`EventLog::append`].
    pub async fn replay(
        &self,
        id: EventId,
        recipients: Vec<Recipient>,
        by: &str,
    ) -> Result<Vec<DeliveryId>, EventLogError> {
        if recipients.is_empty() {
            return Ok(Vec::new());
        }
        self.0.publisher.condition.borrow().takes_upkeep()?;
        let weight = Weight { intake: false, events: 1, bytes: 1024 };
        let by = by.to_owned();
        self.submit(weight, |reply| Work::Replay { id, recipients, by, reply }).await
    }

    /// Adds a finished attempt to a delivery and returns when it is durable.
    ///
    /// `next_attempt_at` says when to try again and counts only for an attempt that is worth repeating.
    ///
    /// # Errors
    /// `NotFound` when there is no such delivery; those of [`EventLog::append`].
    pub async fn record(
        &self,
        id: DeliveryId,
        attempt: Attempt,
        next_attempt_at: Option<Timestamp>,
    ) -> Result<(), EventLogError> {
        self.0.publisher.condition.borrow().takes_upkeep()?;
        let weight = Weight { intake: false, events: 1, bytes: 256 + attempt.code.len() + attempt.message.len() };
        self.submit(weight, |reply| Work::Record { id, attempt, next_attempt_at, reply }).await
    }

    /// Keeps the position of a consumer and returns when it is durable.
    ///
    /// # Errors
    /// Those of [`EventLog::append`].
    pub async fn checkpoint(&self, consumer: &str, seq: Seq) -> Result<(), EventLogError> {
        self.0.publisher.condition.borrow().takes_upkeep()?;
        fits("the name of the consumer", consumer.len(), 256)?;
        let consumer = consumer.to_owned();
        let weight = Weight { intake: false, events: 1, bytes: 256 };
        self.submit(weight, |reply| Work::Checkpoint { consumer, seq, reply }).await
    }

    async fn submit<T>(&self, weight: Weight, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, EventLogError> {
        let (reply, answer) = oneshot::channel();
        self.0.metrics.queue.inc();
        if let Err(error) = self.0.queue.push(Request { work: work(reply), weight }, weight) {
            self.0.metrics.queue.dec();
            return Err(error);
        }
        answer.await.unwrap_or(Err(EventLogError::Closed))
    }

    /// The position that a consumer has kept; 0 when it has kept none.
    ///
    /// # Errors
    /// `Corrupt` and `Io`, as for every read. Reads may wait for the disk.
    pub fn position(&self, consumer: &str) -> Result<Seq, EventLogError> {
        Ok(self.0.reader.store.read(&layout::key::consumer(consumer))?.unwrap_or_default())
    }

    /// The event at `seq`.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn get(&self, seq: Seq) -> Result<Option<Stored>, EventLogError> {
        self.0.reader.get(seq)
    }

    /// The event with `id`.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn find(&self, id: EventId) -> Result<Option<Stored>, EventLogError> {
        self.0.reader.find(id)
    }

    /// The events after `after`, oldest first: at most `limit`, fewer when their payloads are large, and none only
    /// at the head.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn read(&self, after: Seq, limit: usize) -> Result<Vec<Stored>, EventLogError> {
        self.0.reader.read(after, limit)
    }

    /// Events that `filter` takes, newest first and without payloads, from the last one before `before`.
    ///
    /// Looks at no more than 10,000 events; the page may have fewer than `limit` items and still a `next`.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn list(&self, filter: &Filter, before: Option<Seq>, limit: usize) -> Result<Page, EventLogError> {
        self.0.reader.list(filter, before, limit)
    }

    /// Deliveries that `filter` takes, newest event first, from the last one before `before`; as bounded as `list`.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<DeliveryPage, EventLogError> {
        self.0.reader.list_deliveries(filter, before, limit)
    }

    /// Deliveries that are not settled and that `takes` wants, given the event's subject; oldest first, of events from
    /// `from` up to `until`, which is not included.
    ///
    /// Begins at the position below which all are settled, however low `from` is, and is as bounded as `list`. The
    /// deliveries of one event are never divided, so that there may be a few more than `limit`.
    ///
    /// # Errors
    /// Those of [`EventLog::position`].
    pub fn open_deliveries(
        &self,
        from: Seq,
        until: Seq,
        limit: usize,
        takes: impl Fn(&Delivery, Option<&str>) -> bool,
    ) -> Result<OpenDeliveries, EventLogError> {
        self.0.reader.open_deliveries(from, until, limit, takes)
    }

    /// The figures as of the last commit. Cheap.
    pub fn counts(&self) -> Counts {
        self.0.publisher.counts()
    }

    /// The position of the last event; 0 before the first. Cheap.
    pub fn head(&self) -> Seq {
        self.0.publisher.head()
    }

    /// Whether events are taken, and why not. Cheap.
    ///
    /// # Errors
    /// `Full`, `Poisoned`, `Closed`, or `Io` while a commit hangs.
    pub fn health(&self) -> Result<(), EventLogError> {
        self.0.publisher.health()
    }

    /// Whether a receipt would be taken right now, so that nothing is done for one that would not. Cheap.
    ///
    /// # Errors
    /// Those of [`EventLog::health`], or `Overloaded` while the queue is full.
    pub fn admits(&self) -> Result<(), EventLogError> {
        self.0.publisher.health()?;
        if self.0.queue.is_full() { Err(EventLogError::Overloaded) } else { Ok(()) }
    }

    /// Waits until the log has failed in a way that only a new process can recover from.
    pub async fn failed(&self) -> EventLogError {
        let mut condition = self.0.publisher.condition.subscribe();
        match condition.wait_for(|condition| matches!(condition, WriterState::Failed(_))).await.as_deref() {
            Ok(WriterState::Failed(error)) => error.clone(),
            Ok(_) | Err(_) => std::future::pending().await,
        }
    }

    /// Commits what waits, refuses what comes later, and returns when files and locks are released.
    pub async fn close(self) {
        let mut condition = self.0.publisher.condition.subscribe();
        self.0.queue.close();
        let ended = |condition: &WriterState| matches!(condition, WriterState::Closed | WriterState::Failed(_));
        // An error means that the writer is gone, and with it everything it held.
        drop(condition.wait_for(ended).await);
    }
}

fn fits(what: &'static str, bytes: usize, limit: usize) -> Result<(), EventLogError> {
    if bytes > limit { Err(EventLogError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}

/// The text of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("no message"))
}
