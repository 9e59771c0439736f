//! One open delivery of an agent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::memory_budget::HeldEvent;
use crate::event::{Delivery, DeliveryId, Level, Timestamp};
use crate::eventlog::NewDelivery;

/// Classes of attempts that share permits. None can take all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    First,
    Retry,
    Replay,
}

/// The unit of order: the subject, or the delivery itself if the event has no subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Subject {
        subject: Arc<str>,
        /// Replays keep their order among themselves.
        replay: bool,
    },
    Alone(DeliveryId),
}

/// An open delivery.
pub(super) struct Job {
    pub(super) id: DeliveryId,
    pub(super) lane: LaneKey,
    pub(super) level: Level,
    /// The event, if there was room in memory.
    pub(super) held: Option<HeldEvent>,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// When the next attempt is due. `None` means now.
    pub(super) due: Option<Instant>,
    pub(super) age: Age,
}

/// The age of a delivery, independent of jumps of the host's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    before: Duration,
    since: Instant,
}

impl Age {
    pub(super) fn at(self, now: Instant) -> Duration {
        self.before + now.saturating_duration_since(self.since)
    }
}

impl Job {
    /// A delivery that was just committed.
    pub(super) fn fresh(new: &NewDelivery, subject: Option<&str>, held: Option<HeldEvent>) -> Self {
        let level = Level::new(new.priority, new.replay);
        let age = Age { before: Duration::ZERO, since: Instant::now() };
        Self { id: new.id, lane: lane(new.id, subject, level), level, held, attempts: 0, due: None, age }
    }

    /// A delivery from the log.
    ///
    /// The clock may have jumped since its times were recorded. So a wait is never longer than it was when recorded, nor than
    /// `longest`.
    pub(super) fn stored(id: DeliveryId, delivery: &Delivery, subject: Option<&str>, longest: Duration) -> Self {
        let (now, since) = (Timestamp::now(), Instant::now());
        let level = Level::of(delivery);
        let meant = |at: Timestamp| delivery.attempts.last().map_or(longest, |last| at.since(last.ended_at));
        Self {
            id,
            lane: lane(id, subject, level),
            level,
            held: None,
            attempts: delivery.attempts_made,
            due: delivery.next_attempt_at.map(|at| since + at.since(now).min(meant(at)).min(longest)),
            age: Age { before: now.since(delivery.created_at), since },
        }
    }

    pub(super) const fn class(&self) -> Class {
        match self.level {
            Level::Replay => Class::Replay,
            _ if self.attempts > 0 => Class::Retry,
            _ => Class::First,
        }
    }
}

fn lane(id: DeliveryId, subject: Option<&str>, level: Level) -> LaneKey {
    match subject {
        Some(subject) => LaneKey::Subject { subject: subject.into(), replay: level == Level::Replay },
        None => LaneKey::Alone(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Attempt, Outcome, Priority, Recipient, Seq};

    #[test]
    fn a_clock_that_jumped_back_prolongs_no_wait() {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        const WAIT: Duration = Duration::from_secs(2);
        let wait = |ended_at: Timestamp| {
            let recipient = Recipient { agent: "a".parse().unwrap(), priority: Priority::Normal };
            let mut delivery = Delivery::new(recipient, ended_at);
            let attempt = Attempt {
                number: 1,
                term: Attempt::FIRST_TERM,
                started_at: ended_at,
                ended_at,
                outcome: Outcome::Retry,
                code: String::new(),
                message: String::new(),
            };
            delivery.record(attempt, Some(ended_at.after(WAIT)));
            let id = DeliveryId { seq: Seq(1), index: 0 };
            let before = Instant::now();
            let job = Job::stored(id, &delivery, None, DAY);
            let wait = job.due.unwrap().saturating_duration_since(before);
            (wait > WAIT / 2, wait < 2 * WAIT)
        };

        assert_eq!(wait(Timestamp::now()), (true, true));
        assert_eq!(wait(Timestamp::now().after(DAY)), (true, true), "the clock was a day ahead");
        assert_eq!(wait(Timestamp::now().before(DAY)), (false, true), "the clock was a day behind");
    }
}
