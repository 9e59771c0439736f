//! Facts about the log as a whole: its format, its figures, and the names of their records.

use serde::{Deserialize, Serialize};

use super::key;
use super::reader::Store;
use super::record::{self, corrupt};
use crate::event::{AgentName, Delivery, EventStatus, Seq};
use crate::eventlog::engine::{Direction, Op};
use crate::eventlog::error::EventLogError;

pub(crate) const FORMAT: &str = "format";
pub(crate) const STATE: &str = "state";
pub(crate) const REOPENED: &str = "reopened";
pub(crate) const CHANNEL: &str = "channel/";
pub(crate) const OPEN_REPLAYS: &str = "open_replays";

/// What is known of the log as a whole; written with every commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogState {
    /// The last position given.
    pub(crate) head: Seq,
    /// The first position that is still held.
    pub(crate) floor: Seq,
    /// All deliveries of events below are settled, save those reopened.
    pub(crate) settled: Seq,
    /// Events by status.
    pub(crate) statuses: [u64; EventStatus::ALL.len()],
    /// What the events take, with their payloads.
    pub(crate) bytes: u64,
}

impl LogState {
    pub(crate) const EMPTY: Self = Self { head: Seq(0), floor: Seq(1), settled: Seq(1), statuses: [0; 4], bytes: 0 };

    pub(crate) fn holds(&self, seq: Seq) -> bool {
        (self.floor..=self.head).contains(&seq)
    }
}

/// Writes the first records of an empty store.
pub(crate) fn begin(store: &Store) -> Result<(), EventLogError> {
    if let Some((key, _)) = store.engine.scan(&[]..&[u8::MAX], Direction::Up, 1)?.first() {
        return Err(corrupt(&key::meta(FORMAT), format!("it is missing although `{}` is there", key::display(key))));
    }
    let put = |key: Vec<u8>, value| Op::Put(key, value);
    let (format, state) = (key::meta(FORMAT), key::meta(STATE));
    let format_value = record::encode(&format, &record::FORMAT);
    let state_value = record::encode(&state, &LogState::EMPTY);
    Ok(store.engine.write(vec![put(format, format_value), put(state, state_value)], Seq(0))?)
}

/// To whom replays among `deliveries` are open.
pub(crate) fn open_replays(deliveries: &[Delivery]) -> Vec<AgentName> {
    let open = deliveries.iter().filter(|delivery| delivery.replayed_by.is_some() && delivery.state.is_open());
    open.map(|delivery| delivery.agent.clone()).collect()
}
