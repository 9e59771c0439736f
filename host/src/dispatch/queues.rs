//! The queues of one agent: order within a lane, priority between lanes, bounded memory. Pure: no clock and no I/O.
//!
//! The log has every open delivery; the queues have those that fit. A lane with more deliveries in the log knows the
//! position of the first one (`left`), accepts no job that would overtake it, and is refilled from there when it is dry.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::{Class, Job, LaneKey};
use crate::event::{DeliveryId, Level, Seq};
use crate::eventlog::LaneSubjects;

/// What happens to the lane of a failed delivery until its retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It waits: the order is always kept.
    Block,
    /// It continues. The failed delivery is retried when it is due.
    Skip,
}

/// The shares of the levels while all of them have due jobs.
const WEIGHTS: [i64; Level::ALL.len()] = [1, 1, 4, 16];

/// How many deliveries may wait for a retry, as a multiple of those that wait for their first attempt.
const WAITING: usize = 4;

/// The jobs of one lane, in order.
#[derive(Default)]
struct Lane {
    jobs: VecDeque<Job>,
    state: LaneState,
    /// The level of its most urgent job: the jobs before that one must go first.
    level: Level,
    /// The position of the first job of this lane that is only in the log.
    left: Option<Seq>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LaneState {
    /// It waits for nothing.
    #[default]
    Idle,
    /// Its first job is due.
    Due(Level, Class),
    /// Its first job failed and waits for its retry.
    Blocked,
    /// Its first job is in flight.
    Running,
    /// It has no jobs in memory, but in the log.
    Dry,
    /// Its jobs are being read from the log.
    Refilling,
}

/// Lanes whose first job is due, by class, so that first attempts and retries do not wait for each other.
#[derive(Default)]
struct Due {
    first: VecDeque<LaneKey>,
    retry: VecDeque<LaneKey>,
    /// Which of them is next.
    retry_next: bool,
}

/// The result of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// The job is in memory, or its lane knows that it is in the log.
    Taken,
    /// There is no room. The caller must remember that the job is in the log.
    NoRoom,
}

/// Lanes that are being refilled from the log.
pub(super) struct Refill {
    pub(super) from: Seq,
    lanes: HashSet<LaneKey>,
    /// Their subjects, for the reader.
    pub(super) subjects: Arc<LaneSubjects>,
}

/// The lanes of one agent.
pub(super) struct Queues {
    on_failure: OnFailure,
    /// The most waiting deliveries in memory, per level.
    limit: usize,
    /// The same per lane, so that a busy subject leaves room for others.
    lane_limit: usize,
    lanes: HashMap<LaneKey, Lane>,
    due: [Due; Level::ALL.len()],
    credit: [i64; Level::ALL.len()],
    /// Failed jobs that wait for their retry.
    later: BTreeMap<(Instant, DeliveryId), Job>,
    /// Lanes in the state `Dry`.
    dry: Vec<LaneKey>,
    refill: Option<Refill>,
    /// All jobs in memory, until their records are durable.
    known: HashSet<DeliveryId>,
    /// Jobs in lanes, by level.
    counts: [usize; Level::ALL.len()],
}

impl Queues {
    /// Empty queues for at most `limit` waiting deliveries per level.
    pub(super) fn new(on_failure: OnFailure, limit: usize) -> Self {
        Self {
            on_failure,
            limit,
            lane_limit: lane_limit(limit),
            lanes: HashMap::new(),
            due: Default::default(),
            credit: [0; Level::ALL.len()],
            later: BTreeMap::new(),
            dry: Vec::new(),
            refill: None,
            known: HashSet::new(),
            counts: [0; Level::ALL.len()],
        }
    }

    /// Changes what [`Queues::new`] was given. A lane that waits for a retry by the rule of before goes on waiting for it.
    pub(super) fn reconfigure(&mut self, on_failure: OnFailure, limit: usize) {
        (self.on_failure, self.limit, self.lane_limit) = (on_failure, limit, lane_limit(limit));
    }

    /// Deliveries in memory.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The room for further jobs of this level.
    pub(super) fn room(&self, level: Level) -> usize {
        if self.later.len() >= WAITING * self.limit {
            return 0;
        }
        self.limit.saturating_sub(self.counts[level as usize])
    }

    /// Whether so few jobs of this level are left that more should be read.
    pub(super) fn is_low(&self, level: Level) -> bool {
        self.room(level) >= self.limit.div_ceil(2)
    }

    /// Offers a job that comes after all others of its level.
    ///
    /// `unread` is the first position with jobs of other levels that are only in the log. One of them may have the same
    /// subject, so the lane must be read from there first.
    pub(super) fn offer(&mut self, job: Job, unread: Option<Seq>, now: Instant) -> Offered {
        if self.known.contains(&job.id) {
            return Offered::Taken;
        }
        let has_room = self.room(job.level) > 0;
        let unread = unread.filter(|_| matches!(job.lane, LaneKey::Subject { .. }));
        let key = job.lane.clone();
        if !has_room && !self.lanes.contains_key(&key) {
            return Offered::NoRoom;
        }
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane { level: job.level, ..Lane::default() });
        let is_full = !has_room || lane.jobs.len() >= self.lane_limit;
        if is_full || unread.is_some() || lane.left.is_some() || lane.state == LaneState::Refilling {
            let from = unread.unwrap_or(job.id.seq).min(job.id.seq);
            lane.left = Some(lane.left.map_or(from, |left| left.min(from)));
            self.raise(&key, job.level);
            self.schedule(&key, now);
            return Offered::Taken;
        }
        let level = job.level;
        self.keep(job);
        self.raise(&key, level);
        self.schedule(&key, now);
        Offered::Taken
    }

    /// Returns jobs whose retry is due to the heads of their lanes.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let mut job = entry.remove();
            job.due = None;
            let key = job.lane.clone();
            self.counts[job.level as usize] += 1;
            let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane { level: job.level, ..Lane::default() });
            lane.jobs.push_front(job);
            if matches!(lane.state, LaneState::Blocked | LaneState::Due(..)) {
                lane.state = LaneState::Idle;
            }
            self.schedule(&key, now);
        }
    }

    /// Makes all jobs due that wait for their retry.
    pub(super) fn hurry(&mut self, now: Instant) {
        const LONGER_THAN_ANY_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        self.wake(now + LONGER_THAN_ANY_WAIT);
    }

    /// When to call [`Queues::wake`] next.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next job, of a class for which `free` has a permit.
    pub(super) fn next(&mut self, free: impl Fn(Class) -> bool) -> Option<Job> {
        let mut chosen: Option<(usize, Class)> = None;
        let mut total = 0;
        for (index, level) in Level::ALL.into_iter().enumerate() {
            let Some(class) = self.candidate(level, &free) else { continue };
            self.credit[index] += WEIGHTS[index];
            total += WEIGHTS[index];
            if chosen.is_none_or(|(best, _)| self.credit[index] > self.credit[best]) {
                chosen = Some((index, class));
            }
        }
        let (index, class) = chosen?;
        self.credit[index] -= total;
        let due = &mut self.due[index];
        due.retry_next = class != Class::Retry;
        let key = due.queue(class).pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        lane.state = LaneState::Running;
        let job = lane.jobs.pop_front()?;
        self.counts[job.level as usize] -= 1;
        Some(job)
    }

    /// Registers that the attempt failed and that the job is due again later.
    pub(super) fn again(&mut self, job: Job, at: Instant, now: Instant) {
        let key = job.lane.clone();
        self.later.insert((at, job.id), job);
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        match self.on_failure {
            OnFailure::Block => lane.state = LaneState::Blocked,
            OnFailure::Skip => {
                lane.state = LaneState::Idle;
                self.schedule(&key, now);
            }
        }
    }

    /// Registers that the job is settled, durably.
    pub(super) fn settled(&mut self, job: &Job, now: Instant) {
        self.known.remove(&job.id);
        if let Some(lane) = self.lanes.get_mut(&job.lane) {
            lane.state = LaneState::Idle;
        }
        self.schedule(&job.lane, now);
    }

    /// Starts a refill of dry lanes. `None` while another refill is in progress, until [`Queues::refilled`].
    pub(super) fn start_refill(&mut self) -> Option<&Refill> {
        if self.refill.is_none() && !self.dry.is_empty() {
            let mut subjects = LaneSubjects::default();
            let mut lanes = HashSet::new();
            let mut from = Seq(u64::MAX);
            for key in self.dry.drain(..) {
                let Some(lane) = self.lanes.get_mut(&key) else { continue };
                let (LaneState::Dry, LaneKey::Subject { subject, replay }) = (lane.state, &key) else { continue };
                lane.state = LaneState::Refilling;
                from = from.min(lane.left.take().unwrap_or(from));
                let lanes_of = if *replay { &mut subjects.replays } else { &mut subjects.live };
                lanes_of.insert(Arc::clone(subject));
                lanes.insert(key);
            }
            self.refill = Some(Refill { from, lanes, subjects: Arc::new(subjects) });
        }
        self.refill.as_ref()
    }

    /// Whether lanes wait for a refill.
    pub(super) fn has_dry(&self) -> bool {
        !self.dry.is_empty()
    }

    /// Whether a refill is in progress.
    pub(super) fn is_refilling(&self) -> bool {
        self.refill.is_some()
    }

    /// Adds jobs that were read for the refill, in order. `next` is the position to read from next.
    pub(super) fn refilled(&mut self, jobs: Vec<Job>, next: Option<Seq>, now: Instant) {
        let Some(mut refill) = self.refill.take() else { return };
        for job in jobs {
            let has_room = self.room(job.level) > 0;
            let key = job.lane.clone();
            let Some(lane) = self.lanes.get_mut(&key).filter(|_| refill.lanes.contains(&key)) else { continue };
            if self.known.contains(&job.id) {
                continue;
            }
            // A dry lane gets at least one job even without room.
            if lane.jobs.is_empty() || (has_room && lane.jobs.len() < self.lane_limit) {
                lane.level = lane.level.max(job.level);
                self.keep(job);
            } else {
                lane.left = Some(lane.left.map_or(job.id.seq, |left| left.min(job.id.seq)));
                refill.lanes.remove(&key);
                self.end_refill(&key, now);
            }
        }
        match next {
            Some(next) if !refill.lanes.is_empty() => {
                refill.from = next;
                self.refill = Some(refill);
            }
            _ => refill.lanes.iter().for_each(|key| self.end_refill(key, now)),
        }
    }

    fn end_refill(&mut self, key: &LaneKey, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.state = LaneState::Idle;
        }
        self.schedule(key, now);
    }

    /// Adds the job to the end of its lane, which exists.
    fn keep(&mut self, job: Job) {
        self.known.insert(job.id);
        self.counts[job.level as usize] += 1;
        if let Some(lane) = self.lanes.get_mut(&job.lane) {
            lane.jobs.push_back(job);
        }
    }

    /// Raises the lane to the level of its most urgent job.
    fn raise(&mut self, key: &LaneKey, level: Level) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.level < level) else { return };
        lane.level = level;
        if matches!(lane.state, LaneState::Due(..)) {
            lane.state = LaneState::Idle;
        }
    }

    /// Sets the state of an idle lane, and removes an empty one.
    fn schedule(&mut self, key: &LaneKey, now: Instant) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.state == LaneState::Idle) else { return };
        // A job that failed before a restart may not be due yet.
        while let Some(at) = lane.jobs.front().and_then(|job| job.due).filter(|at| *at > now) {
            let Some(job) = lane.jobs.pop_front() else { break };
            self.counts[job.level as usize] -= 1;
            self.later.insert((at, job.id), job);
            if self.on_failure == OnFailure::Block {
                lane.state = LaneState::Blocked;
                return;
            }
        }
        match lane.jobs.front() {
            Some(job) => {
                let class = job.class();
                lane.state = LaneState::Due(lane.level, class);
                self.due[lane.level as usize].queue(class).push_back(key.clone());
            }
            None if lane.left.is_some() => {
                lane.state = LaneState::Dry;
                self.dry.push(key.clone());
            }
            None => drop(self.lanes.remove(key)),
        }
    }

    /// The class that is next at this level, if one of its jobs is due.
    fn candidate(&mut self, level: Level, free: &impl Fn(Class) -> bool) -> Option<Class> {
        let due = &mut self.due[level as usize];
        let retry_next = due.retry_next;
        let mut has = |class: Class| {
            if !free(class) {
                return false;
            }
            let queue = due.queue(class);
            // Lanes whose level or head changed are in another queue now.
            let is_stale =
                |key: &LaneKey| self.lanes.get(key).is_none_or(|lane| lane.state != LaneState::Due(level, class));
            while queue.front().is_some_and(is_stale) {
                queue.pop_front();
            }
            !queue.is_empty()
        };
        let order = match (level, retry_next) {
            (Level::Replay, _) => return has(Class::Replay).then_some(Class::Replay),
            (_, true) => [Class::Retry, Class::First],
            (_, false) => [Class::First, Class::Retry],
        };
        order.into_iter().find(|class| has(*class))
    }
}

/// The most deliveries of one lane in memory.
fn lane_limit(limit: usize) -> usize {
    (limit / 64).max(4)
}

impl Due {
    fn queue(&mut self, class: Class) -> &mut VecDeque<LaneKey> {
        match class {
            Class::First | Class::Replay => &mut self.first,
            Class::Retry => &mut self.retry,
        }
    }
}

#[cfg(test)]
mod tests;
