//! Callers of synchronous routes that wait for the end of a delivery.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::event::RequestId;
use crate::plugin::Answer;

/// The end of a delivery.
#[derive(Debug)]
pub enum SyncOutcome {
    Delivered(Answer),
    Dead { code: String, message: String },
}

/// All waiting callers.
#[derive(Default)]
pub(super) struct Watchers {
    /// Their number, so that most deliveries need not take the lock.
    count: AtomicUsize,
    waiting: Mutex<HashMap<RequestId, oneshot::Sender<SyncOutcome>>>,
}

impl Watchers {
    /// Sends the outcome to the caller of `request`, if it still waits.
    pub(super) fn settle(&self, request: RequestId, outcome: SyncOutcome) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(caller) = self.remove(request) {
            // The caller may be gone.
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

/// One waiting caller. Dropping it ends the wait, not the delivery.
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

    /// Waits for the end of the delivery. Never returns if there is no delivery: use a timeout.
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
