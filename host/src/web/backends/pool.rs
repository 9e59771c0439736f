//! Connections to one address that wait for their next request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::wire::Wire;

/// How long a connection may wait: servers close theirs after 5 s and more, and a request that meets the end of a connection has to
/// be sent again.
const IDLE: Duration = Duration::from_secs(4);

/// The newest is used first, so that those which are not needed grow old.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Wire, Instant)>>);

impl Pool {
    pub(super) fn take(&self) -> Option<Wire> {
        let mut idle = self.idle();
        while let Some((wire, since)) = idle.pop() {
            if since.elapsed() >= IDLE {
                // All others wait for longer.
                idle.clear();
            } else if !wire.is_closed() {
                return Some(wire);
            }
        }
        None
    }

    pub(super) fn put(&self, wire: Wire) {
        if !wire.is_closed() {
            self.idle().push((wire, Instant::now()));
        }
    }

    /// Closes those that wait for too long.
    pub(super) fn purge(&self) {
        self.idle().retain(|(wire, since)| since.elapsed() < IDLE && !wire.is_closed());
    }

    pub(super) fn len(&self) -> usize {
        self.idle().len()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Wire, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
