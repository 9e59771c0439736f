//! Why the gateway ends a connection.

/// A reason, with its code in WebSocket (RFC 6455, section 7.4; from 4000 on they are ours). After a code below 4500 a subscriber
/// comes back, with growing pauses; after the others it would only be refused again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The gateway ends. Libraries take 1000 for final, so `connection.close` says before it that the subscriber may return.
    Shutdown,
    /// The connection has reached its age.
    Aged,
    /// Control frames or messages come too fast.
    TooFast,
    /// A bug of the gateway.
    Fault,
    /// The log cannot be read now.
    LogUnavailable,
    /// It has not read what was sent.
    Slow,
    /// It has not said anything, and answered no ping.
    Silent,
    /// Its rights or its key have changed.
    Moved,
    /// A message was not JSON.
    NotJson,
    /// Its key is no longer accepted.
    Revoked,
    /// There is a gap, and it asked to be closed then.
    GapRefused,
    /// The consumer was deleted.
    ConsumerDeleted,
}

impl Close {
    pub const fn code(self) -> u16 {
        match self {
            Self::Shutdown | Self::Aged => 1000,
            Self::TooFast => 1008,
            Self::Fault => 1011,
            Self::LogUnavailable => 1013,
            Self::Slow | Self::Silent => 4000,
            Self::Moved => 4003,
            Self::NotJson => 4500,
            Self::Revoked => 4501,
            Self::GapRefused => 4502,
            Self::ConsumerDeleted => 4503,
        }
    }

    /// In `connection.close`, the close frame and the metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Aged => "max_age",
            Self::TooFast => "too_fast",
            Self::Fault => "internal",
            Self::LogUnavailable => "log_unavailable",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Moved => "moved",
            Self::NotJson => "not_json",
            Self::Revoked => "revoked",
            Self::GapRefused => "gap_refused",
            Self::ConsumerDeleted => "consumer_deleted",
        }
    }

    /// Whether it makes sense to come back.
    pub const fn may_return(self) -> bool {
        self.code() < 4500 && !matches!(self, Self::TooFast)
    }
}
