use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::event::RequestId;
use crate::plugin::Answer;

/// How a delivery ended, for a caller that waits for it.
#[derive(Debug)]
pub enum SyncOutcome {
    /// The agent answered.
    Delivered(Answer),
    /// The delivery is dead.
    Dead {
        /// Why.
        code: String,
        /// The same for people.
        message: String,
    },
}

/// The callers that wait for the end of a delivery.
#[derive(Default)]
pub(super) struct Watchers {
    /// How many there are: most deliveries need not take the lock.
    count: AtomicUsize,
    waiting: Mutex<HashMap<RequestId, oneshot::Sender<SyncOutcome>>>,
}

impl Watchers {
    /// Tells the caller of `request`, if it still waits.
    pub(super) fn settle(&self, request: RequestId, outcome: SyncOutcome) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(caller) = self.remove(request) {
            // A caller that is gone does not mind.
            drop(caller.send(outcome));
        }
    }

    fn remove(&self, request: RequestId) -> Option<oneshot::Sender<SyncOutcome>> {
        let removed = self.lock().remove(&request);
        if removed.is_some() {
            self.count.fetch_sub(1, Ordering::Release);
        }
        removed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, oneshot::Sender<SyncOutcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller that waits. Dropping it ends the wait, not the delivery.
pub struct Watch {
    watchers: Arc<Watchers>,
    request: RequestId,
    outcome: oneshot::Receiver<SyncOutcome>,
}

impl Watch {
    pub(super) fn new(watchers: &Arc<Watchers>, request: RequestId) -> Self {
        let (sender, outcome) = oneshot::channel();
        watchers.lock().insert(request, sender);
        watchers.count.fetch_add(1, Ordering::Release);
        Self { watchers: Arc::clone(watchers), request, outcome }
    }

    /// The end of the delivery. Pends for ever when there is none to wait for: give it a timeout.
    pub async fn outcome(&mut self) -> SyncOutcome {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.remove(self.request);
    }
}
