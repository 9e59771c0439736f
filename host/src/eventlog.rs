//! The event log: the ordered, durable record of every accepted event, of what became of its deliveries, and of the values
//! that modules and plugins keep beside them.
//!
//! It owns order, durability and deduplication and nothing else: not meaning, not delivery. Callers change it with one
//! [`Batch`] and read it with one [`Query`]; nothing above knows how it is stored. In the embedded log one thread writes,
//! and what waits while it syncs the disk is committed together. Everything but the ordered key-value store below
//! (`engine.rs`) is shared by all engines.
//!
//! # Contract
//! 1. When `commit` returns `Ok`, the whole batch survives a crash and is there after the log is opened again.
//!    (`events_are_there_after_a_restart`)
//! 2. Positions start at 1, grow by 1 and are never reused, also across restarts. (`positions_grow_by_one_across_restarts`)
//! 3. A batch is stored as a whole or not at all: events, redeliveries, attempts and values.
//!    (`a_batch_is_stored_as_a_whole`)
//! 4. An identity that is known and younger than the window is a duplicate of the event that first had it, within a
//!    commit, across commits and across restarts; the times of the events decide, not the clock.
//!    (`identities_are_known_within_their_window`)
//! 5. A redelivery adds deliveries to an event and is never a duplicate. (`a_redelivery_adds_deliveries`)
//! 6. A payload of any size comes back byte for byte. (`payloads_of_any_size_come_back`)
//! 7. A scan finds what its query matches, in its order, and goes on exactly where its page says.
//!    (`scans_are_filtered_and_go_on_where_they_ended`)
//! 8. A scan says which positions it skipped, and why. (`a_scan_reports_what_it_skipped`)
//! 9. Open deliveries are found oldest first from the first open one, also after a redelivery of an old event.
//!    (`open_deliveries_are_found_from_the_first_open_one`)
//! 10. An attempt changes its delivery, the event's status and the counts, also across restarts.
//!     (`attempts_change_status_and_counts`)
//! 11. An attempt under an old term is superseded, and nothing of its batch is stored. (`an_old_term_is_superseded`)
//! 12. A value is what was last written. A batch that expects another one conflicts, also within one commit.
//!     (`values_change_only_as_expected`)
//! 13. Of two redeliveries that repeat one delivery, one conflicts; so does one of an open delivery.
//!     (`a_delivery_is_repeated_once`)
//! 14. A record that is not what was written is an error, never wrong bytes. (`damaged_records_are_errors`)
//! 15. Every sink hears of every commit in the order of positions, before its callers are answered, and of the end.
//!     (`sinks_hear_in_order_and_before_the_callers`, `sinks_hear_of_what_is_stored_although_its_callers_were_refused`,
//!     `sinks_hear_of_the_end`)
//! 16. A snapshot is what a durable commit left, and whoever watches sees the latest one.
//!     (`a_snapshot_is_of_a_durable_commit`)
//! 17. A tail returns every event once, in the order of positions, from any position, but those in quarantine and repetitions.
//!     (`a_tail_returns_every_event_once`)
//! 18. A processor's position, its state and the events it derives are one commit: each event is processed exactly once.
//!     (`a_processor_sees_each_event_exactly_once`)
//! 19. After a failed write nothing is acknowledged any more, and the log says why.
//!     (`nothing_is_acknowledged_after_a_failed_write`)
//! 20. A full queue refuses at once. (`a_full_queue_refuses_at_once`)
//! 21. A closed log has committed what it had accepted, and accepts nothing more.
//!     (`a_closed_log_has_committed_what_it_accepted`)
//! 22. Retention removes settled events that are over its limits, and never one with an open delivery, which does not
//!     keep others either. (`an_open_event_stays_and_holds_nothing_up`)
//! 23. A removed event is not found, and not taken for damaged; its identity stays for its window. (`a_removed_event_is_not_found_and_not_damaged`)
//! 24. A backup holds everything up to its head and restores to the same log; one that is damaged or cut off is refused.
//!     (`a_backup_restores_the_same_log`)
//! 25. A verification finds each damaged record, and a repair saves all the others and reports what is lost. (`every_damaged_record_is_found`)
//! 26. A log of an earlier format is taken over in one write, with everything in it.
//!     (`a_kill_while_a_log_is_taken_over_leaves_one_of_both_formats`)
//! 27. A later format, and a record of a later version, is refused with both numbers.
//!     (`a_later_format_is_refused_with_both_numbers`)
//! 28. A log keeps its epoch; one that is restored or repaired has another. (`an_epoch_ends_with_a_restore_and_a_repair`)
//! 29. A state equals the last one that was told of its thing, and is a duplicate then, or it is news; a delivery that was
//!     seen before is a duplicate always. (`a_state_that_comes_back_is_news`)
//! 30. Of events that say the same of one thing at the same time, one is accepted.
//!     (`of_equal_statements_at_once_one_is_accepted`)
//! 31. A state is known while it is said at least once within the window, also across restarts.
//!     (`each_repetition_renews_a_state`)
//! 32. A state that may be late is stored at once and told when its window ends, unless the last state is said again within
//!     it; also across restarts. (`a_state_that_may_be_late_is_held`)
//! 33. An event that is held is not removed, and not counted as settled. (`a_held_event_stays_until_it_is_told`)
//! 34. No more things are known and no more events are held than allowed; nothing is lost by that.
//!     (`no_more_states_are_kept_than_allowed`)
//! 35. What an engine fails at behind the writes ends the log as a failed write does, also while nobody writes.
//!     (`a_failure_behind_the_writes_ends_the_log`)
//! 36. An event in quarantine is told to nobody, its position is passed by; a release tells it as another event, once.
//!     (`an_event_in_quarantine_is_released_once`)
//! 37. A hold keeps the events after its position beyond the age of retention, as long as it says, and against no other
//!     limit. (`a_hold_keeps_events_from_going_by_age_and_by_nothing_else`)
//! 38. Every sink hears of every attempt that a commit adds, before its callers are answered.
//!     (`sinks_hear_of_attempts_before_the_callers`)
//! 39. A repetition that is to be kept is an event that only processors and scans find; it counts as a duplicate. A delivery that was
//!     seen before is counted alone. (`a_repetition_is_kept_for_processors_alone`)
//! 40. A kept repetition is removed as a settled event is. (`a_kept_repetition_is_removed_as_a_settled_event`)
//! 41. A processor is woken when something is due, however the clock jumps, and hears what its batch came to once that is durable.
//!     (`a_processor_is_woken_and_answers_what_is_durable`)
//! 42. What a processor does by the time and for requests is done once, as what it does with events.
//!     (`nothing_is_done_twice_after_a_failed_commit`)
//! 43. Events, requests and the time take turns. (`requests_starve_neither_events_nor_time`)
//! 44. Requests that wait for a processor are one commit, and each is answered once it is durable.
//!     (`requests_that_wait_are_one_commit`)
//! 45. What a processor wants to store and the log cannot accept now is stored later as it is: nothing is read or decided again.
//!     (`what_is_refused_for_now_is_stored_later`)
//! 46. The end of a delivery that a module wants to hear of is there until it is heard, oldest event first.
//!     (`the_end_of_a_delivery_is_kept_until_it_is_heard`)
//! 47. A note is there as long as its event. (`a_note_goes_with_its_event`)
//!
//! Each sentence is a function of the suite in `contract.rs`, run against every engine that can break it.

mod batch;
mod claim;
mod consumer;
#[cfg(test)]
pub(crate) mod contract;
mod cursor;
mod ended_delivery;
mod engine;
mod epoch;
mod error;
mod find;
mod identity;
mod layout;
mod maintenance;
mod metrics;
mod note;
mod processor;
mod quarantine;
mod query;
mod scan;
mod search;
mod settings;
mod sink;
mod snapshot;
mod statement;
mod tail;
mod writer;

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

pub use self::batch::{
    Appended, Batch, Committed, Expected, FinishedAttempt, NewDelivery, NewEvent, Redelivery, RedeliveryTarget,
    Release, Space, ValueChange,
};
pub use self::claim::Claims;
pub use self::consumer::Consumer;
pub use self::cursor::{Cursor, CursorError};
pub use self::ended_delivery::EndedDelivery;
use self::engine::journal::Journal;
use self::engine::memory::Memory;
pub use self::engine::{Disk, JournalStats};
use self::engine::{Engine, REPAIR_HINT};
pub use self::epoch::{Epoch, EpochError};
pub use self::error::EventLogError;
pub use self::find::Found;
pub use self::identity::Identity;
use self::layout::reader::Store;
pub use self::maintenance::{
    BackupSummary, Covered, LogStats, LostKind, LostRange, Pieces, Repaired, Verified, check_backup, repair, restore,
    verify,
};
use self::metrics::LogMetrics;
pub use self::note::Note;
pub use self::processor::{Processor, run as run_processor, run_with as run_processor_with};
pub use self::quarantine::Released;
pub use self::query::{
    DeliveryFilter, DeliverySelection, DeliveryStage, EventKey, LaneSubjects, Order, Page, Progress, Query, Range,
    ScanLimits, Selection, SkipReason, Skipped, Stored, Withheld,
};
use self::scan::Reader;
pub use self::search::{Place, Search};
pub use self::settings::{EngineKind, Hold, RetentionLimits, Settings};
pub use self::sink::CommitSink;
use self::snapshot::Publisher;
pub use self::snapshot::{ChannelCounts, Snapshot, WriterState};
pub use self::statement::Statement;
use self::tail::Recent;
pub use self::tail::{Tail, TailPage};
use self::writer::queue::{Queue, Weight};
use self::writer::{Clock, Request, Writer, WriterLimits};
use crate::event::{Seq, Timestamp};
use crate::metrics::Metrics;

/// A handle on the log; clones are the same log. The last one closes it.
#[derive(Clone)]
pub struct EventLog(Arc<Log>);

struct Log {
    queue: Arc<Queue<Request>>,
    publisher: Arc<Publisher>,
    recent: Arc<Recent>,
    claims: watch::Sender<Claims>,
    reader: Arc<Reader>,
    metrics: Arc<LogMetrics>,
    queue_bytes: usize,
    /// The writer follows them.
    retention: Arc<ArcSwap<RetentionLimits>>,
    holds: Arc<ArcSwap<Vec<Hold>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.close();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A sink may hold the last handle, and a thread cannot wait for itself; a stuck commit never ends.
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

/// The folder of a log, with every other process kept out. Dropping it gives the folder free.
#[derive(Debug)]
pub struct Claim(Option<File>);

impl EventLog {
    /// Opens the log and starts its writer. Reads the last events, so it may take a moment. Each of `sinks` hears of every
    /// commit, in their order.
    ///
    /// # Errors
    /// `Locked` while another process has it, `Corrupt` and `Format` when it cannot be read, `Full` and `Io`.
    pub fn open(
        settings: &Settings,
        metrics: &Metrics,
        sinks: Vec<Arc<dyn CommitSink>>,
    ) -> Result<Self, EventLogError> {
        Self::open_claimed(Self::claim(settings)?, settings, metrics, sinks)
    }

    /// Keeps every other process out of the folder, before anything is read there.
    ///
    /// # Errors
    /// `Locked`, `Full` and `Io`.
    pub fn claim(settings: &Settings) -> Result<Claim, EventLogError> {
        Ok(Claim(match &settings.engine {
            EngineKind::Sled { dir, ballast_bytes, min_free, .. } => {
                Some(Journal::claim(dir, *ballast_bytes, *min_free)?)
            }
            EngineKind::Memory => None,
        }))
    }

    /// As [`open`](Self::open), in the folder that `claim` was made for with the same settings.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open_claimed(
        claim: Claim,
        settings: &Settings,
        metrics: &Metrics,
        sinks: Vec<Arc<dyn CommitSink>>,
    ) -> Result<Self, EventLogError> {
        let engine: Arc<dyn Engine> = match (&settings.engine, claim.0) {
            (EngineKind::Sled { dir, cache_bytes, ballast_bytes, min_free }, Some(claim)) => {
                Arc::new(Journal::open_claimed(claim, dir, *cache_bytes, *ballast_bytes, *min_free)?)
            }
            (EngineKind::Memory, _) => Arc::new(Memory::default()),
            (EngineKind::Sled { dir, .. }, None) => return Err(EventLogError::Locked { dir: dir.clone() }),
        };
        let metrics = Arc::new(LogMetrics::register(metrics));
        Self::start(engine, settings, metrics, sinks, Arc::new(Timestamp::now)).map_err(|error| {
            match (&settings.engine, error) {
                // Who starts a gateway has to know which folder it is, and what to do.
                (EngineKind::Sled { dir, .. }, EventLogError::Corrupt { key, detail })
                    if !detail.contains(REPAIR_HINT) =>
                {
                    let detail = format!("record `{key}`: {detail}\n{REPAIR_HINT}");
                    EventLogError::Corrupt { key: dir.display().to_string(), detail }
                }
                (_, error) => error,
            }
        })
    }

    fn start(
        engine: Arc<dyn Engine>,
        settings: &Settings,
        metrics: Arc<LogMetrics>,
        sinks: Vec<Arc<dyn CommitSink>>,
        clock: Clock,
    ) -> Result<Self, EventLogError> {
        let store = Store::new(Arc::clone(&engine));
        let limits = WriterLimits::new(settings);
        let retention = Arc::new(ArcSwap::from_pointee(settings.retention));
        let holds = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let builder = limits.load(&store, &metrics).inspect_err(|_| engine.close())?;
        let publisher = Arc::new(Publisher::new(builder.snapshot(WriterState::Serving)));
        let queue = Arc::new(Queue::new(settings.queue, settings.queue_bytes));
        let recent = Arc::new(Recent::default());
        let writer = Writer {
            engine,
            store: store.clone(),
            builder,
            queue: Arc::clone(&queue),
            publisher: Arc::clone(&publisher),
            recent: Arc::clone(&recent),
            sinks,
            metrics: Arc::clone(&metrics),
            limits,
            retention: Arc::clone(&retention),
            holds: Arc::clone(&holds),
            clock,
            in_doubt: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("eventlog".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| EventLogError::Io(format!("cannot start a thread: {error}")))?;
        Ok(Self(Arc::new(Log {
            queue,
            reader: Arc::new(Reader { store, publisher: Arc::clone(&publisher) }),
            publisher,
            recent,
            claims: watch::Sender::new(Claims::EVERYTHING),
            metrics,
            queue_bytes: settings.queue_bytes,
            retention,
            holds,
            writer: Mutex::new(Some(thread)),
        })))
    }

    /// Replaces the retention limits. What is due by them is removed bit by bit, within a second and later.
    pub fn set_retention(&self, limits: RetentionLimits) {
        self.0.retention.store(Arc::new(limits));
    }

    /// Replaces what readers hold. A log that is opened knows none: whoever has some opens it without
    /// retention, and sets them before the limits.
    pub fn set_holds(&self, holds: Vec<Hold>) {
        if **self.0.holds.load() != holds {
            self.0.holds.store(Arc::new(holds));
        }
    }

    /// Makes a batch durable, as a whole and together with those of others, and returns what became of it.
    ///
    /// Cancel safe: the batch is stored as a whole or not at all, also when the caller stops waiting.
    ///
    /// # Errors
    /// * `Overloaded` at once when too much waits; `Full`, `Poisoned` and `Closed` when the log accepts no such batch.
    /// * `NotFound` for an attempt or a redelivery of what is not there, `Conflict` when something is not as the batch
    ///   expects, `Superseded` for an attempt under an old claim, `TooLarge` for what can never be stored.
    /// * After `Full` and `Poisoned` it is unknown whether the batch is stored: identities and expected values show it
    ///   when it is sent again. After all others it is not.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, EventLogError> {
        for event in batch.added() {
            fits("the event without its data", event.header_bytes(), layout::block::MAX_HEADER)?;
        }
        for change in &batch.values {
            fits("the key of a value", change.key.len(), ValueChange::MAX_KEY)?;
            fits("the value", change.value.as_ref().map_or(0, Bytes::len), ValueChange::MAX_VALUE)?;
        }
        let bytes = batch.bytes();
        fits("the batch", bytes, self.0.queue_bytes)?;
        if batch.is_empty() {
            return Ok(Committed::default());
        }
        let intake = batch.added().next().is_some();
        self.0.publisher.read(|snapshot| {
            if intake { snapshot.writer.accepts_intake() } else { snapshot.writer.accepts_upkeep() }
        })?;
        let weight = Weight { intake, changes: batch.changes(), bytes };
        let (reply, answer) = oneshot::channel();
        self.0.metrics.queue.inc();
        if let Err(error) = self.0.queue.push(Request { batch, weight, reply }, weight) {
            self.0.metrics.queue.dec();
            return Err(error);
        }
        answer.await.unwrap_or(Err(EventLogError::Closed))
    }

    /// The event of a position or an id, with its payload and its deliveries. Waits for the disk, as all reads do.
    ///
    /// # Errors
    /// `Corrupt` and `Io`, as for every read.
    pub fn event(&self, key: impl Into<EventKey>) -> Result<Option<Stored>, EventLogError> {
        self.0.reader.event(key.into())
    }

    /// What `query` finds within `range`, as much as `limits` allow.
    ///
    /// A scan of open deliveries begins at the position below which all are settled, however low `range` begins.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn scan(&self, query: &Query, range: Range, limits: ScanLimits) -> Result<Page, EventLogError> {
        self.0.reader.scan(query, range, limits)
    }

    /// The value of `key` in `space`.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn value(&self, space: &Space, key: &str) -> Result<Option<Bytes>, EventLogError> {
        self.0.reader.value(space, key)
    }

    /// What became of the event at `seq` if it was in quarantine and is not any more.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn release(&self, seq: Seq) -> Result<Option<Released>, EventLogError> {
        let value = self.value(&quarantine::RELEASES, &Released::key(seq))?;
        value.map(|value| Released::read(seq, &value)).transpose()
    }

    /// What a processor has noted about the event at `seq`.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn note(&self, seq: Seq) -> Result<Option<Note>, EventLogError> {
        let value = self.value(&note::NOTES, &Note::key(seq))?;
        value.map(|value| Note::read(seq, &value)).transpose()
    }

    /// The values of `space` whose keys start with `prefix`, by key.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn values(&self, space: &Space, prefix: &str) -> Result<Vec<(String, Bytes)>, EventLogError> {
        self.0.reader.values(space, prefix, usize::MAX)
    }

    /// The log as of the last commit. Cheap.
    pub fn snapshot(&self) -> Snapshot {
        self.0.publisher.snapshot()
    }

    /// The position of the last event; 0 before the first. Cheaper than a snapshot.
    pub fn head(&self) -> Seq {
        self.0.publisher.read(|snapshot| snapshot.head)
    }

    /// The snapshots as they come. Whoever is slow misses some and sees the latest.
    pub fn watch(&self) -> watch::Receiver<Snapshot> {
        self.0.publisher.watch()
    }

    /// Every event after the one at `after`, in order, and those to come.
    pub fn tail(&self, after: Seq) -> Tail {
        Tail::new(Arc::clone(&self.0.reader), Arc::clone(&self.0.recent), self.watch(), after)
    }

    /// What this process may deliver, as it changes.
    pub fn claims(&self) -> watch::Receiver<Claims> {
        self.0.claims.subscribe()
    }

    /// Whether events are accepted, and why not. Cheap.
    ///
    /// # Errors
    /// `Full`, `Poisoned`, `Closed`, or `Io` while a commit hangs.
    pub fn health(&self) -> Result<(), EventLogError> {
        self.0.publisher.health()
    }

    /// Whether a receipt would be accepted right now, so that no work is done for one that would not. Cheap.
    ///
    /// # Errors
    /// Those of [`EventLog::health`], or `Overloaded` while the queue is full.
    pub fn admits(&self) -> Result<(), EventLogError> {
        self.health()?;
        if self.0.queue.is_full() { Err(EventLogError::Overloaded) } else { Ok(()) }
    }

    /// Waits until the log has failed in a way that only a new process can recover from.
    pub async fn failed(&self) -> EventLogError {
        let mut snapshots = self.watch();
        let failed = |snapshot: &Snapshot| matches!(snapshot.writer, WriterState::Failed(_));
        match snapshots.wait_for(failed).await.as_deref() {
            Ok(Snapshot { writer: WriterState::Failed(error), .. }) => error.clone(),
            Ok(_) | Err(_) => std::future::pending().await,
        }
    }

    /// Commits what waits, refuses what comes later, and returns when files and locks are released.
    pub async fn close(self) {
        let mut snapshots = self.watch();
        self.0.queue.close();
        let ended = |snapshot: &Snapshot| matches!(snapshot.writer, WriterState::Closed | WriterState::Failed(_));
        // An error means that the writer is gone, and with it everything it held.
        drop(snapshots.wait_for(ended).await);
    }
}

fn fits(what: &'static str, bytes: usize, limit: usize) -> Result<(), EventLogError> {
    if bytes > limit { Err(EventLogError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}
