//! Why a request brings no events.

use http::Method;

use super::budget::NoRoom;
use crate::coding::Coding;
use crate::event::ChannelName;
use crate::eventlog::EventLogError;
use crate::plugin::{CallError, Rejection, StateError};
use crate::schema::{CheckError, Mismatch};
use crate::verify::VerifyError;

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The channel cannot serve yet or any more.
    #[error("channel `{channel}` waits: {detail}")]
    Waiting {
        channel: ChannelName,
        /// What it waits for.
        detail: String,
    },
    /// The channel has these methods.
    #[error("the method is not allowed")]
    Method(Vec<Method>),
    /// The channel has these media types.
    #[error("the content type is not one of {}", .0.join(", "))]
    ContentType(Vec<String>),
    /// Plugins read UTF-8 only.
    #[error("the charset is not utf-8")]
    Charset,
    /// Two readers of the request could disagree about it.
    #[error("`content-type` is given more than once")]
    AmbiguousContentType,
    /// The body is in a coding that the channel does not accept, or in several.
    #[error("the content encoding is not accepted")]
    Encoding { accepted: Vec<Coding> },
    #[error("the body is not what its `content-encoding` says, expected `{0}`")]
    Undecodable(Coding),
    #[error("the body is too large, expected at most {limit} bytes")]
    TooLarge { limit: usize },
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The request does not come from the provider.
    #[error(transparent)]
    Verification(#[from] VerifyError),
    /// The plugin refuses the content.
    #[error("{}", .0.detail)]
    Rejected(Rejection),
    #[error("the plugin failed: {0}")]
    Plugin(#[from] CallError),
    /// The request or the poll brings more events than its limit.
    #[error("it has {events} events, expected at most {limit}")]
    TooManyEvents { events: usize, limit: usize },
    /// The plugin returned events that break the rules.
    #[error("the plugin's receipt is invalid: {0}")]
    Receipt(String),
    /// The plugin wanted to keep more than it was granted.
    #[error("the plugin's state was refused: {0}")]
    State(#[from] StateError),
    /// An event does not match its schema, and is refused.
    #[error(transparent)]
    Schema(Mismatch),
    /// The log did not accept the events.
    #[error(transparent)]
    Log(#[from] EventLogError),
    /// A bug of the gateway.
    #[error("the gateway failed: {0}")]
    Internal(String),
}

impl From<CheckError> for IngestError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Mismatch(mismatch) => Self::Schema(mismatch),
            CheckError::Lost(_) => Self::Internal(error.to_string()),
        }
    }
}

impl IngestError {
    /// Whether the plugin failed: it trapped, exceeded a limit, or returned what breaks the rules.
    pub(super) fn is_fault_of_plugin(&self) -> bool {
        match self {
            Self::Plugin(error) => error.is_fault(),
            Self::Receipt(_) | Self::TooManyEvents { .. } => true,
            _ => false,
        }
    }
}
