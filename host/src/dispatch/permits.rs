//! Permits for concurrent attempts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::job::Class;

/// Limits an agent's attempts in flight, shared so that no class takes all of them.
///
/// Retries leave a quarter of the permits, at least one, to first attempts. Replays use at most a quarter. With a single
/// permit the classes alternate.
#[derive(Clone)]
pub(super) struct Permits(Arc<Shared>);

struct Shared {
    limit: AtomicUsize,
    taken: Mutex<Taken>,
    returned: Notify,
}

#[derive(Default)]
struct Taken {
    first: usize,
    retry: usize,
    replay: usize,
}

impl Taken {
    fn of(&mut self, class: Class) -> &mut usize {
        match class {
            Class::First => &mut self.first,
            Class::Retry => &mut self.retry,
            Class::Replay => &mut self.replay,
        }
    }
}

/// The permit of one attempt. Dropping it returns it.
pub(super) struct Permit {
    permits: Permits,
    class: Class,
}

impl Permits {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit: AtomicUsize::new(limit.max(1)),
            taken: Mutex::default(),
            returned: Notify::new(),
        }))
    }

    /// Changes the limit. Attempts in flight beyond a lower one finish.
    pub(super) fn resize(&self, limit: usize) {
        self.0.limit.store(limit.max(1), Ordering::Relaxed);
    }

    /// Whether an attempt of this class may start.
    pub(super) fn is_free(&self, class: Class) -> bool {
        let taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.0.limit.load(Ordering::Relaxed);
        let share = (limit / 4).max(1);
        taken.first + taken.retry + taken.replay < limit
            && match class {
                Class::First => true,
                Class::Retry => taken.retry < (limit - share).max(1),
                Class::Replay => taken.replay < share,
            }
    }

    /// Takes a permit after [`Permits::is_free`]. There is only one taker.
    pub(super) fn take(&self, class: Class) -> Permit {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).of(class) += 1;
        Permit { permits: self.clone(), class }
    }

    /// Waits until a permit was returned since the last call.
    pub(super) async fn returned(&self) {
        self.0.returned.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let shared = &self.permits.0;
        *shared.taken.lock().unwrap_or_else(PoisonError::into_inner).of(self.class) -= 1;
        shared.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts of a class can start while nothing else runs.
    fn most(limit: usize, class: Class) -> usize {
        let permits = Permits::new(limit);
        let mut taken = Vec::new();
        while permits.is_free(class) {
            taken.push(permits.take(class));
        }
        taken.len()
    }

    #[test]
    fn repeated_attempts_and_replays_leave_room_for_first_ones() {
        for (limit, retry, replay) in [(1, 1, 1), (2, 1, 1), (4, 3, 1), (16, 12, 4)] {
            assert_eq!(most(limit, Class::First), limit);
            assert_eq!(most(limit, Class::Retry), retry, "of {limit}");
            assert_eq!(most(limit, Class::Replay), replay, "of {limit}");
        }
    }

    #[test]
    fn a_permit_that_is_dropped_is_free_again() {
        let permits = Permits::new(1);
        let permit = permits.take(Class::Retry);
        assert!(!permits.is_free(Class::First));
        drop(permit);
        assert!(permits.is_free(Class::First));
    }
}
