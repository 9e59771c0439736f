//! Why the event log refuses or fails.

use std::fs;
use std::path::{Path, PathBuf};

use super::engine::EngineError;
use crate::process::Process;

/// Why the event log did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventLogError {
    /// The disk has no room for more events; intake goes on by itself when there is room again.
    #[error("the event log has no room: {0}")]
    Full(String),
    /// More writes wait than the queue may hold.
    #[error("too many writes wait for the event log")]
    Overloaded,
    /// A write failed in a way that the log does not recover from while the process runs.
    #[error("the event log stopped after a failed write: {0}")]
    Poisoned(String),
    /// A stored record is not what was written.
    #[error("the event log is damaged at `{key}`: {detail}")]
    Corrupt {
        /// The record, or the directory when the store as a whole cannot be read.
        key: String,
        /// What was found.
        detail: String,
    },
    /// A backup is not what was written.
    #[error("the backup cannot be used: {0}")]
    Backup(String),
    /// Another process has the store open.
    #[error("the event log in `{dir}` is in use by {}", holder(dir))]
    Locked {
        /// The directory of the store.
        dir: PathBuf,
    },
    /// The store was written in a format that this version does not know.
    #[error("the event log has format {found}, expected {expected}\nhint: open it with the version that wrote it")]
    Format {
        /// The format of the store.
        found: u8,
        /// The format that this version reads and writes.
        expected: u8,
    },
    /// A record was written by a later version of the program.
    #[error(
        "record `{key}` of the event log has version {found}, expected at most {expected}\nhint: open it with the version that wrote it"
    )]
    Version {
        key: String,
        /// The version of the record.
        found: u8,
        /// The latest version of its kind that this program reads.
        expected: u8,
    },
    /// A record has an addition that must not be skipped, by a later version of the program.
    #[error(
        "record `{key}` of the event log has the unknown addition {tag}\nhint: open it with the version that wrote it"
    )]
    Addition {
        key: String,
        /// Names the addition.
        tag: u8,
    },
    /// No such event or delivery.
    #[error("no such event or delivery")]
    NotFound,
    /// A value or a delivery is no longer what the batch expected; nothing of the batch was stored.
    #[error("`{0}` was changed meanwhile")]
    Conflict(String),
    /// An attempt was made under a claim that another process has taken over; nothing of the batch was stored.
    #[error("another process makes this delivery now")]
    Superseded,
    /// The log was closed.
    #[error("the event log is closed")]
    Closed,
    /// The receipt can never be stored.
    #[error("{what} is {bytes} bytes, expected at most {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The most that can be stored.
        limit: usize,
    },
    /// The store cannot be read or opened right now.
    #[error("cannot use the event log: {0}")]
    Io(String),
}

impl EventLogError {
    /// Whether the same call may succeed later without a person doing something to this process.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Overloaded | Self::Io(_))
    }
}

impl From<EngineError> for EventLogError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Full(detail) => Self::Full(detail),
            EngineError::Failed(detail) => Self::Poisoned(detail),
            EngineError::Damaged { place, detail } => Self::Corrupt { key: place, detail },
            EngineError::Locked(dir) => Self::Locked { dir },
            EngineError::Unavailable(detail) => Self::Io(detail),
        }
    }
}

/// Who has the log in `dir` open, as far as that can be found out. Every process that opens it leaves its id in the lock.
fn holder(dir: &Path) -> String {
    let pid = fs::read_to_string(dir.join("lock")).ok().and_then(|text| text.trim().parse().ok());
    pid.and_then(Process::of).map_or_else(|| "another process".to_owned(), |process| process.to_string())
}
