//! What a log is opened with.

use std::path::PathBuf;
use std::time::Duration;

use crate::event::Seq;

/// What a log is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where events are kept.
    pub engine: EngineKind,
    /// How long the identity of an event is remembered.
    pub dedup_window: Duration,
    /// How many identities are remembered, about; with more, the oldest are forgotten before the window is over.
    pub dedup_max: usize,
    /// Of how many things the last state is remembered, about; with more, the least recent are forgotten early.
    pub states_max: usize,
    /// How many events are held at most; with more, they are told at once.
    pub held_max: usize,
    /// The most events of one commit; a larger receipt is committed alone.
    pub batch_events: usize,
    /// The most bytes of one commit; a larger receipt is committed alone.
    pub batch_bytes: usize,
    /// The most receipts that wait for a commit, and the most other writes.
    pub queue: usize,
    /// The most bytes that wait for a commit; a larger receipt is refused.
    pub queue_bytes: usize,
    /// How long settled events are kept.
    pub retention: RetentionLimits,
}

impl Settings {
    pub(crate) const fn dedup(&self) -> DedupLimits {
        let Self { dedup_window, dedup_max, states_max, held_max, .. } = *self;
        DedupLimits { window: dedup_window, max: dedup_max, states_max, held_max }
    }

    /// The defaults around `engine`.
    pub fn new(engine: EngineKind) -> Self {
        Self {
            engine,
            dedup_window: Duration::from_secs(72 * 60 * 60),
            dedup_max: 10_000_000,
            states_max: 500_000,
            held_max: 10_000,
            batch_events: 512,
            batch_bytes: 8 * 1024 * 1024,
            queue: 4096,
            queue_bytes: 256 * 1024 * 1024,
            retention: RetentionLimits {
                max_age: Some(Duration::from_secs(720 * 60 * 60)),
                max_events: None,
                max_bytes: Some(20 << 30),
            },
        }
    }
}

/// What is remembered to know duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DedupLimits {
    pub(crate) window: Duration,
    pub(crate) max: usize,
    pub(crate) states_max: usize,
    pub(crate) held_max: usize,
}

/// Where events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// On disk.
    Sled {
        /// The directory, created when it is not there.
        dir: PathBuf,
        /// Memory for pages of the store.
        cache_bytes: u64,
        /// Size of a file that is given up when the disk is full, so that the store can be opened.
        ballast_bytes: u64,
        /// New events are refused while the file system has fewer free bytes.
        min_free: u64,
    },
    /// In memory, gone with the process.
    Memory,
}

/// How long settled events are kept. `None` is no limit.
///
/// An event with an open delivery is never removed, whatever the limits say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Since the event was received.
    pub max_age: Option<Duration>,
    /// Events that are held, open ones included.
    pub max_events: Option<u64>,
    /// Bytes of the events that are held, with their payloads, open ones included.
    pub max_bytes: Option<u64>,
}

/// A reader that keeps events which are over [`RetentionLimits::max_age`], for as long as it wants them.
///
/// The other limits know no hold: they say how much space there is, and one reader who is away must not stop the intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Everything up to here is done with.
    pub after: Seq,
    /// Since the event was received.
    pub max_age: Duration,
}

impl RetentionLimits {
    /// Whether there is any limit.
    pub(crate) const fn any(&self) -> bool {
        self.max_age.is_some() || self.max_events.is_some() || self.max_bytes.is_some()
    }
}
