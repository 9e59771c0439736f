//! The thread behind the writer: it applies layers to the store of keys, and prepares, frees and empties segments.
//!
//! A step of it is small, and a crash after any of them loses nothing:
//! * A layer goes into the store in batches. What the store has of it is hidden by the layer, and after a crash by the records
//!   of the journal, until the store has all of it and, after a sync, the number of its last write.
//! * A segment is freed when the store has all of its records, and points to nothing in it, on the disk.
//! * A segment is emptied by writing again what the store points to in it, into a segment without numbers that a recovery
//!   does not read; the pointers follow after a sync.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tracing::{error, warn};

use super::batch::{Batch, Live};
use super::layer::Layer;
use super::record::{Draft, Entry, Found};
use super::segment::{self, START, Segment};
use super::segments::Known;
use super::shared::Shared;
use crate::event::Seq;
use crate::eventlog::engine::sled::write_failure;
use crate::eventlog::engine::{EngineError, Op, Purpose, panic_message};

pub(super) struct Applier {
    shared: Arc<Shared>,
    live: Live,
    /// The number of the last write that the store has in full.
    applied: u64,
    /// How far the oldest layer is.
    cursor: Option<Bytes>,
    /// What the store was given since it was synced.
    unsynced: usize,
    /// The id of the next segment.
    next: u64,
    /// Where values are written that empty other segments.
    target: Option<Target>,
    /// Segments with values that cannot be read.
    stuck: Vec<u64>,
    /// Whether a segment may be emptied before the next layer is applied.
    may_empty: bool,
}

struct Target {
    segment: Segment,
    at: u64,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    Nothing,
    /// It has to wait for room on the disk.
    Blocked(EngineError),
}

impl Applier {
    /// How many segments are prepared ahead.
    const SPARES: usize = 2;
    /// Segments that may lie idle, however little lives in them.
    const SLACK: u64 = 4;
    /// A layer is applied after this time, however small it is: what it removes takes room until then.
    const AGE: Duration = Duration::from_secs(5);
    /// What the store is given between two syncs. sled makes a few times as much of it, and writes over a segment of its file,
    /// of 4 MiB, once it has written another one since what was in there went elsewhere: that must be on the disk by then.
    const UNSYNCED: usize = 512 << 10;
    /// How often it looks whether there is room again.
    const LOOK: Duration = Duration::from_millis(250);

    pub(super) fn new(shared: Arc<Shared>, applied: u64, next: u64) -> Result<Self, EngineError> {
        let live = Live::load(&shared.store)?;
        shared.live.store(live.total(), Ordering::Relaxed);
        let (cursor, target, stuck) = (None, None, Vec::new());
        Ok(Self { shared, live, applied, cursor, unsynced: 0, next, target, stuck, may_empty: true })
    }

    /// Works until it is to stop, or something fails.
    pub(super) fn run(mut self) {
        loop {
            if self.shared.work().stop {
                return;
            }
            // Whoever waits for it must hear of a panic as of any other failure.
            let done = catch_unwind(AssertUnwindSafe(|| self.step()))
                .unwrap_or_else(|panic| Err(EngineError::Failed(panic_message(&*panic))));
            match done {
                Ok(Step::Done) => {}
                Ok(Step::Nothing) => self.rest(),
                Ok(Step::Blocked(error)) => {
                    self.shared.tell(|work| work.blocked = Some(error));
                    self.rest();
                }
                Err(failure) => {
                    error!(error = %failure, "Event log cannot apply what was written");
                    self.shared.tell(|work| work.failure = Some(failure));
                    return;
                }
            }
        }
    }

    /// Waits for work.
    fn rest(&self) {
        let work = self.shared.work();
        if work.stop || work.wanted.is_some() && work.blocked.is_none() {
            return;
        }
        let waits = self.shared.layers().frozen() > 0;
        if waits && work.blocked.is_none() {
            return;
        }
        drop(self.shared.wait(work, Self::LOOK));
        let mut layers = self.shared.layers_mut();
        if layers.began().is_some_and(|began| began.elapsed() >= Self::AGE) {
            layers.freeze_if_idle();
        }
    }

    /// Does one thing of what is to do, what a commit may wait for first.
    pub(super) fn step(&mut self) -> Result<Step, EngineError> {
        let shared = Arc::clone(&self.shared);
        let _step = shared.step();
        let wanted = shared.work().wanted;
        let blocked = match wanted.map(|capacity| self.prepare_wanted(capacity)).transpose()? {
            // What is applied next may free a segment.
            Some(Step::Blocked(full)) => Some(full),
            Some(step) => return Ok(step),
            None => None,
        };
        // Within a layer the store is not synced.
        let is_between = self.cursor.is_none();
        if is_between && self.free()? || blocked.is_none() && self.prepare_ahead()? {
            return Ok(Step::Done);
        }
        let waits = self.shared.layers().frozen() > 0;
        self.may_empty |= !waits;
        if blocked.is_none() && is_between && self.may_empty && self.empty()? {
            self.may_empty = !waits;
            return Ok(Step::Done);
        }
        if !waits {
            return Ok(blocked.map_or(Step::Nothing, Step::Blocked));
        }
        match self.shared.store.room(self.shared.sizes.batch, Purpose::Removal) {
            Ok(()) => self.apply().map(|_| Step::Done),
            Err(full) => Ok(Step::Blocked(full)),
        }
    }

    /// Prepares a segment that a commit waits for.
    fn prepare_wanted(&mut self, capacity: u64) -> Result<Step, EngineError> {
        if let Err(full) = self.shared.store.room_for_file(capacity, Purpose::Removal) {
            return Ok(Step::Blocked(full));
        }
        // Segments are used in the order of their ids, so those ahead cannot stay before a larger one.
        for spare in self.shared.tell(|work| std::mem::take(&mut work.spares)) {
            self.shared.segments.forget(spare.id);
            self.shared.segments.remove(spare.id).map_err(|error| self.failed(&error))?;
        }
        match self.make(capacity) {
            Ok(segment) => {
                self.offer(segment);
                Ok(Step::Done)
            }
            Err(full @ EngineError::Full(_)) => Ok(Step::Blocked(full)),
            Err(error) => Err(error),
        }
    }

    /// Prepares a segment before somebody needs it. Returns whether it did.
    fn prepare_ahead(&mut self) -> Result<bool, EngineError> {
        let size = self.shared.sizes.segment;
        let (spares, ahead) = {
            let work = self.shared.work();
            (work.spares.len(), work.ahead)
        };
        if !ahead || spares >= Self::SPARES || self.shared.store.room_for_file(size, Purpose::Intake).is_err() {
            return Ok(false);
        }
        match self.make(size) {
            Ok(segment) => self.offer(segment),
            Err(EngineError::Full(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn offer(&self, segment: Segment) {
        self.shared.segments.add(&segment);
        self.shared.tell(|work| {
            work.wanted = work.wanted.filter(|wanted| *wanted > segment.capacity);
            work.spares.push_back(segment);
        });
    }

    fn make(&mut self, capacity: u64) -> Result<Segment, EngineError> {
        let dir = self.shared.segments.dir();
        if !dir.exists() {
            let made = std::fs::create_dir(dir);
            made.and_then(|()| dir.parent().map_or(Ok(()), segment::sync)).map_err(|error| self.failed(&error))?;
        }
        let id = self.next;
        self.next += 1;
        Segment::prepare(self.shared.segments.dir(), id, capacity).map_err(|error| self.failed(&error))
    }

    /// Applies a batch of the oldest layer. Returns whether there was one.
    pub(super) fn apply(&mut self) -> Result<bool, EngineError> {
        let Some(layer) = self.shared.layers().oldest() else { return Ok(false) };
        let mut batch = Batch::default();
        let from = self.cursor.clone().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, entry) in layer.entries.range((from, Bound::Unbounded)) {
            batch.add(&self.shared.store, key, entry)?;
            self.cursor = Some(key.clone());
            if batch.bytes() >= self.shared.sizes.batch {
                break;
            }
        }
        let ends = self.cursor.as_ref() == layer.entries.last_key_value().map(|(key, _)| key);
        self.unsynced += batch.bytes();
        batch.apply(&self.shared.store, &mut self.live)?;
        self.shared.live.store(self.live.total(), Ordering::Relaxed);
        if ends {
            self.finish(&layer)?;
        } else if self.unsynced >= Self::UNSYNCED {
            self.shared.store.sync()?;
            self.unsynced = 0;
        }
        Ok(true)
    }

    /// Makes the layer durable in the store, and lets it go.
    fn finish(&mut self, layer: &Layer) -> Result<(), EngineError> {
        let store = &self.shared.store;
        // The number must not be on the disk before what it stands for.
        store.sync()?;
        store.apply(Vec::new(), Some(layer.last))?;
        store.sync()?;
        self.applied = layer.last;
        self.cursor = None;
        self.unsynced = 0;
        self.may_empty = true;
        self.shared.layers_mut().applied();
        self.shared.tell(|_| ());
        Ok(())
    }

    /// Frees a segment that nobody needs, to be used again or removed. Returns whether there was one.
    fn free(&mut self) -> Result<bool, EngineError> {
        let is_free = |id: &u64, known: &Known| known.last <= self.applied && self.live.of(*id) == 0;
        let free = self.shared.segments.look(|all| {
            let free = all.iter().find(|(id, known)| is_free(id, known));
            free.map(|(id, known)| (*id, *known))
        });
        let Some((id, known)) = free else { return Ok(false) };
        self.shared.segments.forget(id);
        let spares = self.shared.work().spares.len();
        if known.capacity == self.shared.sizes.segment && spares < Self::SPARES {
            let new = self.next;
            self.next += 1;
            match Segment::prepare_again(self.shared.segments.dir(), id, new).map_err(|error| self.failed(&error)) {
                Ok(again) => {
                    self.offer(again);
                    return Ok(true);
                }
                // Its room is given back below, if its file is still there.
                Err(EngineError::Full(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.shared.segments.remove(id).map_err(|error| self.failed(&error))?;
        Ok(true)
    }

    /// Empties the segment with the least in it, when more than half of what the segments take is of no use. Returns whether
    /// there was one.
    fn empty(&mut self) -> Result<bool, EngineError> {
        let target = self.target.as_ref().map(|target| target.segment.id);
        let least = self.shared.segments.look(|all| {
            let full = || all.iter().filter(|(id, known)| known.last <= self.applied && Some(**id) != target);
            let taken: u64 = full().map(|(_, known)| known.capacity).sum();
            let live: u64 = full().map(|(id, _)| self.live.of(*id)).sum();
            if taken <= 2 * live + Self::SLACK * self.shared.sizes.segment {
                return None;
            }
            let least = full()
                .filter(|(id, _)| !self.stuck.contains(id))
                .min_by_key(|(id, known)| self.live.of(**id) * 1024 / known.capacity.max(1));
            least.map(|(id, known)| (*id, *known))
        });
        let Some((id, known)) = least else { return Ok(false) };
        let worth = self.live.of(id) * 4 <= known.capacity * 3;
        if !worth || self.shared.store.room_for_file(self.shared.sizes.segment, Purpose::Removal).is_err() {
            return Ok(false);
        }
        match self.move_values(id) {
            Ok(()) => {}
            Err(EngineError::Full(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        if self.live.of(id) > 0 {
            let file = segment::path(self.shared.segments.dir(), id);
            warn!(file = %file.display(), "Values in it cannot be read, so that its room is not used again");
            self.stuck.push(id);
        }
        Ok(true)
    }

    /// Writes again what the store points to in segment `id`.
    fn move_values(&mut self, id: u64) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let opened = Segment::open(shared.segments.dir(), id, false).and_then(|opened| {
            opened.map(|segment| segment.content().map(|content| (segment.salt, content))).transpose()
        });
        let (salt, content) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(()),
            // Its values are lost one by one, when they are read; the log goes on.
            Err(error) => {
                warn!(file = %segment::path(shared.segments.dir(), id).display(), %error, "A segment cannot be read");
                return Ok(());
            }
        };
        let mut values = Vec::new();
        let mut bytes = 0;
        let mut at = START as usize;
        while let Some(found) = Found::at(&content, at, salt) {
            at = found.place.end;
            for (key, entry) in found.entries(&content, id) {
                let Entry::At(pointer) = entry else { continue };
                if shared.store.get(&key)?.as_deref() != Some(&pointer.write()[..]) {
                    continue;
                }
                let start = pointer.offset as usize;
                let value = &content[start..start + pointer.length as usize];
                bytes += value.len();
                values.push(Op::Put(key.to_vec(), value.to_vec()));
                if bytes >= shared.sizes.batch {
                    self.write_again(std::mem::take(&mut values))?;
                    bytes = 0;
                }
            }
        }
        self.write_again(values)
    }

    /// Writes values into the target, syncs it, and lets the store point there.
    fn write_again(&mut self, values: Vec<Op>) -> Result<(), EngineError> {
        if values.is_empty() {
            return Ok(());
        }
        let mut draft = Draft::new(values, Found::UNNUMBERED, Seq(0));
        let fits = |target: &Target| target.at + draft.len() <= target.segment.capacity;
        if !self.target.as_ref().is_some_and(fits) {
            if let Some(full) = self.target.take() {
                self.shared.segments.end(full.segment.id, 0);
            }
            let segment = self.make(self.shared.sizes.segment.max(START + draft.len()))?;
            self.shared.segments.add(&segment);
            self.target = Some(Target { segment, at: START });
        }
        let Some(Target { segment, at }) = &mut self.target else { return Ok(()) };
        let (id, offset) = (segment.id, *at);
        *at += draft.len();
        let written = segment.write(draft.seal(segment.salt), offset);
        written.and_then(|()| segment.file.sync_all()).map_err(|error| write_failure(&error))?;
        let mut batch = Batch::default();
        for (key, entry) in draft.entries(id, offset) {
            batch.add(&self.shared.store, &key, &entry)?;
        }
        batch.apply(&self.shared.store, &mut self.live)?;
        self.shared.store.sync()?;
        self.shared.live.store(self.live.total(), Ordering::Relaxed);
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> EngineError {
        write_failure(&io::Error::new(error.kind(), format!("`{}`: {error}", self.shared.segments.dir().display())))
    }
}
