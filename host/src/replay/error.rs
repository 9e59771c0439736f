//! Why a replay is refused.

use std::time::Duration;

use super::record::ReplayId;
use crate::event::AgentName;
use crate::eventlog::EventLogError;

/// Why a replay did not begin, or end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("{running} replays run already")]
    TooMany { running: usize },
    /// The log is too long to be counted while a caller waits.
    #[error("the deliveries could not be counted within {within:?}")]
    TooSlow { within: Duration },
    #[error("other deliveries are being counted")]
    Busy,
    #[error("there is no replay {0}")]
    Unknown(ReplayId),
    #[error("there is no such delivery")]
    UnknownDelivery,
    #[error("the delivery is not settled yet")]
    Open,
    #[error("the delivery was replayed already")]
    Superseded,
    #[error("there is no agent `{0}` any more")]
    UnknownAgent(AgentName),
    #[error("the agent `{0}` is configured, so its deliveries go on; remove it from the configuration first")]
    ConfiguredAgent(AgentName),
    #[error(transparent)]
    Log(#[from] EventLogError),
}
