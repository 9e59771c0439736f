//! What the last durable commit left, for everybody to see and to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::EventLogError;
use super::epoch::Epoch;
use crate::event::{AgentName, ChannelName, Event, EventStatus, Seq, Timestamp};

/// The log as of one durable commit. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub epoch: Epoch,
    /// The position of the last event; 0 before the first.
    pub head: Seq,
    /// The position of the first event that is held; the one after `head` if there is none.
    pub floor: Seq,
    /// When the first event that is still held was received.
    pub oldest: Option<Timestamp>,
    /// Bytes of the events with their payloads. The store needs more on the disk.
    pub bytes: u64,
    /// By channel; a channel appears with its first event.
    pub channels: Arc<BTreeMap<ChannelName, ChannelCounts>>,
    /// Redeliveries that are not settled, by agent; an agent without any is absent.
    pub open_redeliveries: Arc<BTreeMap<AgentName, u64>>,
    /// The events that are held, and until when.
    pub held: Arc<BTreeMap<Seq, Timestamp>>,
    /// Whether writes are accepted.
    pub writer: WriterState,
    pub(crate) statuses: [u64; EventStatus::ALL.len()],
    /// All deliveries of events below are settled, except those of `reopened`.
    pub(crate) settled: Seq,
    pub(crate) reopened: Arc<BTreeSet<Seq>>,
}

impl Snapshot {
    /// How many of the stored events have `status`.
    pub const fn with_status(&self, status: EventStatus) -> u64 {
        self.statuses[status as usize]
    }
}

/// The figures of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChannelCounts {
    /// Events accepted since the log began.
    pub accepted: u64,
    /// Events that said what was in the log already, those that were stored as repetitions among them.
    pub duplicates: u64,
    /// When the latest accepted event was received.
    pub last_event_at: Option<Timestamp>,
}

impl ChannelCounts {
    /// Counts an event that is stored.
    pub(crate) fn add(&mut self, event: &Event) {
        if event.repeat_of.is_some() {
            self.duplicates += 1;
        } else {
            self.accepted += 1;
            self.last_event_at = self.last_event_at.max(Some(event.time));
        }
    }
}

/// Whether the log accepts writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterState {
    Serving,
    /// Little room is left: no new events, but what happens to stored ones is still written.
    Low(String),
    /// The store ran full and is opened again when there is room.
    Down(String),
    /// The process has to stop.
    Failed(EventLogError),
    Closed,
}

impl WriterState {
    pub(crate) fn accepts_intake(&self) -> Result<(), EventLogError> {
        match self {
            Self::Low(detail) => Err(EventLogError::Full(detail.clone())),
            _ => self.accepts_upkeep(),
        }
    }

    pub(crate) fn accepts_upkeep(&self) -> Result<(), EventLogError> {
        match self {
            Self::Serving | Self::Low(_) => Ok(()),
            Self::Down(detail) => Err(EventLogError::Full(detail.clone())),
            Self::Failed(error) => Err(error.clone()),
            Self::Closed => Err(EventLogError::Closed),
        }
    }
}

/// The writer's end of the snapshots, and the time of the commit under way.
#[derive(Debug)]
pub(crate) struct Publisher {
    snapshot: watch::Sender<Snapshot>,
    began: Instant,
    /// Milliseconds from `began` to the start of the running commit, plus one; 0 while there is none.
    committing: AtomicU64,
}

impl Publisher {
    /// A commit that takes longer is reported as a failure.
    const STALLED: Duration = Duration::from_secs(30);

    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: watch::Sender::new(snapshot), began: Instant::now(), committing: AtomicU64::new(0) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// What `read` takes from the snapshot, without a copy of it. Must be short: the writer waits meanwhile.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> T) -> T {
        read(&self.snapshot.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// Shows the next snapshot to everybody.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot.send_modify(change);
    }

    pub(crate) fn health(&self) -> Result<(), EventLogError> {
        self.read(|snapshot| snapshot.writer.accepts_intake())?;
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
}
