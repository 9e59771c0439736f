//! What the last durable commit left, for everybody to see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::EventLogError;
use super::replay::{Replay, ReplayId};
use super::writer::commit::CommitBuilder;
use crate::event::{AgentName, ChannelName, EventStatus, Seq, Timestamp};

/// What the log holds, as figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By channel; a channel appears with its first event.
    pub channels: BTreeMap<ChannelName, ChannelCounts>,
    /// The position of the last event; 0 before the first.
    pub head: Seq,
    /// The position of the first event that is still held; the one after `head` when none is.
    pub floor: Seq,
    /// When the first event that is still held was received.
    pub oldest: Option<Timestamp>,
    /// What the events take, with their payloads; what the store takes for it on the disk is more.
    pub bytes: u64,
    pub(crate) statuses: [u64; EventStatus::ALL.len()],
}

impl Counts {
    /// How many of the stored events have `status`.
    pub const fn with_status(&self, status: EventStatus) -> u64 {
        self.statuses[status as usize]
    }
}

/// The figures of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCounts {
    /// Events accepted since the log began.
    pub accepted: u64,
    /// Events that were in the log already.
    pub duplicates: u64,
    /// When the latest accepted event was received.
    pub last_event_at: Option<Timestamp>,
}

/// Whether the log takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriterState {
    /// It takes everything.
    Serving,
    /// Little room is left: no new events, but what happens to stored ones is still written.
    Low(String),
    /// The store ran full and is opened again when there is room.
    Down(String),
    /// The process has to stop.
    Failed(EventLogError),
    /// It was closed.
    Closed,
}

impl WriterState {
    pub(crate) fn takes_intake(&self) -> Result<(), EventLogError> {
        match self {
            Self::Low(detail) => Err(EventLogError::Full(detail.clone())),
            _ => self.takes_upkeep(),
        }
    }

    pub(crate) fn takes_upkeep(&self) -> Result<(), EventLogError> {
        match self {
            Self::Serving | Self::Low(_) => Ok(()),
            Self::Down(detail) => Err(EventLogError::Full(detail.clone())),
            Self::Failed(error) => Err(error.clone()),
            Self::Closed => Err(EventLogError::Closed),
        }
    }
}

/// What the writer lets others see, always as of a durable commit.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) condition: watch::Sender<WriterState>,
    counts: RwLock<Counts>,
    head: AtomicU64,
    floor: AtomicU64,
    settled: AtomicU64,
    reopened: Mutex<Arc<BTreeSet<Seq>>>,
    replays: Mutex<Arc<BTreeMap<ReplayId, Replay>>>,
    open_replays: Mutex<Arc<BTreeMap<AgentName, u64>>>,
    began: Instant,
    /// Milliseconds from `began` to the start of the running commit, plus one; 0 while there is none.
    committing: AtomicU64,
}

impl Publisher {
    /// A commit that takes longer is reported as a failure.
    const STALLED: Duration = Duration::from_secs(30);

    pub(crate) fn new() -> Self {
        Self {
            condition: watch::Sender::new(WriterState::Serving),
            counts: RwLock::default(),
            head: AtomicU64::new(0),
            floor: AtomicU64::new(1),
            settled: AtomicU64::new(1),
            reopened: Mutex::default(),
            replays: Mutex::default(),
            open_replays: Mutex::default(),
            began: Instant::now(),
            committing: AtomicU64::new(0),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn head(&self) -> Seq {
        Seq(self.head.load(Ordering::Acquire))
    }

    pub(crate) fn floor(&self) -> Seq {
        Seq(self.floor.load(Ordering::Acquire))
    }

    pub(crate) fn settled(&self) -> Seq {
        Seq(self.settled.load(Ordering::Acquire))
    }

    pub(crate) fn reopened(&self) -> Arc<BTreeSet<Seq>> {
        Arc::clone(&self.reopened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replays(&self) -> Arc<BTreeMap<ReplayId, Replay>> {
        Arc::clone(&self.replays.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn open_replays(&self) -> Arc<BTreeMap<AgentName, u64>> {
        Arc::clone(&self.open_replays.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn health(&self) -> Result<(), EventLogError> {
        self.condition.borrow().takes_intake()?;
        match self.stalled() {
            Some(running) => Err(EventLogError::Io(format!("a commit has been running for {} s", running.as_secs()))),
            None => Ok(()),
        }
    }

    /// How long the commit has been running that does not end.
    pub(crate) fn stalled(&self) -> Option<Duration> {
        let since = self.committing.load(Ordering::Acquire).checked_sub(1)?;
        let running = self.began.elapsed().saturating_sub(Duration::from_millis(since));
        (running > Self::STALLED).then_some(running)
    }

    pub(crate) fn commit_begins(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.committing.store(since + 1, Ordering::Release);
    }

    pub(crate) fn commit_ends(&self) {
        self.committing.store(0, Ordering::Release);
    }

    /// Shows what `builder` holds now.
    pub(crate) fn show(&self, builder: &mut CommitBuilder) {
        builder.committed(&mut self.counts.write().unwrap_or_else(PoisonError::into_inner));
        self.show_positions(builder);
    }

    /// Shows what `builder` holds after it was loaded.
    pub(crate) fn show_all(&self, builder: &CommitBuilder) {
        *self.counts.write().unwrap_or_else(PoisonError::into_inner) = builder.counts();
        self.show_positions(builder);
    }

    fn show_positions(&self, builder: &CommitBuilder) {
        let state = builder.state();
        {
            let mut reopened = self.reopened.lock().unwrap_or_else(PoisonError::into_inner);
            if **reopened != *builder.reopened() {
                *reopened = Arc::new(builder.reopened().clone());
            }
        }
        let replays = builder.replays();
        *self.replays.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&replays.kept);
        *self.open_replays.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&replays.open);
        self.floor.store(state.floor.0, Ordering::Release);
        self.settled.store(state.settled.0, Ordering::Release);
        self.head.store(state.head.0, Ordering::Release);
    }
}
