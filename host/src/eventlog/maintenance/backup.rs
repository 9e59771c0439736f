//! Copies of the log as a whole: everything up to a position, in a format of its own that no engine knows.
//!
//! A backup is a stream of frames, each with a checksum that goes on from the one before, so that a frame that is
//! damaged, missing or elsewhere is seen. It ends with a trailer; without it, it is not whole. Ids and positions stay.
//! What cannot be read goes into it as what was lost, with the reason, so that a backup of a damaged log is what can
//! still be saved: `repair` is a backup that is restored at once.

mod export;
mod frame;
mod import;
mod pieces;
mod stream;
mod v1;
mod v2;

use serde::Serialize;

use std::collections::BTreeMap;

pub(crate) use self::export::{Source, export, values, values_of};
pub use self::import::check;
pub(crate) use self::import::restore_into;
pub use self::pieces::Pieces;
use crate::event::{ChannelName, EventStatus, Seq};

/// What a backup holds, or a log as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackupSummary {
    /// The position of the last event that there was.
    pub head: Seq,
    /// Events that are in it.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// What could not be read, oldest first.
    pub lost: Vec<LostRange>,
    /// How many more losses there are than are listed.
    pub unlisted: u64,
    /// What was counted on the way.
    #[serde(skip)]
    pub(crate) tally: Tally,
}

impl BackupSummary {
    /// How many losses are listed.
    pub(crate) const LISTED: usize = 10_000;
}

/// Figures of events that were read, to be compared with those of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) statuses: [u64; EventStatus::ALL.len()],
    /// Bytes that they take in the log.
    pub(crate) stored: u64,
    pub(crate) channels: BTreeMap<ChannelName, u64>,
}

/// Something that was stored and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRange {
    /// What it is.
    pub what: LostKind,
    /// The first position that it concerns; none when it concerns no position.
    pub first: Option<Seq>,
    /// The last one.
    pub last: Option<Seq>,
    /// Why it cannot be read.
    pub detail: String,
}

/// What cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LostKind {
    /// Events with everything that belongs to them.
    Events,
    /// What became of the deliveries of events: they begin again.
    Deliveries,
    /// Identities: a repeated delivery from a provider may be accepted a second time.
    Identities,
    /// Positions of consumers, figures and the like.
    Records,
}

impl std::fmt::Display for LostRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.what {
            LostKind::Events => "event",
            LostKind::Deliveries => "deliveries of event",
            LostKind::Identities => "identities",
            LostKind::Records => "record",
        };
        match (self.first, self.last) {
            (Some(first), Some(last)) if first < last => write!(f, "{what} {first} to {last}: {}", self.detail),
            (Some(first), _) => write!(f, "{what} {first}: {}", self.detail),
            _ => write!(f, "{what}: {}", self.detail),
        }
    }
}
