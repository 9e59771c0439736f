//! Rollbacks: the version before takes the place of the serving one.

use std::sync::mpsc::SyncSender;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::event::{PluginName, Timestamp};

use super::digest::Digest;
use super::error::LoadError;

/// Rollbacks that wait. A failing generation asks again with its next failure, and an operator is told to try again.
pub(super) const MAX_WAITING: usize = 64;

/// Why a file does not serve although it could be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) digest: Digest,
    /// The version in its manifest.
    pub(super) version: String,
    pub(super) cause: Cause,
    /// For the operator.
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

/// Who refused a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cause {
    /// It did not pass the samples in it, so it never served.
    Samples,
    /// Too many of its first calls failed.
    Calls,
    Operator,
}

impl Cause {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Calls => "calls",
            Self::Operator => "operator",
        }
    }
}

/// Who asks for a rollback.
#[derive(Debug)]
pub(super) enum Asker {
    /// The generation itself, by its number: too many of its first calls failed.
    Calls { generation: u64, failures: u64, calls: u64 },
    /// An operator, who waits for the result.
    Operator(oneshot::Sender<Result<RolledBack, RollbackError>>),
}

#[derive(Debug)]
pub(super) struct RollbackRequest {
    pub(super) plugin: PluginName,
    pub(super) asker: Asker,
}

pub(super) type Rollbacks = SyncSender<RollbackRequest>;

/// A rollback that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    pub plugin: PluginName,
    /// The number of the generation that serves now.
    pub generation: u64,
    /// Its version and file.
    pub version: String,
    pub digest: Digest,
    /// The version that served until now.
    pub rolled_back_from: String,
    /// Its file, which is refused until another one takes its place.
    pub refused: Digest,
}

/// Why there was no rollback.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    #[error("no plugin `{0}` serves")]
    Unknown(String),
    #[error("there is no version of `{0}` before the serving one; only the last version before is kept")]
    NothingBefore(PluginName),
    /// The version before cannot serve any more.
    #[error("the version before does not serve: {0}")]
    Load(LoadError),
    #[error("too many rollbacks wait, try again later")]
    Busy,
}
