//! What the writer, the readers and the thread that applies have in common.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::layer::Layers;
use super::segment::Segment;
use super::segments::Segments;
use crate::eventlog::engine::sled::Sled;
use crate::eventlog::engine::{EngineError, JournalStats};

/// What the writer, the readers and the thread that applies have in common. Who holds `work` may take `layers`, never the
/// other way round.
pub(super) struct Shared {
    /// Keys, small values, and pointers to large ones.
    pub(super) store: Sled,
    pub(super) segments: Segments,
    layers: RwLock<Layers>,
    /// Held while the store is changed, so that who counts in it sees no half of a change.
    step: Mutex<()>,
    work: Mutex<Work>,
    /// Tells that `work` has changed, or that a layer was applied.
    changed: Condvar,
    /// Bytes of the values in segments that the store points to.
    pub(super) live: AtomicU64,
    /// Commits that waited for a layer to be applied, or for a segment.
    waits: AtomicU64,
    pub(super) sizes: Sizes,
}

/// How large things are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Of a segment.
    pub(crate) segment: u64,
    /// What the store is given at once, about.
    pub(crate) batch: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { segment: 8 << 20, batch: 512 << 10 }
    }
}

/// What is asked of the thread that applies, and what it has made.
#[derive(Default)]
pub(super) struct Work {
    /// Segments that are prepared, in the order in which they are to be used.
    pub(super) spares: VecDeque<Segment>,
    /// Whether segments are to be prepared ahead: not before somebody writes.
    pub(super) ahead: bool,
    /// The capacity of the segment that a commit waits for.
    pub(super) wanted: Option<u64>,
    /// Why what a commit waits for cannot be done now.
    pub(super) blocked: Option<EngineError>,
    /// Why nothing is done any more.
    pub(super) failure: Option<EngineError>,
    pub(super) stop: bool,
}

impl Shared {
    pub(super) fn new(store: Sled, segments: Segments, sizes: Sizes) -> Self {
        Self {
            store,
            segments,
            layers: RwLock::default(),
            step: Mutex::default(),
            work: Mutex::default(),
            changed: Condvar::new(),
            live: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            sizes,
        }
    }

    pub(super) fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for those who read: an error while the store is not open.
    pub(super) fn open_layers(&self) -> Result<RwLockReadGuard<'_, Layers>, EngineError> {
        let layers = self.layers();
        if layers.open { Ok(layers) } else { Err(EngineError::Unavailable("the store is closed".to_owned())) }
    }

    /// Keeps the store as it is.
    pub(super) fn step(&self) -> MutexGuard<'_, ()> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the work, and wakes who waits for it.
    pub(super) fn tell<T>(&self, change: impl FnOnce(&mut Work) -> T) -> T {
        let told = change(&mut self.work());
        self.changed.notify_all();
        told
    }

    /// Waits for a change, at most `patience`.
    pub(super) fn wait<'a>(&self, work: MutexGuard<'a, Work>, patience: Duration) -> MutexGuard<'a, Work> {
        self.changed.wait_timeout(work, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits at most `patience` until `done` finds what it looks for. The thread that applies knows by `work` what is asked of
    /// it.
    ///
    /// # Errors
    /// Why that thread cannot do it; `Unavailable` when it takes too long.
    pub(super) fn wait_for<T>(
        &self,
        patience: Duration,
        mut done: impl FnMut(&mut Work) -> Option<T>,
    ) -> Result<T, EngineError> {
        let asked = Instant::now();
        let mut work = self.work();
        work.blocked = None;
        let mut waited = false;
        loop {
            if let Some(failure) = &work.failure {
                return Err(failure.clone());
            }
            if let Some(found) = done(&mut work) {
                return Ok(found);
            }
            if let Some(blocked) = work.blocked.take() {
                work.wanted = None;
                return Err(blocked);
            }
            if asked.elapsed() >= patience {
                work.wanted = None;
                let seconds = patience.as_secs();
                return Err(EngineError::Unavailable(format!("the journal was not applied within {seconds} s")));
            }
            if !waited {
                self.waits.fetch_add(1, Ordering::Relaxed);
                waited = true;
            }
            self.changed.notify_all();
            work = self.wait(work, Self::LOOK);
        }
    }

    /// Nobody waits longer without looking again.
    const LOOK: Duration = Duration::from_millis(250);

    pub(super) fn stats(&self) -> JournalStats {
        JournalStats {
            segments: self.segments.count(),
            bytes: self.segments.bytes(),
            live: self.live.load(Ordering::Relaxed),
            waiting: self.layers().waiting(),
            waits: self.waits.load(Ordering::Relaxed),
        }
    }
}
