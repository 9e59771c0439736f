//! What one agent is sent next: lanes in order, urgency between lanes, bounded memory. Pure: no clock and no I/O.
//!
//! The log has every open delivery; here are those that fit. A lane that has more in the log than in memory knows from
//! where (`left`), takes nothing that would overtake it, and is refilled from there when it runs dry.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::job::{Class, Job, LaneKey};
use crate::event::{DeliveryId, Level, Seq};
use crate::eventlog::LaneSubjects;

/// What happens to the lane of a delivery that failed and is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It waits: order is kept whatever happens.
    Block,
    /// It goes on; the failed delivery is repeated in its time.
    Skip,
}

/// How often each level has its turn while all have something to send.
const WEIGHTS: [i64; Level::ALL.len()] = [1, 1, 4, 16];

/// Deliveries that wait for another attempt, as a multiple of those that wait for their first.
const WAITING: usize = 4;

/// The jobs of one lane, in order.
#[derive(Default)]
struct Lane {
    jobs: VecDeque<Job>,
    state: LaneState,
    /// The most urgent of its jobs: what is before that one in the lane has to go first.
    level: Level,
    /// From where on the log has jobs of this lane that are not here.
    left: Option<Seq>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LaneState {
    /// Nothing is to be done.
    #[default]
    Idle,
    /// Its first job is in a queue of those that are due.
    Due(Level, Class),
    /// Its first job failed and waits for its time.
    Blocked,
    /// Its first job is being sent.
    Running,
    /// It has run dry and its next jobs are in the log.
    Dry,
    /// They are being read.
    Refilling,
}

/// Lanes whose first job is due, by class, so that neither first attempts nor repeated ones wait for the others.
#[derive(Default)]
struct Due {
    first: VecDeque<LaneKey>,
    retry: VecDeque<LaneKey>,
    /// Whose turn it is.
    retry_next: bool,
}

/// What became of a job that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is in memory, or its lane knows that it is in the log.
    Taken,
    /// There is no room; somebody has to remember that it is in the log.
    NoRoom,
}

/// Lanes that are being refilled from the log.
pub(super) struct Refill {
    /// From where to read.
    pub(super) from: Seq,
    lanes: HashSet<LaneKey>,
    /// Their subjects, for the reader.
    pub(super) subjects: Arc<LaneSubjects>,
}

/// The lanes of one agent.
pub(super) struct Queues {
    on_failure: OnFailure,
    /// Deliveries in memory that wait for their turn, for each level.
    limit: usize,
    /// The same for one lane, so that a busy subject leaves room for the others.
    lane_limit: usize,
    lanes: HashMap<LaneKey, Lane>,
    due: [Due; Level::ALL.len()],
    credit: [i64; Level::ALL.len()],
    /// Jobs that failed and wait for their time.
    later: BTreeMap<(Instant, DeliveryId), Job>,
    /// Lanes in the state `Dry`.
    dry: Vec<LaneKey>,
    refill: Option<Refill>,
    /// Everything in memory, until its record is durable.
    known: HashSet<DeliveryId>,
    /// Jobs in lanes, by level.
    counts: [usize; Level::ALL.len()],
}

impl Queues {
    /// At most `limit` deliveries of each level wait for their turn in memory.
    pub(super) fn new(on_failure: OnFailure, limit: usize) -> Self {
        Self {
            on_failure,
            limit,
            lane_limit: (limit / 64).max(4),
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

    /// Deliveries in memory.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How many more of this level may come in.
    pub(super) fn room(&self, level: Level) -> usize {
        if self.later.len() >= WAITING * self.limit {
            return 0;
        }
        self.limit.saturating_sub(self.counts[level as usize])
    }

    /// Whether so few of this level are left that it is time to read more.
    pub(super) fn is_low(&self, level: Level) -> bool {
        self.room(level) >= self.limit.div_ceil(2)
    }

    /// Takes a job that comes after all others of its level.
    ///
    /// `unread` is the first position from which other levels have jobs in the log only: one of the same subject may be
    /// among them, so the lane has to be read from there first.
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

    /// Puts jobs whose time has come back to the head of their lanes.
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

    /// When [`Queues::wake`] has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// The job to send next, of a class that is `free` to be sent.
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

    /// The job that was sent failed and is to be sent again then.
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

    /// The job that was sent is settled, and that is durable.
    pub(super) fn settled(&mut self, job: &Job, now: Instant) {
        self.known.remove(&job.id);
        if let Some(lane) = self.lanes.get_mut(&job.lane) {
            lane.state = LaneState::Idle;
        }
        self.schedule(&job.lane, now);
    }

    /// What is to be read from the log for lanes that have run dry; once, until [`Queues::refilled`].
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

    /// Whether lanes wait for a refill to begin.
    pub(super) fn has_dry(&self) -> bool {
        !self.dry.is_empty()
    }

    /// Whether a refill is under way.
    pub(super) fn is_refilling(&self) -> bool {
        self.refill.is_some()
    }

    /// Takes jobs that were read for the lanes of the refill, in order; `next` is where the log goes on.
    pub(super) fn refilled(&mut self, jobs: Vec<Job>, next: Option<Seq>, now: Instant) {
        let Some(mut refill) = self.refill.take() else { return };
        for job in jobs {
            let has_room = self.room(job.level) > 0;
            let key = job.lane.clone();
            let Some(lane) = self.lanes.get_mut(&key).filter(|_| refill.lanes.contains(&key)) else { continue };
            if self.known.contains(&job.id) {
                continue;
            }
            // A dry lane gets at least one job, whatever the room: its turn has come.
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

    /// Adds the job to the end of its lane, which is there.
    fn keep(&mut self, job: Job) {
        self.known.insert(job.id);
        self.counts[job.level as usize] += 1;
        if let Some(lane) = self.lanes.get_mut(&job.lane) {
            lane.jobs.push_back(job);
        }
    }

    /// Makes the lane as urgent as its most urgent job.
    fn raise(&mut self, key: &LaneKey, level: Level) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.level < level) else { return };
        lane.level = level;
        if matches!(lane.state, LaneState::Due(..)) {
            lane.state = LaneState::Idle;
        }
    }

    /// Decides what an idle lane waits for, and forgets one that has nothing left.
    fn schedule(&mut self, key: &LaneKey, now: Instant) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.state == LaneState::Idle) else { return };
        // One that failed before a restart may still have to wait.
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

    /// The class that has the next turn at this level, if something of it is due.
    fn candidate(&mut self, level: Level, free: &impl Fn(Class) -> bool) -> Option<Class> {
        let due = &mut self.due[level as usize];
        let retry_next = due.retry_next;
        let mut has = |class: Class| {
            if !free(class) {
                return false;
            }
            let queue = due.queue(class);
            // Lanes that became more urgent, or whose head changed, stand elsewhere now.
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
