//! The task of one agent: reads open deliveries, starts attempts and handles their results.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::event::{DeliveryId, Level, Seq};
use crate::eventlog::{Claims, DeliverySelection, EventLog, EventLogError, Order, Page, Query, Range, ScanLimits};
use crate::metrics::ByAgent;
use crate::plugin::Generation;

use super::agent::{Agent, Setup};
use super::attempt::{AttemptRunner, Disposition, Finished};
use super::breaker::BreakerState;
use super::context::Context;
use super::endpoint::choose;
use super::job::Job;
use super::pace::Pace;
use super::permits::Permits;
use super::queues::{Offered, Queues};
use super::recovery::Recovery;

/// Attempts whose agent has answered but whose record is not durable yet. They hold no permit.
const MAX_SETTLING: usize = 1024;

/// The pause between refills, as a multiple of the time of a refill, which may scan much of the log for few deliveries.
const REFILL_PAUSE: u32 = 4;

/// How long to wait before the log is asked again for what is open.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The task of one agent.
pub(super) struct AgentTask {
    agent: Arc<Agent>,
    setup: Arc<Setup>,
    /// An agent of the same name that was retired before. Its attempts must have ended.
    predecessor: Option<Arc<Agent>>,
    dispatch: Arc<Context>,
    log: EventLog,
    recovery: Arc<Recovery>,
    claims: watch::Receiver<Claims>,
    inbox: mpsc::Receiver<Job>,
    plugins: watch::Receiver<()>,
    /// The generation for the next attempts, or what is missing.
    generation: Result<Arc<Generation>, String>,
    queues: Queues,
    permits: Permits,
    pace: Pace,
    running: JoinSet<Finished>,
    /// The page that is being read. There is at most one.
    reading: JoinSet<ReadPage>,
    /// Deliveries that were settled while a page was being read. The page may contain them as open.
    settled_meanwhile: HashSet<DeliveryId>,
    read_again: Option<Instant>,
    /// The time that the current refill has taken, and when the next one may start.
    refill_took: Duration,
    refill_from: Instant,
    /// Whether the log has ended. Further attempts could not be recorded.
    log_ended: bool,
    queue_length: Gauge,
}

/// A page of open deliveries, or the error.
struct ReadPage {
    reading: Reading,
    took: Duration,
    selection: DeliverySelection,
    /// The position after the requested range.
    until: Seq,
    page: Result<Page, EventLogError>,
}

/// The purpose of a page.
#[derive(Clone, Copy)]
enum Reading {
    /// Dry lanes.
    Refill,
    /// All deliveries of a level.
    Level(Level),
}

impl AgentTask {
    /// The task of `agent`. `None` if it exists already.
    pub(super) fn new(
        agent: &Arc<Agent>,
        dispatch: &Arc<Context>,
        log: &EventLog,
        recovery: &Arc<Recovery>,
        predecessor: Option<Arc<Agent>>,
    ) -> Option<Self> {
        let setup = agent.setup();
        let settings = &setup.settings;
        Some(Self {
            inbox: agent.inbox.receiver()?,
            plugins: dispatch.plugins.subscribe(),
            generation: Err(String::new()),
            queues: Queues::new(settings.on_failure, settings.queue),
            permits: Permits::new(settings.limits.concurrency),
            pace: Pace::default(),
            running: JoinSet::new(),
            reading: JoinSet::new(),
            settled_meanwhile: HashSet::new(),
            read_again: None,
            refill_took: Duration::ZERO,
            refill_from: Instant::now(),
            log_ended: false,
            queue_length: dispatch.metrics.tasks_in_queue.get_or_create_owned(&ByAgent::new(&agent.name)),
            setup,
            predecessor,
            agent: Arc::clone(agent),
            dispatch: Arc::clone(dispatch),
            log: log.clone(),
            claims: log.claims(),
            recovery: Arc::clone(recovery),
        })
    }

    /// Delivers until `stop`, the end of the log or of the agent, then waits for the attempts in flight.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        // However the task ends.
        let _ended = self.agent.ended.clone().drop_guard();
        if let Some(predecessor) = self.predecessor.take() {
            stop.run_until_cancelled(predecessor.ended.cancelled()).await;
        }
        let retired = self.agent.retired.clone();
        self.plugins.mark_changed();
        while !stop.is_cancelled() && !retired.is_cancelled() && !self.log_ended {
            self.queues.wake(Instant::now());
            if self.agent.hurries.swap(false, Ordering::AcqRel) {
                self.queues.hurry(Instant::now());
            }
            let breaker_wakes = self.start_attempts();
            self.start_reading();
            let wakes = [self.queues.next_wake(), breaker_wakes, self.read_again.or_else(|| self.refill_wakes())];
            let wake = wakes.into_iter().flatten().min();
            let permits = self.permits.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = retired.cancelled() => {}
                () = self.agent.changed.notified() => self.take_setup(),
                Ok(()) = self.plugins.changed() => self.look_up_plugin(),
                Some(ended) = self.running.join_next() => self.end(ended),
                Some(read) = self.reading.join_next() => self.take_page(read),
                () = permits.returned() => {}
                Some(job) = self.inbox.recv() => self.take(job),
                () = self.agent.inbox.lag.notified() => {}
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => {}
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    /// Goes on with the setup that the agent has now.
    fn take_setup(&mut self) {
        self.setup = self.agent.setup();
        let settings = &self.setup.settings;
        self.permits.resize(settings.limits.concurrency);
        self.queues.reconfigure(settings.on_failure, settings.queue);
        self.look_up_plugin();
    }

    /// Finds the generation for the next attempts, and logs when deliveries start or stop waiting for one.
    fn look_up_plugin(&mut self) {
        let found = self.setup.generation(&self.dispatch.plugins);
        let name = &self.agent.name;
        match (&self.generation, &found) {
            (Err(before), Err(reason)) if before == reason => {}
            (_, Err(reason)) => tracing::warn!(agent = %name, "Agent waits, its deliveries stay in the log: {reason}"),
            (Err(_), Ok(_)) => tracing::info!(agent = %name, "Agent serves"),
            (Ok(_), Ok(_)) => {}
        }
        self.generation = found;
    }

    /// Starts attempts. If the breaker or the rate prevents more, returns when it allows the next one.
    fn start_attempts(&mut self) -> Option<Instant> {
        let Ok(generation) = &self.generation else { return None };
        if self.dispatch.pauses.has(&self.agent.name) {
            return None;
        }
        while self.running.len() < self.setup.settings.limits.concurrency + MAX_SETTLING {
            let endpoint = match choose(&self.setup.endpoints, Instant::now()) {
                Ok(endpoint) => Arc::clone(endpoint),
                Err(at) => return at,
            };
            if endpoint.breaker().state() != BreakerState::Closed {
                self.agent.show_breaker(&self.dispatch.metrics);
            }
            if let Err(at) = self.pace.take(self.setup.settings.rate) {
                return Some(at);
            }
            let job = self.queues.next(|class| self.permits.is_free(class))?;
            self.pace.used();
            let (epoch, knocks) = {
                let mut breaker = endpoint.breaker();
                (breaker.started(), breaker.is_to_knock())
            };
            let load = Some(endpoint.enter());
            let attempt = AttemptRunner {
                agent: Arc::clone(&self.agent),
                setup: Arc::clone(&self.setup),
                dispatch: Arc::clone(&self.dispatch),
                log: self.log.clone(),
                generation: Arc::clone(generation),
                epoch,
                knocks,
                load,
                endpoint,
                term: self.claims.borrow().term(),
            };
            let permit = self.permits.take(job.class());
            self.running.spawn(attempt.run(job, permit));
        }
        None
    }

    /// Reads the next page of open deliveries that are not in memory, if there is room.
    fn start_reading(&mut self) {
        if !self.reading.is_empty() || self.read_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.read_again = None;
        self.settled_meanwhile.clear();
        let until = self.recovery.position();
        let now = Instant::now();
        if self.refill_from <= now
            && let Some(refill) = self.queues.start_refill()
        {
            let (from, subjects) = (refill.from, Arc::clone(&refill.subjects));
            let selection = DeliverySelection { subjects: Some(subjects), ..DeliverySelection::open() };
            return self.read(Reading::Refill, from, until, ScanLimits::PAGE, selection);
        }
        // In the order of the log while there is room: then no lane needs its own read.
        let behind = |level: Level| Some((self.agent.inbox.behind(level).filter(|from| *from < until)?, level));
        let next = Level::ALL.into_iter().filter(|level| self.queues.is_low(*level)).filter_map(behind).min();
        if let Some((_, level)) = next
            && let Some(from) = self.agent.inbox.begin_reading(level)
        {
            let limit = self.queues.room(level).min(ScanLimits::PAGE);
            let selection = DeliverySelection { level: Some(level), ..DeliverySelection::open() };
            self.read(Reading::Level(level), from, until, limit, selection);
        }
    }

    /// Reads open deliveries to this agent from `from` up to `until`, which is not included.
    fn read(&mut self, reading: Reading, from: Seq, until: Seq, limit: usize, selection: DeliverySelection) {
        let (log, agent) = (self.log.clone(), Some(self.agent.name.clone()));
        let query = Query { deliveries: Some(DeliverySelection { agent, ..selection }), ..Query::default() };
        let range = Range { first: from, last: Seq(until.0.saturating_sub(1)), order: Order::OldestFirst };
        self.reading.spawn_blocking(move || {
            let began = Instant::now();
            let page = log.scan(&query, range, ScanLimits::items(limit));
            ReadPage { reading, took: began.elapsed(), selection: query.deliveries.unwrap_or_default(), until, page }
        });
    }

    fn take_page(&mut self, read: Result<ReadPage, JoinError>) {
        let (reading, took, selection, until, page) = match read {
            Ok(ReadPage { page: Err(error), .. }) => return self.read_later(&error),
            Ok(ReadPage { page: Ok(page), reading, took, selection, until }) => (reading, took, selection, until, page),
            Err(error) => return self.read_later(&error),
        };
        let longest = self.setup.settings.retry.longest_wait();
        let meanwhile = std::mem::take(&mut self.settled_meanwhile);
        let open = page.deliveries(&selection).filter(|(id, ..)| !meanwhile.contains(id));
        let jobs: Vec<Job> = open
            .map(|(id, delivery, stored)| Job::stored(id, delivery, stored.event.subject.as_deref(), longest))
            .collect();
        match reading {
            Reading::Refill => {
                self.refill_took += took;
                self.queues.refilled(jobs, page.next, Instant::now());
                if !self.queues.is_refilling() {
                    self.refill_from = Instant::now() + self.refill_took.saturating_mul(REFILL_PAUSE);
                    self.refill_took = Duration::ZERO;
                }
            }
            Reading::Level(level) => {
                let mut next = page.next.unwrap_or(until.min(page.head.next()));
                for job in jobs {
                    let seq = job.id.seq;
                    if self.offer(job) == Offered::NoRoom {
                        next = next.min(seq);
                        break;
                    }
                }
                self.agent.inbox.advance(level, next);
            }
        }
        self.show_length();
    }

    /// When dry lanes may be refilled. `None` if there are none.
    fn refill_wakes(&self) -> Option<Instant> {
        (self.reading.is_empty() && self.queues.has_dry()).then_some(self.refill_from)
    }

    fn read_later(&mut self, error: &dyn std::fmt::Display) {
        tracing::warn!(agent = %self.agent.name, "Open deliveries cannot be read now: {error}");
        self.read_again = Some(Instant::now() + READ_AGAIN);
    }

    /// Queues jobs from the inbox, unless earlier ones will be read from the log: they must not overtake those.
    fn take(&mut self, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            let (level, seq) = (job.level, job.id.seq);
            if self.agent.inbox.will_read(level, seq) || self.offer(job) == Offered::NoRoom {
                self.agent.inbox.fall_behind(level, seq);
            }
            next = self.inbox.try_recv().ok();
        }
        self.show_length();
    }

    fn offer(&mut self, job: Job) -> Offered {
        let unread = self.agent.inbox.unread_before(job.level, job.id.seq);
        self.queues.offer(job, unread, Instant::now())
    }

    fn end(&mut self, ended: Result<Finished, JoinError>) {
        let now = Instant::now();
        match ended {
            Ok(Finished { job, disposition: Disposition::RetryAt(at) }) => self.queues.again(job, at, now),
            Ok(Finished { job, disposition: Disposition::Settled }) => {
                if !self.reading.is_empty() {
                    self.settled_meanwhile.insert(job.id);
                }
                self.queues.settled(&job, now);
                self.show_length();
            }
            Ok(Finished { disposition: Disposition::Unrecorded, .. }) => self.log_ended = true,
            // Only an aborted task: the attempt catches panics.
            Err(error) => tracing::error!(agent = %self.agent.name, "Attempt ended without a result: {error}"),
        }
    }

    fn show_length(&self) {
        self.agent.queued.store(self.queues.len(), Ordering::Relaxed);
        self.queue_length.set(i64::try_from(self.queues.len()).unwrap_or(i64::MAX));
    }
}
