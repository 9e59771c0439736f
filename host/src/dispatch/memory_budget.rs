//! Memory for waiting events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event::Event;

/// Memory of an event besides its data.
const OVERHEAD: usize = 512;

/// Memory for waiting events, shared by all agents.
pub(super) struct MemoryBudget {
    left: AtomicUsize,
}

impl MemoryBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// Keeps `event` in memory if there is room.
    pub(super) fn hold(self: &Arc<Self>, event: &Arc<Event>) -> Option<HeldEvent> {
        let bytes = event.data.len() + OVERHEAD;
        let take = |left: usize| left.checked_sub(bytes);
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(HeldEvent { event: Arc::clone(event), bytes, budget: Arc::clone(self) })
    }
}

/// An event in memory. Dropping it returns its room.
pub(super) struct HeldEvent {
    pub(super) event: Arc<Event>,
    bytes: usize,
    budget: Arc<MemoryBudget>,
}

impl Drop for HeldEvent {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
