//! What a configured channel or agent grants its plugin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::CallError;
use super::limits::CallLimits;
use super::network::Network;
use super::state::PluginState;

/// One configured channel or agent as its plugin sees it: settings, grants and permits for calls.
///
/// It outlives the generations of the plugin, so that a swap does not change how many calls are in flight.
pub struct Binding {
    /// The name of the channel or agent.
    pub name: String,
    /// The `config` table: strings as they are, everything else as JSON.
    pub config: BTreeMap<String, String>,
    pub network: Network,
    pub state: Option<Arc<PluginState>>,
    /// Wall-clock time that one call may take.
    pub time: Duration,
    permits: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

impl Binding {
    /// A binding with the time, concurrency and queue of `limits`.
    pub fn new(name: &str, config: BTreeMap<String, String>, network: Network, limits: &CallLimits) -> Self {
        Self {
            name: name.to_owned(),
            config,
            network,
            state: None,
            time: limits.time,
            permits: Semaphore::new(limits.concurrency),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
        }
    }

    pub fn with_state(mut self, state: Option<Arc<PluginState>>) -> Self {
        self.state = state;
        self
    }

    /// Whether a call would be refused now. Cheap.
    pub fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.queue && self.permits.available_permits() == 0
    }

    /// Takes a permit, waiting until `deadline` at most; `Busy` at once when the queue is full.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiter = Waiter::new(self).ok_or(CallError::Busy)?;
        match tokio::time::timeout_at(deadline.into(), self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(CallError::Busy),
        }
    }
}

/// Counts one waiting call while it exists.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(binding: &'a Binding) -> Option<Self> {
        let waiter = Self(&binding.waiting);
        let before = waiter.0.fetch_add(1, Ordering::Relaxed);
        (before < binding.queue).then_some(waiter)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let limits = CallLimits { concurrency: 1, queue: 0, ..CallLimits::default() };
        let binding = Binding::new("dummy", BTreeMap::new(), Network::Closed, &limits);
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(!binding.is_full());
        let permit = binding.enter(deadline).await.unwrap();

        assert!(matches!(binding.enter(deadline).await, Err(CallError::Busy)));
        assert!(binding.is_full());
        drop(permit);
        assert!(binding.enter(deadline).await.is_ok());
    }
}
