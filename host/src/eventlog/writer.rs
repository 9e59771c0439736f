//! The one thread that writes: it owns order, deduplication and commits.

mod collect;
pub(crate) mod commit;
mod fate;
mod notes;
mod open_redeliveries;
pub(crate) mod queue;
mod redelivery;
mod releases;
mod retention;
mod statements;
mod status_counts;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use self::commit::{Commit, CommitBuilder, News};
use self::queue::{Gather, Queue, Taken, Weight};
use self::retention::Reason;
use super::EventLogError;
use super::batch::{Batch, Committed};
use super::engine::{Engine, EngineError, Purpose, panic_message};
use super::layout::reader::{EventCursor, Store};
use super::metrics::{ByFate, LogMetrics};
use super::settings::{DedupLimits, Hold, RetentionLimits, Settings};
use super::sink::CommitSink;
use super::snapshot::{Publisher, WriterState};
use super::tail::Recent;
use crate::event::Timestamp;
use crate::metrics::{ByAgent, ByReason};

/// A batch that waits, with the way to answer its caller.
pub(crate) struct Request {
    pub(crate) batch: Batch,
    pub(crate) weight: Weight,
    pub(crate) reply: Reply,
}

pub(crate) type Reply = oneshot::Sender<Result<Committed, EventLogError>>;

/// The time as the writer has it.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a caller is answered once the commit is durable. A caller that went away is not answered; its batch stays.
struct Answer {
    reply: Reply,
    committed: Committed,
}

impl Answer {
    fn send(self) {
        drop(self.reply.send(Ok(self.committed)));
    }

    fn refuse(self, error: EventLogError) {
        drop(self.reply.send(Err(error)));
    }
}

/// How much one commit holds at most, and how long the log keeps what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterLimits {
    batch_events: usize,
    batch_bytes: usize,
    dedup: DedupLimits,
    retention: RetentionLimits,
}

impl WriterLimits {
    pub(crate) const fn new(settings: &Settings) -> Self {
        let Settings { batch_events, batch_bytes, retention, .. } = *settings;
        Self { batch_events, batch_bytes, dedup: settings.dedup(), retention }
    }

    /// Reads what is needed to go on after the last commit.
    pub(crate) fn load(self, store: &Store, metrics: &Arc<LogMetrics>) -> Result<CommitBuilder, EventLogError> {
        let Self { dedup, retention, .. } = self;
        let mut builder = CommitBuilder::load(store.clone(), dedup, retention, Arc::clone(metrics))?;
        builder.advance_floor()?;
        Ok(builder)
    }
}

/// The one thread that writes: owns order, deduplication and commits.
pub(crate) struct Writer {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) store: Store,
    pub(crate) builder: CommitBuilder,
    pub(crate) queue: Arc<Queue<Request>>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) recent: Arc<Recent>,
    pub(crate) sinks: Vec<Arc<dyn CommitSink>>,
    pub(crate) metrics: Arc<LogMetrics>,
    pub(crate) limits: WriterLimits,
    /// The retention limits that are asked for.
    pub(crate) retention: Arc<ArcSwap<RetentionLimits>>,
    /// What readers hold.
    pub(crate) holds: Arc<ArcSwap<Vec<Hold>>>,
    pub(crate) clock: Clock,
    /// What the sinks have not heard of a commit whose outcome is unknown.
    pub(crate) in_doubt: Vec<News>,
}

impl Writer {
    /// The longest that a receipt waits for others; never longer than the commit before took.
    const LINGER: Duration = Duration::from_millis(2);
    /// Fewer callers than this are not worth waiting for.
    const MANY_CALLERS: usize = 8;
    /// How long other writes wait for a receipt.
    const UPKEEP_LINGER: Duration = Duration::from_millis(2);
    const CHECK_ROOM: Duration = Duration::from_millis(250);
    const REOPEN: Duration = Duration::from_secs(2);
    /// How often events are removed while nothing else is written, and the engine is asked how it is.
    const COLLECT: Duration = Duration::from_secs(1);
    /// The same while there is more to remove: the disk gets a rest between two commits.
    const COLLECT_ON: Duration = Duration::from_millis(10);
    /// What the removal of events writes in one commit, about.
    const COLLECT_BYTES: usize = 256 * 1024;

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut last_check = Instant::now();
        let mut gather = Gather { upkeep: Self::UPKEEP_LINGER, ..Gather::default() };
        loop {
            let patience = self.patience();
            let WriterLimits { batch_events, batch_bytes, .. } = self.limits;
            match self.queue.take(batch_events, batch_bytes, gather, patience) {
                Taken::Batch(requests) => {
                    self.metrics.queue.dec_by(i64::try_from(requests.len()).unwrap_or(i64::MAX));
                    let started = Instant::now();
                    let receipts = requests.iter().filter(|request| request.weight.intake).count();
                    self.serve(requests);
                    // Those who are answered now and those who came meanwhile are everybody who sends at the moment.
                    let callers = receipts + self.queue.receipts();
                    gather.receipts = if callers < Self::MANY_CALLERS { 0 } else { callers.min(batch_events) };
                    gather.linger = started.elapsed().min(Self::LINGER);
                }
                Taken::TimedOut => {}
                Taken::Closed => break,
            }
            if self.builder.next_due().is_some_and(|due| due < (self.clock)()) {
                self.tell_due();
            }
            if self.upkeep_patience().is_some_and(|patience| last_check.elapsed() >= patience) {
                self.look_behind();
                self.recover();
                self.collect();
                last_check = Instant::now();
            }
        }
        self.engine.close();
        // The sinks first: whoever waits for the end finds that they know of it.
        self.end(&EventLogError::Closed);
        self.publisher.publish(|snapshot| {
            if !matches!(snapshot.writer, WriterState::Failed(_)) {
                snapshot.writer = WriterState::Closed;
            }
        });
    }

    /// How long to wait for requests: until there is upkeep, or something held is due.
    fn patience(&self) -> Option<Duration> {
        let serves = self.publisher.read(|snapshot| snapshot.writer == WriterState::Serving);
        let due = self.builder.next_due().filter(|_| serves);
        let moment = Duration::from_millis(1);
        let due = due.map(|due| (due.since((self.clock)()) + moment).max(Self::COLLECT_ON));
        self.upkeep_patience().into_iter().chain(due).min()
    }

    fn upkeep_patience(&self) -> Option<Duration> {
        self.publisher.read(|snapshot| match snapshot.writer {
            WriterState::Low(_) => Some(Self::CHECK_ROOM),
            WriterState::Down(_) => Some(Self::REOPEN),
            WriterState::Serving if self.builder.collection_goes_on() => Some(Self::COLLECT_ON),
            WriterState::Serving => Some(Self::COLLECT),
            WriterState::Failed(_) | WriterState::Closed => None,
        })
    }

    fn serve(&mut self, requests: Vec<Request>) {
        self.publisher.commit_begins();
        let started = Instant::now();
        let now = (self.clock)();
        let (intake, upkeep) = self.admission(&requests);
        let mut answers = Vec::with_capacity(requests.len());
        for Request { batch, weight, reply } in requests {
            let accepted = if weight.intake { &intake } else { &upkeep };
            match accepted.clone().and_then(|()| self.builder.add(batch, now)) {
                Ok(committed) => answers.push(Answer { reply, committed }),
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        if !answers.is_empty() {
            self.limit();
            self.builder.collect(now);
            let commit = self.builder.finish(now);
            self.commit(commit, answers, started);
        }
        self.publisher.commit_ends();
    }

    /// Tells what is held and due, when the commits of others do not.
    fn tell_due(&mut self) {
        let accepts = self.publisher.read(|snapshot| snapshot.writer.accepts_upkeep().is_ok());
        if !accepts || self.engine.room(Self::COLLECT_BYTES, Purpose::Upkeep).is_err() {
            return;
        }
        self.publisher.commit_begins();
        let started = Instant::now();
        let commit = self.builder.finish((self.clock)());
        self.commit(commit, Vec::new(), started);
        self.publisher.commit_ends();
    }

    /// Whether new events and other changes are accepted now.
    fn admission(&self, requests: &[Request]) -> (Result<(), EventLogError>, Result<(), EventLogError>) {
        let state = self.publisher.read(|snapshot| snapshot.writer.clone());
        let bytes = |intake: bool| {
            let weights = requests.iter().map(|request| request.weight);
            weights.filter(|weight| weight.intake == intake).map(|weight| weight.bytes).sum::<usize>()
        };
        let upkeep = state
            .accepts_upkeep()
            .and_then(|()| self.engine.room(bytes(false), Purpose::Upkeep).map_err(EventLogError::from));
        let intake = state.accepts_intake().and_then(|()| {
            self.engine.room(bytes(true), Purpose::Intake).map_err(|error| {
                warn!(%error, "Little space is left, new events are refused");
                self.set(WriterState::Low(error.to_string()));
                EventLogError::from(error)
            })
        });
        (intake, upkeep)
    }

    /// Writes the commit, reports it to the sinks, then answers the callers.
    fn commit(&mut self, commit: Commit, answers: Vec<Answer>, started: Instant) {
        let Commit { ops, news, attempts, events, removed, fates } = commit;
        let bytes: usize = ops.iter().map(super::engine::Op::size).sum();
        let writes = !ops.is_empty();
        let removes = removed != [0; Reason::ALL.len()];
        match self.write_removing(ops, removes) {
            Ok(()) => {}
            Err(error) => {
                self.in_doubt.extend(news);
                self.stop(&error);
                let error = EventLogError::from(error);
                answers.into_iter().for_each(|answer| answer.refuse(error.clone()));
                return;
            }
        }
        if writes {
            self.metrics.commits.inc();
            self.metrics.commit_events.observe(events as f64);
            self.metrics.commit_bytes.observe(bytes as f64);
            self.metrics.commit_duration.observe(started.elapsed().as_secs_f64());
        }
        for reason in Reason::ALL.into_iter().filter(|reason| removed[*reason as usize] > 0) {
            let counter = self.metrics.removed.get_or_create(&ByReason::new(reason.as_str())).clone();
            counter.inc_by(removed[reason as usize]);
        }
        for (channel, fate) in fates {
            self.metrics.late.get_or_create(&ByFate::new(&channel, fate.as_str())).inc();
        }
        self.recent.add(news.iter().filter(|news| news.is_appended).map(|news| &news.event));
        self.publisher.publish(|snapshot| self.builder.show(snapshot));
        self.builder.committed();
        for news in &news {
            for new in news.deliveries.iter().filter(|new| new.replay) {
                self.metrics.replayed.get_or_create(&ByAgent::new(&new.agent)).inc();
            }
            self.report(news);
        }
        for (delivery, outcome) in attempts {
            self.sinks.iter().for_each(|sink| sink.attempted(delivery, outcome));
        }
        answers.into_iter().for_each(Answer::send);
    }

    /// Shows what the engine does behind the writes, and stops when it has failed at that: nobody may write for a long time.
    fn look_behind(&mut self) {
        if let Some(stats) = self.engine.journal() {
            self.metrics.journal.show(stats);
        }
        let accepts = self.publisher.read(|snapshot| snapshot.writer.accepts_upkeep().is_ok());
        if accepts && let Some(failure) = self.engine.failure() {
            self.stop(&failure);
        }
    }

    /// Removes events whose time is over, when the commits of others do not.
    fn collect(&mut self) {
        self.limit();
        let accepts = self.publisher.read(|snapshot| snapshot.writer.accepts_upkeep().is_ok());
        if !accepts || !self.limits.retention.any() || self.engine.room(Self::COLLECT_BYTES, Purpose::Removal).is_err()
        {
            return;
        }
        self.publisher.commit_begins();
        let started = Instant::now();
        let now = (self.clock)();
        self.builder.collect(now);
        let commit = self.builder.finish(now);
        self.commit(commit, Vec::new(), started);
        self.publisher.commit_ends();
    }

    /// Takes over the retention limits and the holds that are asked for.
    fn limit(&mut self) {
        self.limits.retention = **self.retention.load();
        self.builder.limit(self.limits.retention, &self.holds.load());
    }

    fn report(&self, news: &News) {
        self.sinks.iter().for_each(|sink| sink.committed(&news.event, &news.deliveries));
    }

    /// Writes, and lets readers know when events go with it.
    fn write_removing(&self, ops: Vec<super::engine::Op>, removes: bool) -> Result<(), EngineError> {
        if !removes {
            return self.write(ops);
        }
        self.store.removal();
        self.write(ops)?;
        self.store.removal();
        Ok(())
    }

    fn write(&self, ops: Vec<super::engine::Op>) -> Result<(), EngineError> {
        if ops.is_empty() {
            return Ok(());
        }
        // The store asserts much of itself, and none of its panics may end the process.
        let head = self.builder.state().head;
        catch_unwind(AssertUnwindSafe(|| self.engine.write(ops, head)))
            .unwrap_or_else(|panic| Err(EngineError::Failed(panic_message(&*panic))))
    }

    fn stop(&mut self, failure: &EngineError) {
        match failure {
            EngineError::Full(detail) => {
                warn!(error = %failure, "Event log is full, writes are refused");
                self.set(WriterState::Down(detail.clone()));
                self.recover();
            }
            other => self.fail(EventLogError::Poisoned(other.to_string())),
        }
    }

    fn fail(&self, failure: EventLogError) {
        error!(error = %failure, "Event log failed, the process has to stop");
        self.set(WriterState::Failed(failure.clone()));
        self.end(&failure);
    }

    fn end(&self, why: &EventLogError) {
        self.sinks.iter().for_each(|sink| sink.ended(why));
    }

    fn set(&self, state: WriterState) {
        self.publisher.publish(|snapshot| snapshot.writer = state);
    }

    /// Brings a full store back when there is room.
    fn recover(&mut self) {
        if !self.publisher.read(|snapshot| matches!(snapshot.writer, WriterState::Down(_))) {
            return self.refill();
        }
        let reopened = catch_unwind(AssertUnwindSafe(|| self.engine.reopen()))
            .unwrap_or_else(|panic| Err(EngineError::Failed(panic_message(&*panic))));
        let loaded = reopened.map_err(EventLogError::from).and_then(|()| self.limits.load(&self.store, &self.metrics));
        match loaded {
            Ok(builder) => {
                self.builder = builder;
                let state = WriterState::Low("the store ran full and was opened again".to_owned());
                self.publisher.publish(|snapshot| *snapshot = self.builder.snapshot(state));
                info!("Event log was opened again");
                self.settle_doubt();
                self.refill();
            }
            Err(error) if error.is_transient() => warn!(%error, "Event log is still full"),
            Err(error) => self.fail(error),
        }
    }

    fn refill(&self) {
        if self.publisher.read(|snapshot| matches!(snapshot.writer, WriterState::Low(_)))
            && self.engine.refill().is_ok()
        {
            info!("There is space again, new events are accepted");
            self.set(WriterState::Serving);
        }
    }

    /// Reports to the sinks what turned out to be stored although its callers were answered that it failed.
    fn settle_doubt(&mut self) {
        let mut cursor = EventCursor::new(&self.store);
        for news in std::mem::take(&mut self.in_doubt) {
            let News { event, deliveries, .. } = &news;
            let stored = cursor.header(event.seq).and_then(|header| match header {
                Some(header) if header.event.id == event.id => {
                    Ok(Some(cursor.deliveries(&header)?.map_or(0, |all| all.len())))
                }
                _ => Ok(None),
            });
            let stored = stored.unwrap_or_default();
            if stored.is_some_and(|stored| deliveries.iter().all(|new| (new.id.index as usize) < stored)) {
                self.report(&news);
            }
        }
    }
}
