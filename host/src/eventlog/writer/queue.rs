//! What waits for the writer: bounded, and gathered into commits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::eventlog::EventLogError;

/// What waits for the writer. Bounded by count and bytes; a full queue refuses at once.
///
/// New events and everything else are counted apart, so that deliveries are recorded while intake is overloaded.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<QueueState<T>>,
    ready: Condvar,
    limit: usize,
    limit_bytes: usize,
}

#[derive(Debug)]
struct QueueState<T> {
    waiting: VecDeque<(T, Weight)>,
    intake: usize,
    upkeep: usize,
    bytes: usize,
    closed: bool,
    /// What the writer waits for; `None` while it works.
    wanted: Option<Wanted>,
}

/// How many receipts or other writes wake the writer.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    intake: usize,
    upkeep: usize,
}

/// What a commit waits for, so that few commits serve many callers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gather {
    /// Receipts that are likely to come: as many as there were a moment ago.
    pub(crate) receipts: usize,
    /// How long the first of them waits for the others.
    pub(crate) linger: Duration,
    /// How long other writes wait for a receipt to be committed with: nobody who sent a request waits for them.
    pub(crate) upkeep: Duration,
}

/// How many other writes are worth a commit without a receipt.
const ENOUGH_UPKEEP: usize = 256;

type Waiting<'a, T> = MutexGuard<'a, QueueState<T>>;

/// What a request adds to a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub(crate) intake: bool,
    pub(crate) changes: usize,
    pub(crate) bytes: usize,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    Batch(Vec<T>),
    TimedOut,
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize, limit_bytes: usize) -> Self {
        let state =
            QueueState { waiting: VecDeque::new(), intake: 0, upkeep: 0, bytes: 0, closed: false, wanted: None };
        Self { state: Mutex::new(state), ready: Condvar::new(), limit, limit_bytes }
    }

    pub(crate) fn push(&self, request: T, weight: Weight) -> Result<(), EventLogError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EventLogError::Closed);
        }
        let QueueState { intake, upkeep, bytes, .. } = &mut *state;
        let count = if weight.intake { intake } else { upkeep };
        if *count >= self.limit || (weight.intake && *bytes + weight.bytes > self.limit_bytes) {
            return Err(EventLogError::Overloaded);
        }
        *count += 1;
        *bytes += weight.bytes;
        state.waiting.push_back((request, weight));
        let wake = state.wanted.is_some_and(|wanted| state.intake >= wanted.intake || state.upkeep >= wanted.upkeep);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Removes what waits, up to the limits. A request that is larger than them comes alone.
    ///
    /// Waits for the first request, for ever without a `patience`, and then as `gather` says.
    pub(crate) fn take(
        &self,
        limit_changes: usize,
        limit_bytes: usize,
        gather: Gather,
        patience: Option<Duration>,
    ) -> Taken<T> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            state.wanted = Some(Wanted { intake: 1, upkeep: 1 });
            match patience {
                None => state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (woken, timeout) =
                        self.ready.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                    state = woken;
                    if timeout.timed_out() && state.waiting.is_empty() {
                        state.wanted = None;
                        return if state.closed { Taken::Closed } else { Taken::TimedOut };
                    }
                }
            }
        }
        if state.intake == 0 {
            state = self.wait_for(state, Wanted { intake: 1, upkeep: ENOUGH_UPKEEP }, gather.upkeep);
        }
        if state.intake > 0 {
            state = self.wait_for(state, Wanted { intake: gather.receipts, upkeep: usize::MAX }, gather.linger);
        }
        state.wanted = None;
        let (mut batch, mut changes, mut bytes) = (Vec::with_capacity(state.waiting.len()), 0, 0);
        while let Some((_, weight)) = state.waiting.front() {
            changes += weight.changes;
            bytes += weight.bytes;
            if !batch.is_empty() && (changes > limit_changes || bytes > limit_bytes) {
                break;
            }
            let Some((request, weight)) = state.waiting.pop_front() else { break };
            *(if weight.intake { &mut state.intake } else { &mut state.upkeep }) -= 1;
            state.bytes -= weight.bytes;
            batch.push(request);
        }
        Taken::Batch(batch)
    }

    fn wait_for<'a>(&self, mut state: Waiting<'a, T>, wanted: Wanted, time: Duration) -> Waiting<'a, T> {
        state.wanted = Some(wanted);
        let too_few =
            |state: &mut QueueState<T>| state.intake < wanted.intake && state.upkeep < wanted.upkeep && !state.closed;
        self.ready.wait_timeout_while(state, time, too_few).unwrap_or_else(PoisonError::into_inner).0
    }

    /// How many receipts wait.
    pub(crate) fn receipts(&self) -> usize {
        self.lock().intake
    }

    /// Whether no receipt has room.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.lock();
        state.intake >= self.limit || state.bytes >= self.limit_bytes
    }

    /// Refuses new requests; those that wait are still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(intake: bool, changes: usize, bytes: usize) -> Weight {
        Weight { intake, changes, bytes }
    }

    fn batch(queue: &Queue<u32>) -> Vec<u32> {
        match queue.take(4, 100, Gather::default(), Some(Duration::ZERO)) {
            Taken::Batch(batch) => batch,
            Taken::TimedOut | Taken::Closed => Vec::new(),
        }
    }

    #[test]
    fn a_batch_ends_before_its_limits_and_a_large_request_comes_alone() {
        let queue = Queue::new(100, 10_000);
        for (request, events, bytes) in [(1, 2, 10), (2, 2, 10), (3, 1, 10), (4, 9, 10), (5, 1, 900), (6, 1, 1)] {
            queue.push(request, weight(true, events, bytes)).unwrap();
        }

        let batches: Vec<_> = (0..6).map(|_| batch(&queue)).collect();

        assert_eq!(batches, [vec![1, 2], vec![3], vec![4], vec![5], vec![6], vec![]]);
    }

    #[test]
    fn a_full_queue_refuses_by_count_and_by_bytes() {
        let queue = Queue::new(2, 100);
        queue.push(1, weight(true, 1, 60)).unwrap();
        assert_eq!(queue.push(2, weight(true, 1, 60)), Err(EventLogError::Overloaded));
        assert!(!queue.is_full());
        queue.push(2, weight(true, 1, 40)).unwrap();
        assert!(queue.is_full());
        assert_eq!(queue.push(3, weight(true, 1, 0)), Err(EventLogError::Overloaded));
        queue.push(4, weight(false, 1, 0)).unwrap();
        assert_eq!(batch(&queue), [1, 2, 4]);
        queue.push(5, weight(true, 1, 100)).unwrap();
        queue.close();
        assert_eq!(queue.push(6, weight(true, 1, 1)), Err(EventLogError::Closed));
        assert_eq!(batch(&queue), [5]);
    }
}
