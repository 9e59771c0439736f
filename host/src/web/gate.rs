//! A bound on how much may be in flight, without a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lets so many through at once.
#[derive(Debug)]
pub(super) struct Gate {
    most: usize,
    inside: AtomicUsize,
}

/// The place of one; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Pass(Arc<Gate>);

impl Gate {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, inside: AtomicUsize::new(0) })
    }

    pub(super) fn enter(self: &Arc<Self>) -> Option<Pass> {
        // Counted first: a place that is not there is given back by the pass.
        let pass = Pass(Arc::clone(self));
        (self.inside.fetch_add(1, Ordering::Relaxed) < self.most).then_some(pass)
    }

    pub(super) fn inside(&self) -> usize {
        self.inside.load(Ordering::Relaxed)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lets_no_more_through_than_it_has_places() {
        let gate = Gate::new(1);

        let first = gate.enter().unwrap();
        assert!(gate.enter().is_none());
        assert_eq!(gate.inside(), 1);
        drop(first);
        assert!(gate.enter().is_some());
        assert_eq!(gate.inside(), 0);
    }
}
