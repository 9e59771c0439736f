//! A consumer as operators see it.

use serde::Serialize;

use super::spec::ConsumerSpec;
use crate::event::{Seq, Timestamp};
use crate::eventlog::Cursor;

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct ConsumerStatus {
    pub name: String,
    pub state: &'static str,
    pub cursor: Cursor,
    pub position: Seq,
    /// Positions after it, whether they are for the consumer or not.
    pub lag: u64,
    /// When the first event after the position was received.
    pub oldest: Option<Timestamp>,
    pub unacked: usize,
    pub parked: usize,
    pub connections: usize,
    pub last_active: Option<Timestamp>,
    #[serde(flatten)]
    pub spec: ConsumerSpec,
}
