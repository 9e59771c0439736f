//! Turns of a consumer, and why one is refused.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::eventlog::EventLogError;

/// Proves whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(u64);

/// Why a consumer does not do what it is asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsumerError {
    #[error("the lease is no longer valid: the consumer has another receiver, or was moved")]
    StaleLease,
    #[error("the consumer is connected elsewhere")]
    Active,
    #[error("the consumer was deleted")]
    Deleted,
    #[error("{0}")]
    BadCursor(&'static str),
    #[error(transparent)]
    Log(#[from] EventLogError),
}

impl ConsumerError {
    /// In messages and answers.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StaleLease => "stale_lease",
            Self::Active => "consumer_active",
            Self::Deleted => "consumer_deleted",
            Self::BadCursor(_) => "bad_cursor",
            Self::Log(_) => "log_unavailable",
        }
    }
}

impl Lease {
    pub(super) fn new() -> Result<Self, EventLogError> {
        getrandom::u64().map(Self).map_err(|error| EventLogError::Io(format!("no random numbers: {error}")))
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Lease {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Lease {
    type Err = ConsumerError;

    /// Another text is the lease of nobody.
    fn from_str(text: &str) -> Result<Self, ConsumerError> {
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ConsumerError::StaleLease)
    }
}
