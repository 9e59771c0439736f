//! Why a request brought no response.

use std::time::Duration;

/// Why a request brought no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("{0}")]
    Denied(String),
    #[error("cannot resolve `{host}`: {reason}")]
    Dns { host: String, reason: String },
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot establish TLS: {0}")]
    Tls(String),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// Holds the largest response that is accepted.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    /// Invalid HTTP, in the request or in the response.
    #[error("{0}")]
    Protocol(String),
}

impl EgressError {
    /// The code of `http.error` in the WIT.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Dns { .. } => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::ConnectTimeout(_) | Self::Timeout(_) => "timeout",
            Self::TooLarge(_) => "too-large",
            Self::Protocol(_) => "protocol",
        }
    }

    pub(super) fn invalid(what: &str, found: &str) -> Self {
        Self::Protocol(format!("`{found}` is not a valid {what}"))
    }
}
