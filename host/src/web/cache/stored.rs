//! A response that can be used again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;

use super::policy::{Directives, Exchange, Variant};

/// The head of a response, with everything that decides about its use. Never changed.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) variant: Variant,
    pub(crate) stated: Directives,
    pub(crate) lifetime: Duration,
    pub(crate) initial_age: Duration,
    pub(crate) exchange: Exchange,
}

impl Head {
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.initial_age + now.saturating_duration_since(self.exchange.received)
    }

    pub(crate) fn staleness(&self, now: Instant) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// Whether responses to several requests may be made of it without asking again.
    pub(crate) fn is_for_many(&self) -> bool {
        self.initial_age < self.lifetime && !self.stated.no_cache
    }
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl Stored {
    /// Bytes in memory, estimated from above.
    pub(crate) fn weight(&self) -> usize {
        let fields: usize = self.head.fields.iter().map(|(name, value)| 96 + name.as_str().len() + value.len()).sum();
        512 + fields + self.head.variant.weight() + self.body.len()
    }
}
