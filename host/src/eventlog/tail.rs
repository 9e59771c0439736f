//! The log as it grows: every event in order of position, from memory while it is recent, from the log behind that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::EventLogError;
use super::query::{Query, Range, ScanLimits, Skipped};
use super::scan::Reader;
use super::snapshot::{Snapshot, WriterState};
use crate::event::{Event, Seq};

/// Reads the log in order and waits at the head.
///
/// Cancel safe: what a dropped [`Tail::next`] would have returned is returned by the next one.
pub struct Tail {
    reader: Arc<Reader>,
    recent: Arc<Recent>,
    changes: watch::Receiver<Snapshot>,
    next: Seq,
    with_repeats: bool,
}

/// Consecutive events, and what was jumped over between them.
#[derive(Clone, Debug, Default)]
pub struct TailPage {
    pub events: Vec<Arc<Event>>,
    pub skipped: Vec<Skipped>,
    /// Everything up to here was in this page or in those before.
    pub upto: Seq,
}

impl Tail {
    /// One page: 256 events and 1 MiB of payloads.
    const LIMITS: ScanLimits = ScanLimits { items: 256, scanned: 10_000, bytes: 1 << 20 };

    pub(super) fn new(
        reader: Arc<Reader>,
        recent: Arc<Recent>,
        changes: watch::Receiver<Snapshot>,
        after: Seq,
    ) -> Self {
        recent.join();
        Self { reader, recent, changes, next: after.next(), with_repeats: false }
    }

    /// The same with repetitions, which only processors are told of.
    #[must_use]
    pub(super) const fn with_repeats(mut self) -> Self {
        self.with_repeats = true;
        self
    }

    /// What follows; waits while there is nothing.
    ///
    /// # Errors
    /// `Closed` and `Poisoned` when nothing will follow any more; `Corrupt` and `Io` as for every read.
    pub async fn next(&mut self) -> Result<TailPage, EventLogError> {
        let next = self.next;
        let has_more = |snapshot: &Snapshot| {
            snapshot.head >= next || matches!(snapshot.writer, WriterState::Failed(_) | WriterState::Closed)
        };
        let (head, state) = match self.changes.wait_for(has_more).await {
            Ok(snapshot) => (snapshot.head, snapshot.writer.clone()),
            Err(_) => return Err(EventLogError::Closed),
        };
        if head < next {
            return Err(state.accepts_upkeep().err().unwrap_or(EventLogError::Closed));
        }
        let mut page = match self.recent.from(next, Self::LIMITS) {
            Some(events) => {
                let upto = events.last().map_or(head, |event| event.seq);
                TailPage { events, skipped: Vec::new(), upto }
            }
            None => self.read(next).await?,
        };
        self.next = page.upto.next();
        page.events.retain(|event| event.quarantine.is_none() && (self.with_repeats || event.repeat_of.is_none()));
        Ok(page)
    }

    async fn read(&self, from: Seq) -> Result<TailPage, EventLogError> {
        let reader = Arc::clone(&self.reader);
        let read = move || reader.scan(&Query::whole(), Range::up_from(from), Self::LIMITS);
        let read = tokio::task::spawn_blocking(read).await;
        let page = read.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))?;
        let upto = page.next.map_or(page.head, |next| Seq(next.0 - 1));
        let events = page.items.into_iter().map(|stored| Arc::new(stored.event)).collect();
        Ok(TailPage { events, skipped: page.skipped, upto })
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.recent.leave();
    }
}

/// The last events that were committed, kept while somebody reads a tail.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    readers: usize,
    /// Without a gap.
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

impl Recent {
    const EVENTS: usize = 4096;
    const BYTES: usize = 16 << 20;

    fn join(&self) {
        self.lock().readers += 1;
    }

    fn leave(&self) {
        let mut ring = self.lock();
        ring.readers -= 1;
        if ring.readers == 0 {
            *ring = Ring::default();
        }
    }

    /// Adds the events of a commit.
    pub(super) fn add<'a>(&self, events: impl Iterator<Item = &'a Arc<Event>>) {
        let mut ring = self.lock();
        if ring.readers == 0 {
            return;
        }
        for event in events {
            if ring.events.back().is_some_and(|last| last.seq.next() != event.seq) {
                ring.events.clear();
                ring.bytes = 0;
            }
            ring.bytes += event.data.len();
            ring.events.push_back(Arc::clone(event));
            while ring.events.len() > Self::EVENTS || ring.bytes > Self::BYTES {
                let Some(oldest) = ring.events.pop_front() else { break };
                ring.bytes -= oldest.data.len();
            }
        }
    }

    /// The events from `next` on; `None` if that one is no longer here, or not yet.
    fn from(&self, next: Seq, limits: ScanLimits) -> Option<Vec<Arc<Event>>> {
        let ring = self.lock();
        let first = ring.events.front()?.seq;
        let skip = usize::try_from(next.0.checked_sub(first.0)?).ok()?;
        let mut bytes = 0_usize;
        let within = |event: &&Arc<Event>| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(event.data.len());
            is_first || bytes <= limits.bytes
        };
        let events: Vec<_> = ring.events.iter().skip(skip).take(limits.items).take_while(within).cloned().collect();
        Some(events).filter(|events| !events.is_empty())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
