//! Why a request is refused. Facts only; `respond` decides what its caller sees.

use std::time::Duration;

use ::http::{Method, StatusCode};

use super::admin::query::BadParameter;
use super::problem::HttpProblem;
use crate::alert::AlertError;
use crate::caller::CallerError;
use crate::eventlog::EventLogError;
use crate::ingest::{IngestError, NoRoom};
use crate::plugin::CallError;
use crate::web::WebError;

#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nothing is served at the path.
    NotFound,
    /// No channel is mounted at the path.
    UnknownChannel,
    /// The path has other methods.
    Method(Vec<Method>),
    /// No `Host`, or more than one.
    Host(&'static str),
    /// The request names a host that is not the gateway's.
    Misdirected,
    /// The channel accepts nothing from the address.
    Address,
    Caller(CallerError),
    RateLimited {
        wait: Duration,
        status: StatusCode,
    },
    /// The body is larger than `limit` bytes.
    TooLarge {
        limit: usize,
    },
    /// The body did not arrive in time.
    BodyTimeout(Duration),
    /// The body ended early or is malformed.
    Body(String),
    /// The body is not what the endpoint reads.
    Malformed(String),
    Overloaded(Shortage),
    Parameter(BadParameter),
    /// The admin API requires its token.
    Unauthorized,
    /// The admin API does not answer such a caller.
    Forbidden(&'static str),
    Ingest(IngestError),
    Log(EventLogError),
    Alert(AlertError),
    /// A response of a plugin that cannot be sent.
    PluginResponse {
        status: u16,
    },
    /// In sync mode: the delivery is dead.
    Undelivered {
        /// The agent's or the host's.
        code: String,
        message: String,
    },
    /// In sync mode: the agent has not answered in time; the delivery goes on.
    AgentTimeout(Duration),
    /// A site has no answer.
    Web(WebError),
    /// A noun of the admin API decides itself.
    Problem(Box<HttpProblem>),
    /// A bug of the gateway.
    Internal(String),
}

/// What there is not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Requests in flight.
    Requests,
    /// Bytes of bodies.
    Bytes,
    /// Reads of the event log.
    Reads,
    /// Places in the queue of the event log.
    Queue,
    /// An event log that accepts events.
    Store,
    /// Calls of the channel's plugin.
    Calls,
}

impl Shortage {
    /// The value of the label `reason`.
    pub(crate) const fn as_str(self) -> &'static str {
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
    /// What there was not enough of, when the same request may succeed at another time.
    pub(crate) const fn shortage(&self) -> Option<Shortage> {
        match self {
            Self::Overloaded(shortage) => Some(*shortage),
            Self::Log(EventLogError::Overloaded) | Self::Alert(AlertError::Overloaded) => Some(Shortage::Queue),
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
            IngestError::TooLarge { limit } => Self::TooLarge { limit },
            IngestError::NoRoom(NoRoom) => NoRoom.into(),
            IngestError::Log(error) => Self::Log(error),
            IngestError::Internal(error) => Self::Internal(error),
            error => Self::Ingest(error),
        }
    }
}

impl From<NoRoom> for Refusal {
    fn from(_: NoRoom) -> Self {
        Self::Overloaded(Shortage::Bytes)
    }
}

impl From<EventLogError> for Refusal {
    fn from(error: EventLogError) -> Self {
        Self::Log(error)
    }
}

impl From<WebError> for Refusal {
    fn from(error: WebError) -> Self {
        Self::Web(error)
    }
}

impl From<AlertError> for Refusal {
    fn from(error: AlertError) -> Self {
        Self::Alert(error)
    }
}

impl From<BadParameter> for Refusal {
    fn from(parameter: BadParameter) -> Self {
        Self::Parameter(parameter)
    }
}

impl From<HttpProblem> for Refusal {
    fn from(problem: HttpProblem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
