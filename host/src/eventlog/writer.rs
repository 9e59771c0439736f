//! The one thread that writes: it owns order, deduplication and commits.

pub(crate) mod commit;
pub(crate) mod queue;
mod replays;
mod retention;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use self::commit::{Commit, CommitBuilder, News};
use self::queue::{Gather, Queue, Taken, Weight};
use self::retention::Reason;
use super::engine::{Engine, EngineError, Purpose};
use super::layout::reader::{EventCursor, Store};
use super::metrics::LogMetrics;
use super::replay::{Replay, ReplayChange};
use super::settings::RetentionLimits;
use super::snapshot::{Publisher, WriterState};
use super::{Appended, CommitSink, EventLogError, NewEvent, NewState};
use crate::event::{Attempt, DeliveryId, EventId, Recipient, Seq, Timestamp};
use crate::metrics::{ByAgent, ByReason};

/// A write that waits, with the way to answer it.
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) weight: Weight,
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, EventLogError>>;

pub(crate) enum Work {
    Append { events: Vec<NewEvent>, state: Option<NewState>, reply: Reply<Vec<Appended>> },
    State { state: NewState, reply: Reply<()> },
    Replay { id: EventId, recipients: Vec<Recipient>, by: String, reply: Reply<Vec<DeliveryId>> },
    Renew { id: DeliveryId, by: String, reply: Reply<Vec<DeliveryId>> },
    Replays { change: ReplayChange, reply: Reply<Replay> },
    Record { id: DeliveryId, attempt: Attempt, next_attempt_at: Option<Timestamp>, reply: Reply<()> },
    Checkpoint { consumer: String, seq: Seq, reply: Reply<()> },
}

/// What a request is told once its commit is durable.
enum Answer {
    Append(Reply<Vec<Appended>>, Vec<Appended>),
    Replay(Reply<Vec<DeliveryId>>, Vec<DeliveryId>),
    Replays(Reply<Replay>, Replay),
    Done(Reply<()>),
}

// A caller that went away is not told; what it asked for is done all the same.
impl Answer {
    fn send(self) {
        match self {
            Self::Append(reply, appended) => drop(reply.send(Ok(appended))),
            Self::Replay(reply, ids) => drop(reply.send(Ok(ids))),
            Self::Replays(reply, replay) => drop(reply.send(Ok(replay))),
            Self::Done(reply) => drop(reply.send(Ok(()))),
        }
    }

    fn refuse(self, error: EventLogError) {
        match self {
            Self::Append(reply, _) => drop(reply.send(Err(error))),
            Self::Replay(reply, _) => drop(reply.send(Err(error))),
            Self::Replays(reply, _) => drop(reply.send(Err(error))),
            Self::Done(reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Work {
    fn refuse(self, error: EventLogError) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(error))),
            Self::Replay { reply, .. } | Self::Renew { reply, .. } => drop(reply.send(Err(error))),
            Self::Replays { reply, .. } => drop(reply.send(Err(error))),
            Self::Record { reply, .. } | Self::Checkpoint { reply, .. } | Self::State { reply, .. } => {
                drop(reply.send(Err(error)));
            }
        }
    }
}

/// How much one commit holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) batch_events: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) dedup_window: Duration,
    pub(crate) dedup_max: usize,
    pub(crate) retention: RetentionLimits,
}

/// The one thread that writes: owns order, deduplication and commits.
pub(crate) struct Writer {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) store: Store,
    pub(crate) builder: CommitBuilder,
    pub(crate) queue: Arc<Queue<Request>>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) sink: Arc<dyn CommitSink>,
    pub(crate) metrics: Arc<LogMetrics>,
    pub(crate) limits: Limits,
    /// What the sink may have to be told of a commit that ended in doubt.
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
    /// How often events are removed while nothing else is written.
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
            let Limits { batch_events, batch_bytes, .. } = self.limits;
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
            if self.patience().is_some_and(|patience| last_check.elapsed() >= patience) {
                self.recover();
                self.collect();
                last_check = Instant::now();
            }
        }
        self.engine.close();
        self.publisher.condition.send_if_modified(|condition| {
            let failed = matches!(condition, WriterState::Failed(_));
            if !failed {
                *condition = WriterState::Closed;
            }
            !failed
        });
    }

    fn patience(&self) -> Option<Duration> {
        match *self.publisher.condition.borrow() {
            WriterState::Low(_) => Some(Self::CHECK_ROOM),
            WriterState::Down(_) => Some(Self::REOPEN),
            WriterState::Serving if self.builder.collection_goes_on() => Some(Self::COLLECT_ON),
            WriterState::Serving if self.limits.retention.any() => Some(Self::COLLECT),
            WriterState::Serving | WriterState::Failed(_) | WriterState::Closed => None,
        }
    }

    fn serve(&mut self, requests: Vec<Request>) {
        self.publisher.commit_begins();
        let started = Instant::now();
        let now = Timestamp::now();
        let (intake, upkeep) = self.admission(&requests);
        let mut answers = Vec::with_capacity(requests.len());
        for Request { work, weight } in requests {
            match if weight.intake { &intake } else { &upkeep } {
                Ok(()) => answers.extend(self.add(work, now)),
                Err(error) => work.refuse(error.clone()),
            }
        }
        if !answers.is_empty() {
            let commit = self.builder.finish(now);
            self.commit(commit, answers, started);
        }
        self.publisher.commit_ends();
    }

    /// Whether new events and other changes are taken now.
    fn admission(&self, requests: &[Request]) -> (Result<(), EventLogError>, Result<(), EventLogError>) {
        let condition = self.publisher.condition.borrow().clone();
        let bytes = |intake: bool| {
            let weights = requests.iter().map(|request| request.weight);
            weights.filter(|weight| weight.intake == intake).map(|weight| weight.bytes).sum::<usize>()
        };
        let upkeep = condition
            .takes_upkeep()
            .and_then(|()| self.engine.room(bytes(false), Purpose::Upkeep).map_err(EventLogError::from));
        let intake = condition.takes_intake().and_then(|()| {
            self.engine.room(bytes(true), Purpose::Intake).map_err(|error| {
                warn!(%error, "Little room is left, no new events are taken");
                self.set(WriterState::Low(error.to_string()));
                EventLogError::from(error)
            })
        });
        (intake, upkeep)
    }

    /// Adds one request to the commit; one that cannot be done is answered here.
    fn add(&mut self, work: Work, now: Timestamp) -> Option<Answer> {
        match work {
            Work::Append { events, state, reply } => match self.builder.append(events, now) {
                Ok(appended) => {
                    state.into_iter().for_each(|state| self.builder.keep(state));
                    Some(Answer::Append(reply, appended))
                }
                Err(error) => refused(reply, error),
            },
            Work::State { state, reply } => {
                self.builder.keep(state);
                Some(Answer::Done(reply))
            }
            Work::Replay { id, recipients, by, reply } => match self.builder.replay(id, recipients, &by, now) {
                Ok(ids) => Some(Answer::Replay(reply, ids)),
                Err(error) => refused(reply, error),
            },
            Work::Renew { id, by, reply } => match self.builder.renew(id, &by, now) {
                Ok(ids) => Some(Answer::Replay(reply, ids)),
                Err(error) => refused(reply, error),
            },
            Work::Replays { change, reply } => match self.builder.change_replay(change, now) {
                Ok(replay) => Some(Answer::Replays(reply, replay)),
                Err(error) => refused(reply, error),
            },
            Work::Record { id, attempt, next_attempt_at, reply } => {
                match self.builder.record(id, attempt, next_attempt_at) {
                    Ok(()) => Some(Answer::Done(reply)),
                    Err(error) => refused(reply, error),
                }
            }
            Work::Checkpoint { consumer, seq, reply } => {
                self.builder.checkpoint(&consumer, seq);
                Some(Answer::Done(reply))
            }
        }
    }

    /// Writes the commit, tells the sink, then the callers.
    fn commit(&mut self, commit: Commit, answers: Vec<Answer>, started: Instant) {
        let Commit { ops, news, events, removed } = commit;
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
        self.publisher.show(&mut self.builder);
        for News { event, deliveries } in &news {
            for new in deliveries.iter().filter(|new| new.replay) {
                self.metrics.replayed.get_or_create(&ByAgent::new(&new.agent)).inc();
            }
            self.sink.committed(event, deliveries);
        }
        answers.into_iter().for_each(Answer::send);
    }

    /// Removes events whose time is over, when the commits of others do not.
    fn collect(&mut self) {
        let takes = self.publisher.condition.borrow().takes_upkeep().is_ok();
        if !takes || !self.limits.retention.any() || self.engine.room(Self::COLLECT_BYTES, Purpose::Removal).is_err() {
            return;
        }
        self.publisher.commit_begins();
        let started = Instant::now();
        let commit = self.builder.finish(Timestamp::now());
        self.commit(commit, Vec::new(), started);
        self.publisher.commit_ends();
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
        // The store asserts much of itself; nothing that it panics about may take the process with it.
        let head = self.builder.state().head;
        catch_unwind(AssertUnwindSafe(|| self.engine.write(ops, head)))
            .unwrap_or_else(|panic| Err(EngineError::Failed(super::panic_message(&*panic))))
    }

    fn stop(&mut self, failure: &EngineError) {
        match failure {
            EngineError::Full(detail) => {
                warn!(error = %failure, "Event log is full, no writes are taken");
                self.set(WriterState::Down(detail.clone()));
                self.recover();
            }
            other => self.fail(EventLogError::Poisoned(other.to_string())),
        }
    }

    fn fail(&self, failure: EventLogError) {
        error!(error = %failure, "Event log failed, the process has to stop");
        self.set(WriterState::Failed(failure));
    }

    fn set(&self, condition: WriterState) {
        self.publisher.condition.send_replace(condition);
    }

    /// Brings a full store back when there is room.
    fn recover(&mut self) {
        if let WriterState::Down(_) = *self.publisher.condition.borrow() {
        } else {
            return self.refill();
        }
        let reopened = catch_unwind(AssertUnwindSafe(|| self.engine.reopen()))
            .unwrap_or_else(|panic| Err(EngineError::Failed(super::panic_message(&*panic))));
        let loaded = reopened.map_err(EventLogError::from).and_then(|()| self.load());
        match loaded {
            Ok(builder) => {
                self.builder = builder;
                self.publisher.show_all(&self.builder);
                self.set(WriterState::Low("the store ran full and was opened again".to_owned()));
                info!("Event log was opened again");
                self.settle_doubt();
                self.refill();
            }
            Err(error) if error.is_transient() => warn!(%error, "Event log is still full"),
            Err(error) => self.fail(error),
        }
    }

    fn load(&self) -> Result<CommitBuilder, EventLogError> {
        let Limits { dedup_window, dedup_max, retention, .. } = self.limits;
        CommitBuilder::load(self.store.clone(), dedup_window, dedup_max, retention, Arc::clone(&self.metrics))
    }

    fn refill(&self) {
        if matches!(*self.publisher.condition.borrow(), WriterState::Low(_)) && self.engine.refill().is_ok() {
            info!("There is room again, new events are taken");
            self.set(WriterState::Serving);
        }
    }

    /// Tells the sink of what turned out to be stored although its callers were told that it failed.
    fn settle_doubt(&mut self) {
        let mut cursor = EventCursor::new(&self.store);
        for News { event, deliveries } in std::mem::take(&mut self.in_doubt) {
            let stored = cursor.header(event.seq).and_then(|header| match header {
                Some(header) if header.event.id == event.id => {
                    Ok(cursor.deliveries(&header)?.map_or(0, |all| all.len()))
                }
                _ => Ok(0),
            });
            let stored = stored.unwrap_or(0);
            if deliveries.iter().all(|new| (new.id.index as usize) < stored) && stored > 0 {
                self.sink.committed(&event, &deliveries);
            }
        }
    }
}

fn refused<T>(reply: Reply<T>, error: EventLogError) -> Option<Answer> {
    drop(reply.send(Err(error)));
    None
}
