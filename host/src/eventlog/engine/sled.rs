//! The default engine: sled 0.34.7, made durable from outside.
//!
//! What sled does not do by itself, found by cutting power and filling disks:
//! * Its `flush` does not fsync on Linux, and its own background fsync swallows errors. After every batch the file is
//!   synced through a handle of our own, which also sees the errors of write-back.
//! * Values that do not fit into a segment become files that are never synced: no value is above 32 KiB.
//! * A leftover `snap.*.generating` breaks the next start; opening a store needs room on the disk.
//! * A damaged record is the end of the store for it, without a word: the number of writes that the disk has confirmed
//!   is kept outside and compared.
//! * After an error it is not usable any more, and it asserts much: it is closed in a thread of its own, because that
//!   can hang, and its panics are caught.

mod files;
mod high_water;
mod reserve;
mod salvage;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{Advice, fadvise};
use tracing::{info, warn};

use self::files::{SEGMENT, is_full, lock, sync_directories, unavailable};
pub(crate) use self::files::{put_in_place, set_aside};
use self::high_water::{Confirmed, HighWater};
use self::reserve::Reserve;
pub(crate) use self::salvage::salvage;
use crate::event::Seq;
use crate::eventlog::engine::{Direction, Disk, Engine, EngineError, Op, Pair, Purpose, panic_message};

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
    /// The number of the last write.
    writes: AtomicU64,
}

impl Sled {
    /// Where the number of a write is stored with it, behind all keys of the log.
    const WRITES: &[u8] = &[u8::MAX];
    /// Larger blocks make fewer keys, smaller ones cheaper reads and a better use of the cache.
    const BLOCK: usize = 8 * 1024;
    /// A value that makes its page weigh on the cache.
    const LARGE: usize = 1024;
    const CLOSE: Duration = Duration::from_secs(10);

    /// Opens or creates the store in `dir`.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, ballast_bytes: u64, min_free: u64) -> Result<Self, EngineError> {
        create(dir).map_err(|error| unavailable(dir, &error))?;
        let reserve = Reserve::new(dir, ballast_bytes, min_free);
        let lock = lock(dir).or_else(|error| match error {
            // Even an empty file may need a block.
            EngineError::Full(_) => {
                reserve.free();
                lock(dir)
            }
            error => Err(error),
        })?;
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
    pub(crate) fn reckless(mut self) -> Self {
        self.reserve.keep_nothing_free();
        self
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
        let writes = AtomicU64::new(self.check_end(&db, &high_water)?);
        Ok(Open { db, file, high_water, writes })
    }

    /// The number of the last write; an error when the disk has confirmed more.
    fn check_end(&self, db: &sled::Db, high_water: &HighWater) -> Result<u64, EngineError> {
        let stored = catch_unwind(AssertUnwindSafe(|| db.get(Self::WRITES)))
            .map_err(|panic| self.damaged(&panic_message(&*panic)))?
            .map_err(|error| self.failure(&error))?;
        let stored = stored.and_then(|number| number.as_ref().try_into().ok()).map_or(0, u64::from_le_bytes);
        match high_water.confirmed() {
            Some(Confirmed { writes: confirmed, head }) if confirmed > stored => Err(self.damaged(&format!(
                "it ends with write {stored}, but {confirmed} were confirmed, up to event {head}: the last {} are lost",
                confirmed - stored
            ))),
            _ => Ok(stored),
        }
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

    fn damaged(&self, detail: &str) -> EngineError {
        EngineError::Damaged {
            place: self.dir.display().to_string(),
            detail: format!(
                "{detail}\nhint: `gateway log repair` saves what can be read and tells what is lost, and keeps the folder as \
                 it is beside it; `gateway log restore FILE` puts a backup in the place of an empty folder"
            ),
        }
    }
}

impl Engine for Sled {
    fn write(&self, ops: Vec<Op>, head: Seq) -> Result<(), EngineError> {
        let mut batch = sled::Batch::default();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.insert(key, value),
                Op::Remove(key) => batch.remove(key),
            }
        }
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { db, file, high_water, writes }) = open.as_ref() else {
            return Err(EngineError::Failed("the store is closed".to_owned()));
        };
        let number = writes.fetch_add(1, Ordering::Relaxed) + 1;
        batch.insert(Self::WRITES, &number.to_le_bytes());
        let failed = |error: sled::Error| match error {
            sled::Error::Io(error) => write_failure(&error),
            other => EngineError::Failed(other.to_string()),
        };
        db.apply_batch(batch).map_err(failed)?;
        db.flush().map_err(failed)?;
        file.sync_data().map_err(|error| write_failure(&error))?;
        high_water.confirm(Confirmed { writes: number, head });
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.with(|open| {
            let value = open.db.get(key)?;
            self.settle_cache(open, key, value.as_ref().map_or(0, |value| value.len()))?;
            Ok(value)
        })?;
        Ok(value.map(Bytes::from_owner))
    }

    fn scan(&self, range: Range<&[u8]>, direction: Direction, limit: usize) -> Result<Vec<Pair>, EngineError> {
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

    fn room(&self, bytes: usize, purpose: Purpose) -> Result<(), EngineError> {
        self.reserve.room(bytes, purpose)
    }

    fn refill(&self) -> Result<(), EngineError> {
        self.reserve.refill()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.shut()?;
        self.reserve.free();
        self.start()
    }

    fn close(&self) {
        if let Err(error) = self.shut() {
            warn!(dir = %self.dir.display(), %error, "Event log was left open");
        }
        self.lock.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn disk(&self) -> Option<Disk> {
        let files = fs::read_dir(&self.dir).ok()?.filter_map(|entry| entry.ok()?.metadata().ok());
        let used = files.filter(fs::Metadata::is_file).map(|file| file.blocks() * 512).sum();
        let segments = fs::metadata(self.dir.join("db")).ok()?.len().div_ceil(SEGMENT as u64);
        Some(Disk { used, free: self.reserve.free_bytes().ok()?, segments })
    }

    fn block_bytes(&self) -> usize {
        Self::BLOCK
    }
}

fn create(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
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

/// Makes the next read of `path` come from the disk: after a failed write-back the cache may hold what the disk does not.
fn forget_cached(path: &Path) -> io::Result<()> {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => {
            file.sync_all()?;
            Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// sled has no error of its own for it.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn write_failure(error: &io::Error) -> EngineError {
    if is_full(error) { EngineError::Full(error.to_string()) } else { EngineError::Failed(error.to_string()) }
}
