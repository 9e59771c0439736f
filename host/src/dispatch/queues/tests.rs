//! Order, fairness and bounds of the queues, also against a simulated log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::dispatch::inbox::Inbox;
use crate::dispatch::memory_budget::MemoryBudget;
use crate::event::{AgentName, Delivery, Priority, Recipient, Timestamp};

fn any(_: Class) -> bool {
    true
}

fn job(seq: u64, subject: &str, priority: Priority) -> Job {
    let agent: AgentName = "a".parse().unwrap();
    let delivery = Delivery::new(Recipient { agent, priority }, Timestamp::now());
    stored(seq, subject, &delivery)
}

fn replay(seq: u64, subject: &str) -> Job {
    let agent: AgentName = "a".parse().unwrap();
    let new = Delivery::new(Recipient { agent, priority: Priority::Normal }, Timestamp::now());
    stored(seq, subject, &Delivery { replayed_by: Some("me".to_owned()), ..new })
}

fn stored(seq: u64, subject: &str, delivery: &Delivery) -> Job {
    let subject = Some(subject).filter(|subject| !subject.is_empty());
    Job::stored(DeliveryId { seq: Seq(seq), index: 0 }, delivery, subject, Duration::from_secs(60))
}

/// Queues with these jobs.
fn queues(on_failure: OnFailure, limit: usize, jobs: Vec<Job>) -> Queues {
    let mut queues = Queues::new(on_failure, limit);
    for job in jobs {
        queues.offer(job, None, Instant::now());
    }
    queues
}

/// Settles all jobs, and returns their positions in the order in which they were sent.
fn drain(queues: &mut Queues) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Some(job) = queues.next(any) {
        sent.push(job.id.seq.0);
        queues.settled(&job, Instant::now());
    }
    sent
}

#[test]
fn a_lane_is_sent_in_order_and_one_at_a_time() {
    let normal = Priority::Normal;
    let jobs =
        vec![job(1, "x", normal), job(2, "x", normal), job(3, "y", normal), job(4, "", normal), job(5, "", normal)];
    let mut queues = queues(OnFailure::Block, 100, jobs);

    let under_way: Vec<_> = std::iter::from_fn(|| queues.next(any)).collect();

    let seqs: Vec<_> = under_way.iter().map(|job| job.id.seq.0).collect();
    assert_eq!(seqs, [1, 3, 4, 5]);
    queues.settled(&under_way[0], Instant::now());
    assert_eq!(drain(&mut queues), [2]);
    assert_eq!(queues.len(), 3);
}

/// While all levels have due jobs, each gets its share: the most urgent the largest, the least urgent a small one.
#[test]
fn urgent_lanes_go_first_and_the_others_still_move() {
    let mut jobs = Vec::new();
    for seq in 0..100 {
        jobs.push(job(4 * seq + 1, "", Priority::Low));
        jobs.push(job(4 * seq + 2, "", Priority::Normal));
        jobs.push(job(4 * seq + 3, "", Priority::High));
        jobs.push(replay(4 * seq + 4, ""));
    }
    let mut queues = queues(OnFailure::Block, 100, jobs);

    let first: Vec<_> = drain(&mut queues).into_iter().take(44).map(|seq| seq % 4).collect();

    let count = |level: u64| first.iter().filter(|found| **found == level).count();
    assert_eq!((count(3), count(2), count(1), count(0)), (32, 8, 2, 2), "{first:?}");
    assert_eq!(first[0], 3);
}

#[test]
fn an_urgent_event_takes_what_is_before_it_in_its_lane_along() {
    let jobs = vec![job(1, "x", Priority::Low), job(2, "y", Priority::Normal), job(3, "x", Priority::High)];
    let mut queues = queues(OnFailure::Block, 100, jobs);

    assert_eq!(drain(&mut queues), [1, 3, 2]);
}

#[test]
fn a_failed_head_blocks_its_lane_or_is_set_aside() {
    for (on_failure, meanwhile, afterwards) in
        [(OnFailure::Block, vec![3], vec![1, 2]), (OnFailure::Skip, vec![3, 2], vec![1])]
    {
        let normal = Priority::Normal;
        let mut queues = queues(on_failure, 100, vec![job(1, "x", normal), job(2, "x", normal), job(3, "y", normal)]);
        let (now, failed) = (Instant::now(), queues.next(any).unwrap());
        let at = now + Duration::from_secs(9);

        queues.again(failed, at, now);

        queues.wake(now);
        assert_eq!(drain(&mut queues), meanwhile, "{on_failure:?}");
        assert_eq!(queues.next_wake(), Some(at));
        queues.wake(at);
        assert_eq!(drain(&mut queues), afterwards, "{on_failure:?}");
        assert_eq!(queues.len(), 0);
    }
}

#[test]
fn first_attempts_and_repeated_ones_alternate() {
    let mut jobs: Vec<_> = (1..=4).map(|seq| Job { attempts: 3, ..job(seq, "", Priority::Normal) }).collect();
    jobs.extend((11..=14).map(|seq| job(seq, "", Priority::Normal)));
    let mut queues = queues(OnFailure::Block, 100, jobs);

    assert!(queues.next(|class| class == Class::Replay).is_none());
    assert_eq!(drain(&mut queues), [11, 1, 12, 2, 13, 3, 14, 4]);
}

#[test]
fn a_delivery_that_failed_before_a_restart_waits_for_its_time() {
    let now = Instant::now();
    let first = Job { due: Some(now + Duration::from_secs(5)), attempts: 1, ..job(1, "x", Priority::Normal) };
    let mut queues = queues(OnFailure::Block, 100, vec![first, job(2, "x", Priority::Normal)]);

    assert_eq!(drain(&mut queues), [0; 0]);
    queues.wake(now + Duration::from_secs(5));
    assert_eq!(drain(&mut queues), [1, 2]);
}

#[test]
fn a_busy_lane_leaves_room_for_others_and_is_refilled_in_order() {
    let normal = Priority::Normal;
    let mut queues = queues(OnFailure::Block, 8, (1..=10).map(|seq| job(seq, "busy", normal)).collect());
    assert_eq!(queues.room(Level::Normal), 4);
    assert_eq!(queues.offer(job(11, "other", normal), None, Instant::now()), Offered::Taken);

    assert_eq!(drain(&mut queues), [1, 11, 2, 3, 4]);

    assert_eq!(queues.start_refill().unwrap().from, Seq(5));
    queues.offer(job(12, "busy", normal), None, Instant::now());
    queues.refilled((5..=7).map(|seq| job(seq, "busy", normal)).collect(), Some(Seq(8)), Instant::now());
    assert_eq!(drain(&mut queues), [0; 0], "the refill has not ended");
    queues.refilled((8..=10).map(|seq| job(seq, "busy", normal)).collect(), None, Instant::now());
    assert_eq!(drain(&mut queues), [5, 6, 7, 8]);
    assert_eq!(queues.start_refill().unwrap().from, Seq(9));
}

#[test]
fn what_has_no_room_is_left_to_the_log() {
    let mut queues = queues(OnFailure::Block, 4, (1..=4).map(|seq| job(seq, "", Priority::Low)).collect());

    assert_eq!(queues.offer(job(5, "", Priority::Low), None, Instant::now()), Offered::NoRoom);
    assert_eq!(queues.offer(job(6, "", Priority::High), None, Instant::now()), Offered::Taken);
    assert!(!queues.is_low(Level::Low) && queues.is_low(Level::High));
}

/// A simulated log, and an agent that processes it.
struct World {
    queues: Queues,
    inbox: Inbox,
    /// Subject and priority of each event, from position 1.
    events: Vec<(String, Priority)>,
    settled: BTreeSet<u64>,
    sent: Vec<u64>,
    under_way: Vec<Job>,
    now: Instant,
    random: u64,
}

impl World {
    /// A number below `limit`.
    fn random(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % limit
    }

    fn job(&self, seq: u64) -> Job {
        let (subject, priority) = &self.events[seq as usize - 1];
        job(seq, subject, *priority)
    }

    fn commit(&mut self) {
        let subject = format!("s{}", self.random(6));
        let priority = Priority::ALL[self.random(3)];
        self.events.push((subject, priority));
        let job = self.job(self.events.len() as u64);
        let (level, seq) = (job.level, job.id.seq);
        if self.inbox.will_read(level, seq) || self.offer(job) == Offered::NoRoom {
            self.inbox.fall_behind(level, seq);
        }
    }

    fn offer(&mut self, job: Job) -> Offered {
        let unread = self.inbox.unread_before(job.level, job.id.seq);
        self.queues.offer(job, unread, self.now)
    }

    /// Up to five open deliveries that `takes` selects, and the position to continue from.
    fn read(&self, from: Seq, takes: impl Fn(&Job) -> bool) -> (Vec<Job>, Option<Seq>) {
        let mut jobs = Vec::new();
        for seq in from.0.max(1)..=self.events.len() as u64 {
            if jobs.len() == 5 {
                return (jobs, Some(Seq(seq)));
            }
            let job = self.job(seq);
            if !self.settled.contains(&seq) && takes(&job) {
                jobs.push(job);
            }
        }
        (jobs, None)
    }

    fn read_level(&mut self) {
        let level = Level::ALL[1 + self.random(3)];
        if !self.queues.is_low(level) {
            return;
        }
        let Some(from) = self.inbox.begin_reading(level) else { return };
        let (jobs, next) = self.read(from, |job| job.level == level);
        let mut next = next.unwrap_or(Seq(self.events.len() as u64 + 1));
        for _ in 0..self.random(3) {
            self.commit();
        }
        for job in jobs {
            let seq = job.id.seq;
            if self.offer(job) == Offered::NoRoom {
                next = next.min(seq);
                break;
            }
        }
        self.inbox.advance(level, next);
    }

    fn refill(&mut self) {
        let Some(refill) = self.queues.start_refill() else { return };
        let (from, subjects) = (refill.from, Arc::clone(&refill.subjects));
        let wanted = |job: &Job| match &job.lane {
            LaneKey::Subject { subject, .. } => subjects.live.contains(subject),
            LaneKey::Alone(_) => false,
        };
        let (jobs, next) = self.read(from, wanted);
        self.queues.refilled(jobs, next, self.now);
    }

    fn end_one(&mut self, fails: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let index = self.random(self.under_way.len());
        let job = self.under_way.swap_remove(index);
        if fails {
            return self.queues.again(job, self.now + Duration::from_secs(1), self.now);
        }
        assert!(self.settled.insert(job.id.seq.0), "{} was sent twice", job.id.seq);
        self.sent.push(job.id.seq.0);
        self.queues.settled(&job, self.now);
    }

    fn step(&mut self, choice: usize) {
        match choice {
            0..=3 => self.commit(),
            4 => self.read_level(),
            5 => self.refill(),
            6..=8 => self.under_way.extend(self.queues.next(any)),
            9..=11 => self.end_one(choice == 9),
            _ => {
                self.now += Duration::from_secs(1);
                self.queues.wake(self.now);
            }
        }
    }
}

/// In any sequence of events, each delivery is made once, and those of a subject in the order of the log.
#[test]
fn nothing_is_lost_repeated_or_overtaken_between_memory_and_log() {
    for seed in 0..200 {
        let mut world = World {
            queues: Queues::new(OnFailure::Block, 6),
            inbox: Inbox::new(1, Arc::new(MemoryBudget::new(0))),
            events: Vec::new(),
            settled: BTreeSet::new(),
            sent: Vec::new(),
            under_way: Vec::new(),
            now: Instant::now(),
            random: seed,
        };
        for _ in 0..600 {
            let choice = world.random(13);
            world.step(choice);
        }
        // From now on all attempts succeed, and there are no new deliveries.
        for choice in [4, 5, 6, 10, 12].into_iter().cycle().take(100_000) {
            if world.settled.len() == world.events.len() {
                break;
            }
            world.step(choice);
        }

        assert_eq!(world.settled.len(), world.events.len(), "seed {seed}: something is lost");
        let mut last = BTreeMap::new();
        for seq in &world.sent {
            let subject = &world.events[*seq as usize - 1].0;
            let before = last.insert(subject, *seq);
            assert!(before < Some(*seq), "seed {seed}: {before:?} was sent before {seq} of {subject}");
        }
    }
}
