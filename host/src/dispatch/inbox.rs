use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::event::{DeliveryId, Event, Seq};

use crate::eventlog::NewDelivery;

use super::held::{Budget, Held};

/// Nothing is behind.
const UP_TO_DATE: u64 = u64::MAX;

/// A delivery that is to be made.
pub(super) struct Job {
    pub(super) id: DeliveryId,
    pub(super) subject: Option<String>,
    /// The event, when there was room to keep it.
    pub(super) held: Option<Held>,
    /// Attempts that were made before.
    pub(super) attempts: u32,
    /// When the next attempt is due; none means now.
    pub(super) due: Option<crate::event::Timestamp>,
}

/// The way of new deliveries from the log's writer to one agent's task.
///
/// When it is full, or has been and the agent is still catching up, a delivery stays in the log, and `behind` says from
/// where the log must be read. Both sides may race: what is reported twice is known by its id, and what is reported
/// by neither does not exist, because `behind` is lowered after the commit and raised before the log is read.
pub(super) struct Inbox {
    sender: mpsc::Sender<Job>,
    receiver: Mutex<Option<mpsc::Receiver<Job>>>,
    behind: AtomicU64,
    pub(super) lag: Notify,
    budget: Arc<Budget>,
}

impl Inbox {
    /// An inbox that is behind from the beginning: what is in the log already comes first.
    pub(super) fn new(capacity: usize, budget: Arc<Budget>) -> Self {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        Self { sender, receiver: Mutex::new(Some(receiver)), behind: AtomicU64::new(0), lag: Notify::new(), budget }
    }

    /// The agent's end; there is one.
    pub(super) fn receiver(&self) -> Option<mpsc::Receiver<Job>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands a committed delivery over, or leaves it in the log. Never blocks.
    pub(super) fn put(&self, new: &NewDelivery, event: &Arc<Event>) {
        let id = new.id;
        if !self.is_behind() {
            let held = self.budget.hold(event);
            let job = Job { id, subject: event.subject.clone(), held, attempts: 0, due: None };
            if self.sender.try_send(job).is_ok() {
                return;
            }
        }
        self.fall_behind(id.seq);
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire) != UP_TO_DATE
    }

    /// Whether the log will be read from `seq` or earlier, so that what comes by the inbox must not overtake it.
    pub(super) fn will_read(&self, seq: Seq) -> bool {
        seq.0 >= self.behind.load(Ordering::Acquire)
    }

    /// Says that deliveries of the event at `seq` are in the log only.
    pub(super) fn fall_behind(&self, seq: Seq) {
        if self.behind.fetch_min(seq.0, Ordering::AcqRel) == UP_TO_DATE {
            self.lag.notify_one();
        }
    }

    /// From where the log must be read; what is committed from now on comes by the inbox.
    pub(super) fn catch_up(&self) -> Option<Seq> {
        let from = self.behind.swap(UP_TO_DATE, Ordering::AcqRel);
        (from != UP_TO_DATE).then_some(Seq(from))
    }
}
