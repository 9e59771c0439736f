//! The memory that bodies may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of bodies that may be in memory at once.
#[derive(Debug)]
pub struct BodyBudget {
    held: AtomicUsize,
    limit: usize,
}

/// The part of a [`BodyBudget`] that one body takes, given back when it is dropped.
#[derive(Debug)]
pub struct BodyShare {
    budget: Arc<BodyBudget>,
    bytes: usize,
}

/// The bodies of other requests take all of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many bytes of request bodies are in memory")]
pub struct NoRoom;

impl BodyBudget {
    pub fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit }
    }

    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed).checked_add(bytes).is_some_and(|sum| sum <= self.limit)
    }
}

impl BodyShare {
    /// Starts at 0 bytes.
    pub fn new(budget: &Arc<BodyBudget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let sum = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.budget.limit);
        self.budget.held.try_update(Ordering::Relaxed, Ordering::Relaxed, sum).map_err(|_| NoRoom)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl BodyBudget {
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}
