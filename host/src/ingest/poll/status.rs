//! How the polls of one channel went.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::event::Timestamp;

#[derive(Debug, Default)]
pub(crate) struct Polling(Mutex<Polled>);

/// The last call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polled {
    pub(crate) at: Option<Timestamp>,
    pub(crate) failures: u32,
    pub(crate) error: Option<String>,
}

/// The polling of a channel in `/admin/channels`.
#[derive(Clone, Debug, Serialize)]
pub struct PollStatus {
    pub every_ms: u64,
    /// When the last call ended.
    pub at: Option<Timestamp>,
    /// Failed calls in a row.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
}

impl Polling {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Polled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self, every: Duration) -> PollStatus {
        let Polled { at, failures, error } = self.lock().clone();
        PollStatus { every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX), at, failures, error }
    }
}
