//! New deliveries on their way from the log's writer to an agent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::event::{Event, Level, Seq};
use crate::eventlog::NewDelivery;

use super::job::Job;
use super::memory_budget::MemoryBudget;

/// The queue of new deliveries of one agent.
///
/// If it is full, or the agent is behind at the level, a delivery stays in the log, and the cursor of the level is the
/// position from which the log must be read. So no delivery overtakes an earlier one of its level.
pub(super) struct Inbox {
    sender: mpsc::Sender<Job>,
    receiver: Mutex<Option<mpsc::Receiver<Job>>>,
    cursors: Mutex<Cursors>,
    pub(super) lag: Notify,
    budget: Arc<MemoryBudget>,
}

type Cursors = [Cursor; Level::ALL.len()];

/// How far the agent's task has the deliveries of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// It has all of them. New ones come through the inbox.
    UpToDate,
    /// It has those before `from`. The last one that is only in the log is at `upto`. The first that was registered since the
    /// log is being read, which may have passed its position before, is at `since`.
    Behind { from: Seq, upto: Seq, since: Option<Seq> },
}

impl Cursor {
    fn fall_behind(&mut self, seq: Seq) {
        *self = match *self {
            Self::UpToDate => Self::Behind { from: seq, upto: seq, since: Some(seq) },
            Self::Behind { from, upto, since } => Self::Behind {
                from: from.min(seq),
                upto: upto.max(seq),
                since: Some(since.map_or(seq, |since| since.min(seq))),
            },
        };
    }

    const fn from(self) -> Option<Seq> {
        match self {
            Self::UpToDate => None,
            Self::Behind { from, .. } => Some(from),
        }
    }
}

impl Inbox {
    /// An empty inbox for at most `capacity` deliveries.
    pub(super) fn new(capacity: usize, budget: Arc<MemoryBudget>) -> Self {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            cursors: Mutex::new([Cursor::UpToDate; Level::ALL.len()]),
            lag: Notify::new(),
            budget,
        }
    }

    /// Starts with all deliveries up to `head` unread.
    pub(super) fn begin(&self, head: Seq) {
        *self.lock() = [Cursor::Behind { from: head.next(), upto: head, since: None }; Level::ALL.len()];
    }

    /// The receiving end. `None` if it was taken before.
    pub(super) fn receiver(&self) -> Option<mpsc::Receiver<Job>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Queues a committed delivery, or leaves it in the log. Never blocks.
    pub(super) fn put(&self, new: &NewDelivery, event: &Arc<Event>) {
        let mut cursors = self.lock();
        let cursor = &mut cursors[Level::new(new.priority, new.replay) as usize];
        if *cursor == Cursor::UpToDate {
            let job = Job::fresh(new, event.subject.as_deref(), self.budget.hold(event));
            if self.sender.try_send(job).is_ok() {
                return;
            }
            self.lag.notify_one();
        }
        cursor.fall_behind(new.id.seq);
    }

    /// The position from which the log must be read for this level.
    pub(super) fn behind(&self, level: Level) -> Option<Seq> {
        self.lock()[level as usize].from()
    }

    /// Whether any level must be read from the log.
    pub(super) fn is_behind(&self) -> bool {
        self.lock().iter().any(|cursor| *cursor != Cursor::UpToDate)
    }

    /// Whether the log will be read from `seq` or earlier. Then a job from the inbox must not overtake it.
    pub(super) fn will_read(&self, level: Level, seq: Seq) -> bool {
        self.behind(level).is_some_and(|from| from <= seq)
    }

    /// The first position before `seq` with live deliveries of other levels that are only in the log.
    pub(super) fn unread_before(&self, level: Level, seq: Seq) -> Option<Seq> {
        if level == Level::Replay {
            return None;
        }
        let cursors = self.lock();
        let others = Level::ALL.into_iter().filter(|other| *other != level && *other != Level::Replay);
        others.filter_map(|other| cursors[other as usize].from()).filter(|from| *from < seq).min()
    }

    /// Registers that a delivery of the event at `seq` is only in the log.
    pub(super) fn fall_behind(&self, level: Level, seq: Seq) {
        self.lock()[level as usize].fall_behind(seq);
        self.lag.notify_one();
    }

    /// The position from which the log must be read for this level; registers that this begins now.
    pub(super) fn begin_reading(&self, level: Level) -> Option<Seq> {
        let mut cursors = self.lock();
        let cursor = &mut cursors[level as usize];
        if let Cursor::Behind { since, .. } = cursor {
            *since = None;
        }
        cursor.from()
    }

    /// Registers that the log was read to before `next`.
    pub(super) fn advance(&self, level: Level, next: Seq) {
        let mut cursors = self.lock();
        let cursor = &mut cursors[level as usize];
        if let Cursor::Behind { upto, since, .. } = *cursor {
            // What came up meanwhile before `next` was perhaps not there yet when its position was read.
            *cursor = match since.filter(|since| *since < next) {
                Some(from) => Cursor::Behind { from, upto, since },
                None if next > upto => Cursor::UpToDate,
                None => Cursor::Behind { from: next, upto, since },
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> Inbox {
        Inbox::new(1, Arc::new(MemoryBudget::new(0)))
    }

    #[test]
    fn a_cursor_is_up_to_date_once_everything_that_was_left_is_read() {
        let inbox = inbox();
        inbox.fall_behind(Level::Low, Seq(10));
        inbox.fall_behind(Level::Low, Seq(20));

        inbox.begin_reading(Level::Low);
        inbox.advance(Level::Low, Seq(15));
        assert_eq!(inbox.behind(Level::Low), Some(Seq(15)));
        assert!(inbox.will_read(Level::Low, Seq(16)) && !inbox.will_read(Level::Low, Seq(14)));
        inbox.begin_reading(Level::Low);
        inbox.fall_behind(Level::Low, Seq(30));
        inbox.advance(Level::Low, Seq(21));
        assert_eq!(inbox.behind(Level::Low), Some(Seq(21)), "one came while the log was read");
        inbox.begin_reading(Level::Low);
        inbox.advance(Level::Low, Seq(31));
        assert_eq!(inbox.behind(Level::Low), None);
        assert!(!inbox.is_behind());
    }

    #[test]
    fn what_comes_up_behind_a_read_is_still_read() {
        for (came, upto) in [(5, 50), (50, 50), (70, 70), (99, 99)] {
            let inbox = inbox();
            inbox.fall_behind(Level::Replay, Seq(50));
            assert_eq!(inbox.begin_reading(Level::Replay), Some(Seq(50)));
            inbox.fall_behind(Level::Replay, Seq(came));

            inbox.advance(Level::Replay, Seq(100));
            assert_eq!(inbox.behind(Level::Replay), Some(Seq(came)), "it may have come after its position was read");

            inbox.begin_reading(Level::Replay);
            inbox.advance(Level::Replay, Seq(upto + 1));
            assert_eq!(inbox.behind(Level::Replay), None);
        }
    }

    #[test]
    fn live_levels_wait_for_each_other_and_replays_for_nobody() {
        let inbox = inbox();
        inbox.fall_behind(Level::Low, Seq(10));
        inbox.fall_behind(Level::Replay, Seq(1));

        assert_eq!(inbox.unread_before(Level::High, Seq(20)), Some(Seq(10)));
        assert_eq!(inbox.unread_before(Level::High, Seq(10)), None);
        assert_eq!(inbox.unread_before(Level::Low, Seq(20)), None);
        assert_eq!(inbox.unread_before(Level::Replay, Seq(20)), None);
    }
}
