use std::time::Duration;

use ::http::{Method, StatusCode};

use crate::caller::CallerError;
use crate::eventlog::EventLogError;
use crate::ingest::{Coding, IngestError, RecordError};
use crate::plugin::CallError;
use crate::replay::ReplayError;

use super::admin::query::BadParameter;

/// Why a request is not answered with what it asked for. Facts only; `respond` says what a caller is told.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing is served at the path.
    NotFound,
    /// No channel is mounted at the path.
    UnknownChannel,
    /// The path has other methods.
    Method(Vec<Method>),
    /// No `Host`, or more than one.
    Host(&'static str),
    /// The request is for a name that is not the gateway's.
    Misdirected,
    /// The channel takes nothing from the address.
    Address,
    /// The caller is none of those that may call.
    Caller(CallerError),
    /// The caller came too early.
    RateLimited {
        /// What it is to wait.
        wait: Duration,
        /// What it is answered.
        status: StatusCode,
    },
    /// The body is encoded in a way that the channel does not take.
    Encoding {
        /// What it takes.
        taken: Vec<Coding>,
    },
    /// The body is not what its coding says.
    Undecodable(Coding),
    /// The body is larger than the channel takes.
    TooLarge {
        /// Bytes that it takes.
        limit: usize,
    },
    /// The body did not arrive in time.
    BodyTimeout(Duration),
    /// The body ended early or is malformed.
    Body(String),
    /// What the body says makes no sense.
    Malformed(String),
    /// Too much is being done already.
    Overloaded(Shortage),
    /// A query parameter has no meaning.
    Parameter(BadParameter),
    /// The admin API wants its token.
    Unauthorized,
    /// The admin API does not answer such a caller.
    Forbidden(&'static str),
    /// No event with this id.
    UnknownEvent(String),
    /// No delivery with this id.
    UnknownDelivery(String),
    /// No replay with this id.
    UnknownReplay(String),
    /// What was asked for is not delivered again.
    Replay(ReplayError),
    /// What was asked for is not recorded.
    Record(RecordError),
    /// No route takes the event, so that it cannot be replayed.
    Unrouted,
    /// The channel did not take the request.
    Ingest(IngestError),
    /// The log did not answer.
    Log(EventLogError),
    /// A response of a plugin that cannot be sent.
    PluginResponse {
        /// Its status.
        status: u16,
    },
    /// In sync mode: the delivery is dead.
    Undelivered {
        /// Why, in the agent's or the host's word.
        code: String,
        /// The same for people.
        message: String,
    },
    /// In sync mode: the agent has not answered in time; the delivery goes on.
    AgentTimeout(Duration),
    /// The host broke its own rules.
    Internal(String),
}

/// What there is not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Requests in flight.
    Requests,
    /// Bytes of bodies.
    Bytes,
    /// Reads of the event log.
    Reads,
    /// Places in the queue of the event log.
    Queue,
    /// A log that takes events.
    Store,
    /// Calls of the channel's plugin.
    Calls,
}

impl Shortage {
    /// The value of the label `reason`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Reads => "reads",
            Self::Queue => "queue",
            Self::Store => "store",
            Self::Calls => "calls",
        }
    }
}

impl Refusal {
    /// What there was not enough of, when the request may be taken as it is at another time.
    pub(super) const fn shortage(&self) -> Option<Shortage> {
        match self {
            Self::Overloaded(shortage) => Some(*shortage),
            Self::Log(EventLogError::Overloaded) => Some(Shortage::Queue),
            Self::Log(
                EventLogError::Full(_)
                | EventLogError::Poisoned(_)
                | EventLogError::Closed
                | EventLogError::Locked { .. }
                | EventLogError::Io(_),
            ) => Some(Shortage::Store),
            Self::Ingest(IngestError::Plugin(CallError::Busy)) => Some(Shortage::Calls),
            _ => None,
        }
    }
}

impl From<IngestError> for Refusal {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Method(methods) => Self::Method(methods),
            IngestError::Log(error) => Self::Log(error),
            error => Self::Ingest(error),
        }
    }
}

impl From<ReplayError> for Refusal {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Log(error) => Self::Log(error),
            error => Self::Replay(error),
        }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<EventLogError> for Refusal {
    fn from(error: EventLogError) -> Self {
        Self::Log(error)
    }
}

impl From<BadParameter> for Refusal {
    fn from(parameter: BadParameter) -> Self {
        Self::Parameter(parameter)
    }
}
