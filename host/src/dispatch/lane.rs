//! The task of one agent: which delivery is next.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::event::{DeliveryId, Seq, Timestamp};
use crate::eventlog::{EventLog, EventLogError, OpenDeliveries};
use crate::metrics::ByAgent;
use crate::plugin::Generation;

use super::Inner;
use super::agent::Agent;
use super::attempt::{Next, Try};
use super::inbox::Job;

/// Attempts whose agent has answered and whose record is not durable yet; they hold no turn any more.
const MAX_SETTLING: usize = 1024;

/// How long to wait before the log is asked again for what is open.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What keeps its order: the subject, or the delivery itself when the event has none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Lane {
    Subject(Arc<str>),
    Alone(DeliveryId),
}

/// The jobs of one lane, in order.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether the lane is due, waits for its time, or has an attempt under way; that one's job is not in `jobs`.
    busy: bool,
}

/// The queues of one agent. Every open delivery is in the log; here are those that fit, one lane for each subject.
pub(super) struct Lanes {
    agent: Arc<Agent>,
    dispatch: Arc<Inner>,
    log: EventLog,
    inbox: mpsc::Receiver<Job>,
    plugins: watch::Receiver<()>,
    /// The plugin's generation that the next attempt runs on, or what is missing.
    generation: Result<Arc<Generation>, String>,
    lanes: HashMap<Lane, Queue>,
    /// Lanes whose first job is due.
    due: VecDeque<Lane>,
    /// Lanes whose first job waits for its time.
    later: BTreeSet<(Timestamp, Lane)>,
    /// Every delivery in memory, until its record is durable.
    known: HashSet<DeliveryId>,
    turns: Arc<Semaphore>,
    running: JoinSet<(Lane, Job, Next)>,
    queue_length: Gauge,
}

impl Lanes {
    /// The queues of `agent`, which has one task only.
    pub(super) fn new(agent: &Arc<Agent>, dispatch: &Arc<Inner>, log: &EventLog) -> Option<Self> {
        Some(Self {
            inbox: agent.inbox.receiver()?,
            plugins: dispatch.plugins.subscribe(),
            generation: Err(String::new()),
            lanes: HashMap::new(),
            due: VecDeque::new(),
            later: BTreeSet::new(),
            known: HashSet::new(),
            turns: Arc::new(Semaphore::new(agent.settings.limits.concurrency)),
            running: JoinSet::new(),
            queue_length: dispatch.metrics.tasks_in_queue.get_or_create_owned(&ByAgent::new(&agent.settings.name)),
            agent: Arc::clone(agent),
            dispatch: Arc::clone(dispatch),
            log: log.clone(),
        })
    }

    /// Delivers until `stop`, then waits for the attempts under way.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.plugins.mark_changed();
        while !stop.is_cancelled() {
            if self.has_room() && self.agent.inbox.is_behind() {
                self.catch_up().await;
            }
            self.wake_due();
            let ready = !self.due.is_empty() && self.generation.is_ok() && self.running.len() < self.most_running();
            let turns = Arc::clone(&self.turns);
            let wake = self.later.first().map(|(at, _)| at.since(Timestamp::now()));
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Ok(()) = self.plugins.changed() => self.look_up_plugin(),
                Some(ended) = self.running.join_next() => self.end(ended),
                Ok(turn) = turns.acquire_owned(), if ready => self.start(turn),
                Some(job) = self.inbox.recv(), if self.known.len() < self.agent.settings.queue => self.take(job),
                () = self.agent.inbox.lag.notified(), if self.has_room() => {}
                () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => {}
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    fn has_room(&self) -> bool {
        self.known.len() <= self.agent.settings.queue / 2
    }

    fn most_running(&self) -> usize {
        self.agent.settings.limits.concurrency + MAX_SETTLING
    }

    /// Finds the generation for the next attempts, and says when deliveries begin to wait or go on.
    fn look_up_plugin(&mut self) {
        let found = self.agent.generation(&self.dispatch.plugins);
        let name = &self.agent.settings.name;
        match (&self.generation, &found) {
            (Err(before), Err(reason)) if before == reason => {}
            (_, Err(reason)) => tracing::warn!(agent = %name, "Agent waits, its deliveries stay in the log: {reason}"),
            (Err(_), Ok(_)) => tracing::info!(agent = %name, "Agent serves"),
            (Ok(_), Ok(_)) => {}
        }
        self.generation = found;
    }

    /// Reads open deliveries from the log until memory is full or there are no more.
    async fn catch_up(&mut self) {
        let Some(mut from) = self.agent.inbox.catch_up() else { return };
        loop {
            let room = self.agent.settings.queue.saturating_sub(self.known.len());
            match self.open_deliveries(from, room).await {
                Ok(page) => {
                    for (id, delivery, subject) in page.items {
                        let (attempts, due) = (delivery.attempts_made, delivery.next_attempt_at);
                        self.push(Job { id, subject, held: None, attempts, due });
                    }
                    match page.next {
                        None => return,
                        Some(next) => from = next,
                    }
                }
                Err(error) => {
                    tracing::warn!(agent = %self.agent.settings.name, "Open deliveries cannot be read now: {error}");
                    tokio::time::sleep(READ_AGAIN).await;
                    self.agent.inbox.fall_behind(from);
                    return;
                }
            }
            if self.known.len() >= self.agent.settings.queue {
                self.agent.inbox.fall_behind(from);
                return;
            }
        }
    }

    async fn open_deliveries(&self, from: Seq, limit: usize) -> Result<OpenDeliveries, EventLogError> {
        let (log, name) = (self.log.clone(), self.agent.settings.name.clone());
        let read = tokio::task::spawn_blocking(move || log.open_deliveries(&name, from, limit.max(1)));
        read.await.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
    }

    /// Takes what the writer handed over, unless the log will be read from there: it must not overtake what is there.
    fn take(&mut self, job: Job) {
        if !self.agent.inbox.will_read(job.id.seq) {
            self.push(job);
        }
    }

    fn push(&mut self, job: Job) {
        if !self.known.insert(job.id) {
            return;
        }
        self.show_length();
        let lane = match &job.subject {
            Some(subject) => Lane::Subject(subject.as_str().into()),
            None => Lane::Alone(job.id),
        };
        let queue = self.lanes.entry(lane.clone()).or_default();
        let due = job.due;
        queue.jobs.push_back(job);
        if !queue.busy {
            queue.busy = true;
            self.schedule(lane, due);
        }
    }

    fn schedule(&mut self, lane: Lane, due: Option<Timestamp>) {
        match due {
            Some(at) if at > Timestamp::now() => drop(self.later.insert((at, lane))),
            _ => self.due.push_back(lane),
        }
    }

    fn wake_due(&mut self) {
        let now = Timestamp::now();
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, lane)) = self.later.pop_first() {
                self.due.push_back(lane);
            }
        }
    }

    /// Starts the attempt of the next lane.
    fn start(&mut self, turn: OwnedSemaphorePermit) {
        let Ok(generation) = self.generation.clone() else { return };
        let Some(lane) = self.due.pop_front() else { return };
        let Some(mut job) = self.lanes.get_mut(&lane).and_then(|queue| queue.jobs.pop_front()) else { return };
        let attempt = Try {
            agent: Arc::clone(&self.agent),
            dispatch: Arc::clone(&self.dispatch),
            log: self.log.clone(),
            generation,
        };
        self.running.spawn(async move {
            let next = attempt.run(&mut job, turn).await;
            (lane, job, next)
        });
    }

    fn end(&mut self, ended: Result<(Lane, Job, Next), tokio::task::JoinError>) {
        let (lane, mut job, next) = match ended {
            Ok(ended) => ended,
            // The delivery is open in the log and its lane stands still, so nothing overtakes it; a start tries again.
            Err(error) => {
                tracing::error!(agent = %self.agent.settings.name, "Attempt ended without a result: {error}");
                return;
            }
        };
        let Some(queue) = self.lanes.get_mut(&lane) else { return };
        match next {
            Next::Again(at) => {
                job.due = Some(at);
                queue.jobs.push_front(job);
                self.schedule(lane, Some(at));
            }
            Next::Settled => {
                self.known.remove(&job.id);
                match queue.jobs.front() {
                    Some(first) => {
                        let due = first.due;
                        self.schedule(lane, due);
                    }
                    None => drop(self.lanes.remove(&lane)),
                }
                self.show_length();
            }
        }
    }

    fn show_length(&self) {
        self.agent.queued.store(self.known.len(), Ordering::Relaxed);
        self.queue_length.set(i64::try_from(self.known.len()).unwrap_or(i64::MAX));
    }
}
