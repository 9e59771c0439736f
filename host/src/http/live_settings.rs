//! The settings in force, and the limits that are made of them. A reload replaces them as a whole.

use std::sync::Arc;

use ::http::HeaderValue;
use tokio::sync::Semaphore;

use super::problem::whole_seconds;
use super::server::connection_limit::ConnectionLimit;
use super::settings::Settings;
use super::webhook::admission::Admission;
use super::webhook::rate_limit::RateLimits;
use crate::ingest::BodyBudget;

pub(crate) struct LiveSettings {
    pub(crate) settings: Settings,
    pub(crate) admission: Arc<Admission>,
    /// Callers that may wait for an agent's answer.
    pub(crate) answers: Arc<Semaphore>,
    pub(crate) body_budget: Arc<BodyBudget>,
    pub(crate) rate_limits: Arc<RateLimits>,
    pub(crate) connection_limit: Arc<ConnectionLimit>,
    pub(crate) retry_after: HeaderValue,
}

impl LiveSettings {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            admission: Arc::new(Admission::new(settings.max_requests, settings.max_waiting, settings.turn_timeout)),
            answers: Arc::new(Semaphore::new(settings.max_requests.min(Semaphore::MAX_PERMITS))),
            body_budget: Arc::new(BodyBudget::new(settings.max_buffered)),
            rate_limits: Arc::new(RateLimits::new(settings.rate_limit, settings.address_limit)),
            connection_limit: ConnectionLimit::new(settings.max_connections_per_address),
            retry_after: HeaderValue::from(whole_seconds(settings.retry_after).max(1)),
            settings,
        }
    }

    /// The same for other settings. A limit that stays as it was goes on counting; one that changes begins anew, so that until
    /// the requests of before have ended there may be as many of both.
    pub(crate) fn with(&self, settings: Settings) -> Self {
        let (old, mut new) = (&self.settings, Self::new(settings));
        let same = &new.settings;
        if (old.max_requests, old.max_waiting, old.turn_timeout)
            == (same.max_requests, same.max_waiting, same.turn_timeout)
        {
            new.admission = Arc::clone(&self.admission);
            new.answers = Arc::clone(&self.answers);
        }
        if old.max_buffered == same.max_buffered {
            new.body_budget = Arc::clone(&self.body_budget);
        }
        if (old.rate_limit, old.address_limit) == (same.rate_limit, same.address_limit) {
            new.rate_limits = Arc::clone(&self.rate_limits);
        }
        if old.max_connections_per_address == same.max_connections_per_address {
            new.connection_limit = Arc::clone(&self.connection_limit);
        }
        new
    }
}
