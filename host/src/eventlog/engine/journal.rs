//! The default engine: a journal, and behind it sled for keys and small values.
//!
//! A write is one record and one sync. Values from 1 KiB on stay where the record has them, and sled gets pointers to them;
//! everything else reaches sled in the background, in large batches. What it does not have yet is in layers above it, so
//! that reads and scans find it.
//!
//! What holds through every crash:
//! 1. A record has a checksum over its length, its number, its changes and the random number of its segment, so that neither
//!    half a record nor what an earlier life of a file has left is taken for one. Nobody outside knows that random number, so
//!    that no payload can have a record in it.
//! 2. Numbers grow by one, also over segments, and a record is written when the one before it is on the disk. The journal
//!    ends before the first record that is not whole, if there is no later one; otherwise it is damaged.
//! 3. A segment counts once its header and its name are on the disk; a start syncs both before it goes on in one. A file that
//!    is not yet one is removed. One that has values is not written to again, even if it looks empty because it is damaged.
//! 4. `confirmed` has the number of the last write on the disk. A journal that ends before is refused.
//! 5. After a failed write or sync nothing is tried again, and nothing acknowledged; a start reads from the disk.
//! 6. sled has the number of the last write that it has in full. It is set when what it stands for was synced, and a segment is
//!    freed when it is on the disk too. A start applies all writes above it; to apply one twice is to apply it once.
//! 7. Between two layers sled has half a commit, and nobody reads it alone. An older program would: `confirmed` is ahead of
//!    sled's number then, and it refuses such a store. The first write of a folder is in sled before it is acknowledged,
//!    with the format that keeps an older program out for ever.
//! 8. A segment has its room on the disk, and was written once, before it is used: a write does not meet a full disk, and its sync
//!    waits for nothing but its bytes. Where none can be prepared, new events are refused. What fails behind the writes is a
//!    failure of the log, also when nobody writes.
//! 9. A pointer is no record, also to an older program, and what it leads to has the checksum of a record.
//! 10. A record that does not fit into the rest of a segment begins the next one, which is as large as it needs to be.
//!
//! A closed journal has applied everything to sled.

mod applier;
mod batch;
mod layer;
#[cfg(test)]
mod model;
mod pointer;
mod record;
mod recovery;
mod segment;
mod segments;
mod shared;

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{info, warn};

use self::applier::Applier;
use self::batch::Live;
use self::pointer::Pointer;
use self::record::{Draft, Entry};
use self::recovery::{Damage, Recovered, recover};
use self::segment::{START, Segment};
use self::segments::{Segments, Value};
use self::shared::Shared;
pub(crate) use self::shared::Sizes;
use super::sled::{Confirmed, Sled, write_failure};
use super::{Direction, Disk, Engine, EngineError, JournalStats, Op, Pair, Purpose};
use crate::event::Seq;
use crate::priority::give_way_if_possible;

/// The folder of the segments, in that of the log.
const SEGMENTS: &str = "journal";

pub(crate) struct Journal {
    shared: Arc<Shared>,
    /// `None` when nothing can be written: closed, failed, or opened to be repaired.
    tail: Mutex<Option<Tail>>,
    applier: Mutex<Option<JoinHandle<()>>>,
}

/// Where the next record goes.
struct Tail {
    segment: Option<(Segment, u64)>,
    /// The number of the last write.
    number: u64,
    /// Whether the folder had no journal before.
    is_first: bool,
}

impl Tail {
    /// How many bytes the segment has room for.
    fn rest(&self) -> u64 {
        self.segment.as_ref().map_or(0, |(segment, at)| segment.capacity.saturating_sub(*at))
    }
}

impl Journal {
    /// Larger blocks make fewer keys, smaller ones cheaper reads.
    const BLOCK: usize = 8 * 1024;
    /// How many layers wait to be applied before a commit does.
    const LAYERS: usize = 4;
    /// What a commit may have besides what its callers asked for.
    const BESIDES: u64 = 1 << 20;
    /// How long a close waits until everything is applied, and for the thread that does that.
    const CLOSE: Duration = Duration::from_secs(20);
    /// How long a commit waits for a layer to be applied, or for a segment. Long before that it is reported to be stalled.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Claims `dir`, and opens or creates the log in it.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, ballast_bytes: u64, min_free: u64) -> Result<Self, EngineError> {
        Self::open_claimed(Self::claim(dir, ballast_bytes, min_free)?, dir, cache_bytes, ballast_bytes, min_free)
    }

    /// Opens or creates the log in `dir`, which is claimed, and applies what the store of keys does not have.
    pub(crate) fn open_claimed(
        claim: File,
        dir: &Path,
        cache_bytes: u64,
        ballast_bytes: u64,
        min_free: u64,
    ) -> Result<Self, EngineError> {
        Self::over(Sled::open_claimed(claim, dir, cache_bytes, ballast_bytes, min_free)?, dir, Sizes::default())
    }

    /// Keeps every other process out of the folder of a log.
    pub(crate) fn claim(dir: &Path, ballast_bytes: u64, min_free: u64) -> Result<File, EngineError> {
        Sled::claim(dir, ballast_bytes, min_free)
    }

    /// The same over a store that is open, with other sizes.
    pub(crate) fn over(store: Sled, dir: &Path, sizes: Sizes) -> Result<Self, EngineError> {
        let segments = Segments::new(dir.join(SEGMENTS));
        let shared = Arc::new(Shared::new(store, segments, sizes));
        let journal = Self { shared, tail: Mutex::default(), applier: Mutex::default() };
        match journal.start() {
            Err(EngineError::Full(detail)) => {
                warn!(dir = %dir.display(), error = detail, "Disk is full, the ballast is freed to open the log");
                journal.reopen().inspect_err(|_| journal.shared.store.close())?;
            }
            started => started.inspect_err(|_| journal.shared.store.close())?,
        }
        Ok(journal)
    }

    /// Opens what is left of the log in `dir`, to be read. `store` is a copy of its store of keys; nothing in `dir` changes.
    pub(crate) fn salvage(store: Sled, dir: &Path) -> Result<Self, EngineError> {
        let segments = Segments::new(dir.join(SEGMENTS));
        let shared = Arc::new(Shared::new(store, segments, Sizes::default()));
        let journal = Self { shared, tail: Mutex::default(), applier: Mutex::default() };
        journal.recover(Damage::Skipped)?;
        journal.shared.layers_mut().open = true;
        Ok(journal)
    }

    /// Recovers what was written, and starts the thread that applies.
    fn start(&self) -> Result<(), EngineError> {
        let (applier, tail) = self.recover(Damage::Refused)?;
        let apply = move || {
            // It may work for long at a time. A commit that waits for it leaves it the processor.
            give_way_if_possible();
            applier.run();
        };
        let thread = std::thread::Builder::new().name("eventlog-apply".to_owned()).spawn(apply);
        let thread = thread.map_err(|error| EngineError::Unavailable(format!("cannot start a thread: {error}")))?;
        *self.applier.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        *self.tail() = Some(tail);
        self.shared.layers_mut().open = true;
        Ok(())
    }

    /// Brings the store of keys to the end of the journal.
    fn recover(&self, damage: Damage) -> Result<(Applier, Tail), EngineError> {
        let Shared { store, segments, .. } = &*self.shared;
        let (applied, live) = (store.applied()?, Live::load(store)?);
        let Recovered { layer, last, tail, spares, known, any } = recover(segments.dir(), applied, &live, damage)
            .map_err(|error| match error {
                EngineError::Damaged { place, detail } => store.damaged(&format!("`{place}`: {detail}")),
                error => error,
            })?;
        match store.confirmed() {
            Some(Confirmed { writes: confirmed, head }) if confirmed > last && damage == Damage::Refused => {
                return Err(store.damaged(&format!(
                    "it ends with write {last}, but {confirmed} were confirmed, up to event {head}: the last {} are lost",
                    confirmed - last
                )));
            }
            _ => {}
        }
        // An id is not given again, so that no pointer leads into another segment.
        let next = known.last_key_value().map_or(1, |(id, _)| id + 1).max(live.next_id());
        segments.reset(known);
        self.shared.tell(|work| *work = shared::Work { spares, ..shared::Work::default() });
        let recovered = layer.entries.len();
        self.shared.layers_mut().reset(layer);
        let mut applier = Applier::new(Arc::clone(&self.shared), applied, next)?;
        while applier.apply()? {}
        if last > applied && recovered > 0 {
            info!(writes = last - applied, "Event log has applied what it had not at its last end");
        }
        Ok((applier, Tail { segment: tail, number: last, is_first: !any }))
    }

    /// Ends the thread that applies, after the step that it is at.
    ///
    /// # Errors
    /// `Unavailable` while a disk that hangs keeps it. It has the store then, which can be neither closed nor opened again.
    fn stop(&self) -> Result<(), EngineError> {
        self.shared.tell(|work| work.stop = true);
        let mut thread = self.applier.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Instant::now();
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if asked.elapsed() >= Self::CLOSE {
                return Err(EngineError::Unavailable("what applies the journal does not end".to_owned()));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        if thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("The thread that applies the journal has panicked");
        }
        Ok(())
    }

    /// Has everything applied that is written, and waits for it at most `patience`.
    fn drain(&self, patience: Duration) -> Result<(), EngineError> {
        self.shared.layers_mut().freeze();
        self.shared.wait_for(patience, |_| (self.shared.layers().frozen() == 0).then_some(()))
    }

    /// Lets a new segment follow, with room for a record of `bytes`.
    fn begin_segment(&self, tail: &mut Tail, bytes: u64) -> Result<(), EngineError> {
        let capacity = self.shared.sizes.segment.max(START + bytes);
        // Room for the layer of this segment comes first: only so many wait.
        self.shared.wait_for(Self::PATIENCE, |_| (self.shared.layers().frozen() < Self::LAYERS).then_some(()))?;
        // On a full disk the segment may be one that this layer frees.
        self.shared.layers_mut().freeze();
        self.shared.tell(|_| ());
        let segment = self.shared.wait_for(Self::PATIENCE, |work| {
            if work.spares.front().is_some_and(|spare| spare.capacity >= capacity) {
                work.wanted = None;
                return work.spares.pop_front();
            }
            work.wanted = Some(capacity);
            None
        })?;
        if let Some((full, _)) = tail.segment.replace((segment, START)) {
            self.shared.segments.end(full.id, tail.number);
        }
        Ok(())
    }

    fn tail(&self) -> MutexGuard<'_, Option<Tail>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `entry` of a key is. What cannot be read is its pointer, which is no record: it concerns one key, and is reported
    /// with its name. `None` when the segment is gone and not in `gone`, where it is noted: it was moved or removed meanwhile.
    fn value(&self, entry: Entry, gone: &mut BTreeSet<Pointer>) -> Option<Bytes> {
        let pointer = match entry {
            Entry::Value(value) => return Some(value),
            Entry::At(pointer) => pointer,
            Entry::Removed => return None,
        };
        match self.shared.segments.read(pointer) {
            Value::Bytes(bytes) => Some(bytes),
            Value::Gone if gone.insert(pointer) => None,
            Value::Gone | Value::Damaged => Some(pointer.write().into()),
        }
    }
}

/// What the store of keys has at a key.
fn stored(value: Bytes) -> Entry {
    Pointer::read(&value).map_or(Entry::Value(value), Entry::At)
}

impl Engine for Journal {
    fn write(&self, ops: Vec<Op>, head: Seq) -> Result<(), EngineError> {
        let mut slot = self.tail();
        let Some(tail) = slot.as_mut() else { return Err(EngineError::Failed("the store is closed".to_owned())) };
        {
            let mut work = self.shared.work();
            if let Some(failure) = &work.failure {
                return Err(failure.clone());
            }
            work.ahead = true;
        }
        let number = tail.number + 1;
        let mut draft = Draft::new(ops, number, head);
        let bytes = draft.len();
        if tail.rest() < bytes {
            self.begin_segment(tail, bytes)?;
        }
        let Some((segment, at)) = &mut tail.segment else {
            return Err(EngineError::Failed("there is no segment".to_owned()));
        };
        let written = segment.write(draft.seal(segment.salt), *at).and_then(|()| segment.file.sync_data());
        if let Err(error) = written {
            // What the disk has of it is not known, and nobody may build on it.
            *slot = None;
            return Err(write_failure(&error));
        }
        self.shared.store.confirm(Confirmed { writes: number, head });
        self.shared.layers_mut().add(draft.entries(segment.id, *at), number, bytes);
        *at += bytes;
        tail.number = number;
        if tail.is_first {
            // Without this an older program would still open the folder. A later write must not do without it either.
            if let Err(error) = self.drain(Self::PATIENCE) {
                *slot = None;
                return Err(error);
            }
            tail.is_first = false;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let mut gone = BTreeSet::new();
        loop {
            let above = self.shared.open_layers()?.get(key);
            let found = match above {
                Some(Entry::Removed) => None,
                Some(entry) => Some(entry),
                None => self.shared.store.get(key)?.map(stored),
            };
            let Some(entry) = found else { return Ok(None) };
            if let Some(value) = self.value(entry, &mut gone) {
                return Ok(Some(value));
            }
        }
    }

    fn scan(&self, range: Range<&[u8]>, direction: Direction, limit: usize) -> Result<Vec<Pair>, EngineError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let mut gone = BTreeSet::new();
        loop {
            // Before the store is read: what is applied meanwhile is in one of both.
            let view = self.shared.open_layers()?.view(&range, direction, limit);
            let below = self.shared.store.scan(range.clone(), direction, limit.saturating_add(view.removals))?;
            let below = below.into_iter().map(|(key, value)| (key, stored(value))).collect();
            let merged = view.over(below, direction, limit);
            let known = gone.len();
            let pair = |(key, entry)| Some((key, self.value(entry, &mut gone)?));
            let pairs: Vec<Pair> = merged.into_iter().filter_map(pair).collect();
            if gone.len() == known {
                return Ok(pairs);
            }
        }
    }

    fn room(&self, bytes: usize, purpose: Purpose) -> Result<(), EngineError> {
        self.shared.store.room(bytes, purpose)?;
        if !self.shared.work().spares.is_empty() {
            return Ok(());
        }
        let segment = self.shared.sizes.segment;
        // New events leave the rest of the last segment for what happens to those that are stored.
        let kept = if purpose == Purpose::Intake { segment / 2 } else { 0 };
        let needed =
            (bytes as u64).saturating_mul(2).saturating_add(Self::BESIDES.min(segment / 8)).saturating_add(kept);
        if needed <= self.tail().as_ref().map_or(0, Tail::rest) {
            return Ok(());
        }
        self.shared.store.room_for_file(segment, purpose)
    }

    fn refill(&self) -> Result<(), EngineError> {
        // What was removed gives room back once it is applied.
        self.shared.layers_mut().freeze_if_idle();
        self.shared.tell(|_| ());
        self.shared.store.refill()?;
        if self.shared.work().spares.is_empty() {
            // Otherwise new events would be accepted, and refused a moment later.
            self.shared.store.room_for_file(self.shared.sizes.segment, Purpose::Intake)?;
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        *self.tail() = None;
        self.stop()?;
        self.shared.layers_mut().reset(layer::Layer::default());
        self.shared.store.reopen()?;
        self.start()
    }

    fn disk(&self) -> Option<Disk> {
        let disk = self.shared.store.disk()?;
        Some(Disk { used: disk.used + self.shared.segments.bytes(), ..disk })
    }

    fn journal(&self) -> Option<JournalStats> {
        Some(self.shared.stats())
    }

    fn failure(&self) -> Option<EngineError> {
        self.shared.work().failure.clone()
    }

    fn problems(&self) -> Vec<String> {
        let _step = self.shared.step();
        let counted =
            Live::count(&self.shared.store).and_then(|counted| Ok((counted, Live::load(&self.shared.store)?)));
        match counted {
            Ok((counted, live)) if counted == live => Vec::new(),
            Ok((counted, live)) => {
                vec![format!("values in segments have {} bytes, the journal counts {}", counted.total(), live.total())]
            }
            Err(error) => vec![format!("values in segments cannot be counted: {error}")],
        }
    }

    fn close(&self) {
        if self.tail().take().is_some()
            && let Err(error) = self.drain(Self::CLOSE)
        {
            warn!(%error, "Event log is closed before everything is applied; the next start does that");
        }
        self.shared.layers_mut().open = false;
        match self.stop() {
            Ok(()) => self.shared.store.close(),
            Err(error) => warn!(%error, "Event log was left open"),
        }
    }

    fn block_bytes(&self) -> usize {
        Self::BLOCK
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            warn!(%error, "Event log was left open");
        }
    }
}

/// The files of the segments of the log in `dir`, the oldest first.
#[cfg(test)]
pub(crate) fn segments_of(dir: &Path) -> Vec<std::path::PathBuf> {
    let dir = dir.join(SEGMENTS);
    segment::list(&dir, false).unwrap().into_iter().map(|(id, _)| segment::path(&dir, id)).collect()
}
