//! The store of keys and small values below the journal: sled 0.34.7, made durable from outside.
//!
//! It is changed in the background, by what is on the disk in the journal already, and is half a commit meanwhile: nothing
//! but the journal reads it.
//!
//! What sled does not do by itself, found by cutting power and filling disks:
//! * Its `flush` does not fsync on Linux, and its own background fsync swallows errors. The file is synced through a
//!   handle of our own, which also sees the errors of write-back.
//! * Values that do not fit into a segment become files that are never synced: no value is above 32 KiB.
//! * A leftover `snap.*.generating` breaks the next start; opening a store needs room on the disk.
//! * A damaged record is the end of the store for it, without a word: it keeps the number of the last write that it has
//!   in full, and the number that the disk has confirmed is kept outside.
//! * After an error it is not usable any more, and it asserts much: it is closed in a thread of its own, because that
//!   can hang, and its panics are caught.

mod files;
mod high_water;
mod reserve;
mod salvage;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{Access, access};
use tracing::{info, warn};

use self::files::{SEGMENT, forget_cached, lock, sync_directories};
pub(crate) use self::files::{put_in_place, set_aside, unavailable, write_failure};
pub(crate) use self::high_water::Confirmed;
use self::high_water::HighWater;
use self::reserve::Reserve;
pub(crate) use self::salvage::salvage;
use crate::eventlog::engine::{Direction, Disk, EngineError, Op, Pair, Purpose, REPAIR_HINT, panic_message};

pub(crate) struct Sled {
    dir: PathBuf,
    cache_bytes: u64,
    reserve: Reserve,
    open: RwLock<Option<Open>>,
    /// Reads of large values so far.
    reads: AtomicUsize,
    /// Held as long as the engine, also while the store is closed to be opened again.
    lock: RwLock<Option<File>>,
}

struct Open {
    db: sled::Db,
    /// A handle of our own on sled's file: syncs it and sees every error of write-back once.
    file: File,
    high_water: HighWater,
}

impl Sled {
    /// Where the number of the last write is stored that is there in full, behind all keys of the log.
    const WRITES: &[u8] = &[u8::MAX];
    /// A value that makes its page weigh on the cache.
    const LARGE: usize = 1024;
    const CLOSE: Duration = Duration::from_secs(10);

    /// Opens or creates the store in `dir`.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, ballast_bytes: u64, min_free: u64) -> Result<Self, EngineError> {
        Self::open_claimed(Self::claim(dir, ballast_bytes, min_free)?, dir, cache_bytes, ballast_bytes, min_free)
    }

    /// Creates the folder if it is missing, and keeps every other process out.
    pub(crate) fn claim(dir: &Path, ballast_bytes: u64, min_free: u64) -> Result<File, EngineError> {
        create(dir).map_err(|error| unavailable(dir, &error))?;
        lock(dir).or_else(|error| match error {
            // Even an empty file may need a block.
            EngineError::Full(_) => {
                Reserve::new(dir, ballast_bytes, min_free).free();
                lock(dir)
            }
            error => Err(error),
        })
    }

    /// Opens the store in a folder that is claimed.
    pub(crate) fn open_claimed(
        lock: File,
        dir: &Path,
        cache_bytes: u64,
        ballast_bytes: u64,
        min_free: u64,
    ) -> Result<Self, EngineError> {
        let reserve = Reserve::new(dir, ballast_bytes, min_free);
        let engine = Self {
            dir: dir.to_owned(),
            cache_bytes,
            reserve,
            open: RwLock::new(None),
            reads: AtomicUsize::new(0),
            lock: RwLock::new(Some(lock)),
        };
        engine.start()?;
        if let Err(error) = engine.refill() {
            warn!(%error, "There is no room for the ballast");
        }
        Ok(engine)
    }

    /// Keeps nothing free, so that a test can make the store itself hit the end of the disk.
    #[cfg(test)]
    pub(crate) fn keep_nothing_free(&mut self) {
        self.reserve.keep_nothing_free();
    }

    /// Opens the files; frees the ballast when that fails for want of room.
    fn start(&self) -> Result<(), EngineError> {
        let opened = match self.open_files() {
            Err(EngineError::Full(detail)) => {
                warn!(dir = %self.dir.display(), error = detail, "Disk is full, the ballast is freed to open the store");
                self.reserve.free();
                self.open_files()
            }
            other => other,
        }?;
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Ok(())
    }

    fn open_files(&self) -> Result<Open, EngineError> {
        let failed = |error: io::Error| unavailable(&self.dir, &error);
        remove_leftovers(&self.dir).map_err(failed)?;
        forget_cached(&self.dir.join("db")).map_err(failed)?;
        let config = sled::Config::new()
            .path(&self.dir)
            .cache_capacity(self.cache_bytes)
            .segment_size(SEGMENT)
            .use_compression(false)
            .flush_every_ms(Some(500));
        let asked = Instant::now();
        let db = loop {
            let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
                .map_err(|panic| self.damaged(&panic_message(&*panic)))?;
            match opened {
                Ok(db) => break db,
                // Our own lock is held, so this is a thread of sled that has not let go of the store we closed.
                Err(error) if is_locked(&error) && asked.elapsed() < Self::CLOSE => {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
                Err(error) if is_locked(&error) => return Err(EngineError::Locked(self.dir.clone())),
                Err(error) => return Err(self.failure(&error)),
            }
        };
        for name in ["conf", "db"] {
            File::open(self.dir.join(name)).and_then(|file| file.sync_all()).map_err(failed)?;
        }
        sync_directories(&self.dir).map_err(failed)?;
        let file = File::options().read(true).write(true).open(self.dir.join("db")).map_err(failed)?;
        let high_water = HighWater::open(&self.dir).map_err(failed)?;
        Ok(Open { db, file, high_water })
    }

    /// Drops sled's handle; an error when it does not let go.
    fn shut(&self) -> Result<(), EngineError> {
        let Some(open) = self.open.write().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        if let Err(error) = open.high_water.sync() {
            warn!(file = %open.high_water.path().display(), %error, "The number of the last write is not on the disk");
        }
        let (done, closed) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("eventlog-close".to_owned()).spawn(move || {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(open)));
            if done.send(dropped.is_ok()).is_err() {
                warn!("The store was closed late");
            }
        });
        if let Err(error) = thread {
            return Err(EngineError::Failed(format!("cannot close the store: {error}")));
        }
        match closed.recv_timeout(Self::CLOSE) {
            Ok(_) => Ok(()),
            Err(_) => Err(EngineError::Failed(format!("the store did not close within {} s", Self::CLOSE.as_secs()))),
        }
    }

    fn with<T>(&self, read: impl FnOnce(&Open) -> Result<T, sled::Error>) -> Result<T, EngineError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open.as_ref() else {
            return Err(EngineError::Unavailable("the store is closed".to_owned()));
        };
        catch_unwind(AssertUnwindSafe(|| read(open)))
            .map_err(|panic| self.damaged(&panic_message(&*panic)))?
            .map_err(|error| self.failure(&error))
    }

    /// Makes sled's cache keep to its size while much is read.
    ///
    /// It looks at what it holds only after 64 accesses to one of its 256 parts, so that 16,384 pages may come in
    /// before one goes. Every third page is asked for often enough; 3 has no factor in common with 256.
    fn settle_cache(&self, open: &Open, key: &[u8], bytes: usize) -> Result<(), sled::Error> {
        if bytes >= Self::LARGE && self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            for _ in 0..64 {
                open.db.get(key)?;
            }
        }
        Ok(())
    }

    fn failure(&self, error: &sled::Error) -> EngineError {
        match error {
            sled::Error::Io(error) => unavailable(&self.dir, error),
            other => self.damaged(&other.to_string()),
        }
    }

    /// The error for a store that cannot be read any more.
    pub(crate) fn damaged(&self, detail: &str) -> EngineError {
        EngineError::Damaged { place: self.dir.display().to_string(), detail: format!("{detail}\n{REPAIR_HINT}") }
    }
}

/// What the journal does with it.
impl Sled {
    /// The number of the last write that is there in full.
    pub(crate) fn applied(&self) -> Result<u64, EngineError> {
        let stored = self.with(|open| open.db.get(Self::WRITES))?;
        Ok(stored.and_then(|number| number.as_ref().try_into().ok()).map_or(0, u64::from_le_bytes))
    }

    /// What the disk has confirmed last; `None` when that is not known.
    pub(crate) fn confirmed(&self) -> Option<Confirmed> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.high_water.confirmed()
    }

    /// Keeps the number of a write that is on the disk.
    pub(crate) fn confirm(&self, confirmed: Confirmed) {
        if let Some(open) = self.open.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            open.high_water.confirm(confirmed);
        }
    }

    /// Applies all of `ops` or none. They are on the disk after [`Sled::sync`]. With a number, the store has all writes up
    /// to that one in full then.
    pub(crate) fn apply(&self, ops: Vec<Op>, number: Option<u64>) -> Result<(), EngineError> {
        let mut batch = sled::Batch::default();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.insert(key, value),
                Op::Remove(key) => batch.remove(key),
            }
        }
        if let Some(number) = number {
            batch.insert(Self::WRITES, &number.to_le_bytes());
        }
        self.change(|open| open.db.apply_batch(batch))
    }

    /// Makes what was applied durable.
    pub(crate) fn sync(&self) -> Result<(), EngineError> {
        self.change(|open| {
            open.db.flush()?;
            Ok(open.file.sync_data()?)
        })
    }

    fn change(&self, change: impl FnOnce(&Open) -> Result<(), sled::Error>) -> Result<(), EngineError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open.as_ref() else { return Err(EngineError::Failed("the store is closed".to_owned())) };
        let changed = catch_unwind(AssertUnwindSafe(|| change(open)))
            .map_err(|panic| EngineError::Failed(panic_message(&*panic)))?;
        changed.map_err(|error| match error {
            sled::Error::Io(error) => write_failure(&error),
            other => EngineError::Failed(other.to_string()),
        })
    }

    /// The value at `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.with(|open| {
            let value = open.db.get(key)?;
            self.settle_cache(open, key, value.as_ref().map_or(0, |value| value.len()))?;
            Ok(value)
        })?;
        Ok(value.map(Bytes::from_owner))
    }

    /// The first `limit` pairs of `range`, seen in `direction`.
    pub(crate) fn scan(
        &self,
        range: Range<&[u8]>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, EngineError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let owned = |(key, value)| (Bytes::from_owner::<sled::IVec>(key), Bytes::from_owner::<sled::IVec>(value));
        self.with(|open| {
            let found = open.db.range(range);
            let pairs: Vec<Pair> = match direction {
                Direction::Up => found.take(limit).map(|pair| pair.map(owned)).collect::<Result<_, _>>()?,
                Direction::Down => found.rev().take(limit).map(|pair| pair.map(owned)).collect::<Result<_, _>>()?,
            };
            if let Some((key, value)) = pairs.last() {
                self.settle_cache(open, key, value.len())?;
            }
            Ok(pairs)
        })
    }

    /// Whether a write of `bytes` for `purpose` leaves the reserve untouched; [`EngineError::Full`] if not.
    pub(crate) fn room(&self, bytes: usize, purpose: Purpose) -> Result<(), EngineError> {
        self.reserve.room(bytes, purpose)
    }

    /// Whether a file of `bytes` may be made for `purpose`; [`EngineError::Full`] if not.
    pub(crate) fn room_for_file(&self, bytes: u64, purpose: Purpose) -> Result<(), EngineError> {
        self.reserve.room_for_file(bytes, purpose)
    }

    /// Restores a reserve that was used up; [`EngineError::Full`] while there is no room for it.
    pub(crate) fn refill(&self) -> Result<(), EngineError> {
        self.reserve.refill()
    }

    /// Opens the store again after [`EngineError::Full`], without trusting what the kernel has cached of it.
    pub(crate) fn reopen(&self) -> Result<(), EngineError> {
        self.shut()?;
        self.reserve.free();
        self.start()
    }

    /// Releases files and locks; later calls fail.
    pub(crate) fn close(&self) {
        if let Err(error) = self.shut() {
            warn!(dir = %self.dir.display(), %error, "Event log was left open");
        }
        self.lock.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// What it takes on the disk.
    pub(crate) fn disk(&self) -> Option<Disk> {
        let files = fs::read_dir(&self.dir).ok()?.filter_map(|entry| entry.ok()?.metadata().ok());
        let used = files.filter(fs::Metadata::is_file).map(|file| file.blocks() * 512).sum();
        let segments = fs::metadata(self.dir.join("db")).ok()?.len().div_ceil(SEGMENT as u64);
        Some(Disk { used, free: self.reserve.free_bytes().ok()?, segments })
    }
}

fn create(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    // Found now, and not when the first file is written.
    access(dir, Access::WRITE_OK | Access::EXEC_OK)?;
    sync_directories(dir)
}

/// Removes snapshots that a crash left half written.
fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            info!(file = %entry.path().display(), "Unfinished snapshot is removed");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// sled has no error of its own for it.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}
