//! What an engine has to offer to the embedded log: a small ordered key-value store with atomic, durable writes.

pub(crate) mod journal;
pub(crate) mod memory;
pub(crate) mod sled;

use std::any::Any;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use serde::Serialize;

use crate::event::Seq;

/// What to do about a store that cannot be read.
pub(crate) const REPAIR_HINT: &str = "hint: `gateway log repair` saves what can be read and tells what is lost, and keeps the \
                                      folder as it is beside it; `gateway log restore FILE` puts a backup in the place of an \
                                      empty folder";

/// A small ordered key-value store. Everything that makes it an event log is above it and written once.
///
/// One thread writes; any thread reads, also while a write is under way.
pub(crate) trait Engine: Send + Sync {
    /// Applies all of `ops` or none of them, and returns when they are durable. The last event is at `head` then.
    ///
    /// After an error it is unknown which of both happened, and the engine takes no write until [`Engine::reopen`].
    fn write(&self, ops: Vec<Op>, head: Seq) -> Result<(), EngineError>;

    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// The first `limit` pairs of `range`, seen in `direction`.
    fn scan(&self, range: Range<&[u8]>, direction: Direction, limit: usize) -> Result<Vec<Pair>, EngineError>;

    /// Whether a write of `bytes` for `purpose` fits and leaves the reserve untouched; [`EngineError::Full`] if not.
    fn room(&self, bytes: usize, purpose: Purpose) -> Result<(), EngineError>;

    /// Restores a reserve that was used up; [`EngineError::Full`] while there is no room for it.
    fn refill(&self) -> Result<(), EngineError>;

    /// Opens the store again after [`EngineError::Full`], without trusting what the kernel has cached of it.
    fn reopen(&self) -> Result<(), EngineError>;

    /// What it takes on the disk; none without one.
    fn disk(&self) -> Option<Disk> {
        None
    }

    /// What its journal takes; none without one.
    fn journal(&self) -> Option<JournalStats> {
        None
    }

    /// Why it takes no write any more, if that came out behind the writes.
    fn failure(&self) -> Option<EngineError> {
        None
    }

    /// What does not fit together in it, besides what the values say of themselves.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Releases files and locks; later calls fail.
    fn close(&self);

    /// Up to which size the events of one commit share a record.
    fn block_bytes(&self) -> usize;
}

/// A key and its value.
pub(crate) type Pair = (Bytes, Bytes);

/// One change of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

impl Op {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Put(key, value) => key.len() + value.len(),
            Self::Remove(key) => key.len(),
        }
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// What a store takes on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Bytes of its files.
    pub used: u64,
    /// Bytes that are free on the file system.
    pub free: u64,
    /// Pieces that the store takes and gives back room in.
    pub segments: u64,
}

/// What the journal of a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct JournalStats {
    /// Files, those included that are prepared for later.
    pub segments: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Bytes of the values in them that are still needed, as far as they are applied.
    pub live: u64,
    /// Bytes of the writes that are not applied to the store of keys yet.
    pub waiting: u64,
    /// Commits that waited because too much was not applied, or for a segment.
    pub waits: u64,
}

/// What room is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// New events: stops first.
    Intake,
    /// What happens to stored events: may use half of the reserve, so that deliveries go on when intake has stopped.
    Upkeep,
    /// The removal of events: stops last, because it makes room.
    Removal,
}

/// Why an engine failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("no room: {0}")]
    Full(String),
    #[error("{0}")]
    Failed(String),
    #[error("damaged at `{place}`: {detail}")]
    Damaged { place: String, detail: String },
    #[error("`{0}` is locked")]
    Locked(PathBuf),
    #[error("{0}")]
    Unavailable(String),
}

/// The text of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("no message"))
}
