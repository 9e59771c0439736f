//! How many webhook requests are worked on at once.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::http::refusal::{Refusal, Shortage};

/// The places of webhook requests in flight, and the queue in front of them.
///
/// Nothing has been done for a request in the queue: its body is not read. The queue evens out bursts, and keeps callers
/// that retry at once from spending the processor on refusals. It is short in number and in time, so that the requests that
/// get a place are still wanted.
pub(crate) struct Admission {
    places: Semaphore,
    queue: Semaphore,
    patience: Duration,
}

impl Admission {
    pub(crate) fn new(places: usize, queue: usize, patience: Duration) -> Self {
        let semaphore = |permits: usize| Semaphore::new(permits.min(Semaphore::MAX_PERMITS));
        Self { places: semaphore(places), queue: semaphore(queue), patience }
    }

    /// A place, in the order of arrival. Refuses at once when the queue is full, and later when it does not move.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        let refusal = |_| Refusal::Overloaded(Shortage::Requests);
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waits = self.queue.try_acquire().map_err(|_| refusal(()))?;
        let place = tokio::time::timeout(self.patience, self.places.acquire()).await;
        place.map_err(|_| refusal(()))?.map_err(|_| refusal(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_waits_for_a_place_but_not_for_long_and_not_in_a_crowd() {
        let refused = |result| matches!(result, Err(Refusal::Overloaded(Shortage::Requests)));
        let hasty = Admission::new(1, 9, Duration::from_millis(1));
        let _place = hasty.enter().await.ok().unwrap();
        assert!(refused(hasty.enter().await));

        let patient = Admission::new(1, 1, Duration::from_secs(60));
        let place = patient.enter().await.ok().unwrap();
        let (first, second, ()) = tokio::join!(patient.enter(), patient.enter(), async { drop(place) });
        assert!(first.is_ok());
        assert!(refused(second));
    }
}
