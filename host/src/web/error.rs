//! Why a request to a site is not answered by its backend.

use std::time::Duration;

/// Facts only; `http` picks the status and the public text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// No site has a route for it.
    #[error("no route leads there")]
    NotFound,
    #[error("the path can be read in more than one way")]
    Path,
    /// `Transfer-Encoding` that says more than that the body comes in chunks.
    #[error("the body has a transfer coding that is not passed on")]
    TransferCoding,
    #[error("the method `{0}` is never passed on")]
    Method(http::Method),
    #[error("the request came through this gateway twice before")]
    Loop,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    /// Nothing of the body came in time.
    #[error("nothing of the body came for {0:?}")]
    SlowCaller(Duration),
    /// The caller's body ended early or is malformed.
    #[error("the body ended early or is malformed")]
    BadBody,
    /// The caller left before the answer.
    #[error("the caller left")]
    CallerLeft,
    /// What could be tried was tried.
    #[error("backend `{backend}`: {failure}")]
    Backend { backend: String, failure: Failure },
    #[error("backend `{backend}` is down")]
    Down { backend: String },
    /// What is stored is stale and must not be served, and the backend failed.
    #[error("what is stored is stale: {0}")]
    MustRevalidate(Box<Self>),
    /// The caller wants only what is stored, and nothing is.
    #[error("nothing is stored that could be used")]
    NotStored,
    /// Too many requests in flight, or too many tunnels.
    #[error("too many {0}")]
    Busy(Bound),
}

/// What a backend did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("the connection ended before an answer: {0}")]
    Broken(String),
    #[error("no answer within {0:?}")]
    AnswerTimeout(Duration),
    #[error("the answer is not one to this request")]
    Unexpected,
    #[error("an equal request that this one waited for was not answered")]
    Waited,
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Route,
    Backend,
    Tunnels,
}

impl Bound {
    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Backend => "backend",
            Self::Tunnels => "tunnels",
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Route => "requests on the route",
            Self::Backend => "requests to the backend",
            Self::Tunnels => "WebSocket connections",
        })
    }
}

impl Failure {
    /// The value of the label `reason`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::Broken(_) => "broken",
            Self::AnswerTimeout(_) => "answer_timeout",
            Self::Unexpected => "unexpected",
            Self::Waited => "waited",
        }
    }

    /// Whether time ran out.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout(_) | Self::AnswerTimeout(_))
    }

    /// Whether no connection came to be, so that nothing was sent.
    pub const fn is_before_sending(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_))
    }
}
