//! What all requests share: settings, limits, and the handles of other modules.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ::http::HeaderValue;
use ::http::request::Parts;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answer::Response;
use super::log_throttle::LogThrottle;
use super::metrics::HttpMetrics;
use super::problem::{HttpProblem, whole_seconds};
use super::refusal::Refusal;
use super::server::connection_limit::ConnectionLimit;
use super::server::peer::Peer;
use super::settings::Settings;
use super::webhook::admission::Admission;
use super::webhook::metrics::WebhookMetrics;
use super::webhook::rate_limit::RateLimits;
use crate::caller::KeySets;
use crate::dispatch::Dispatch;
use crate::event::{RequestId, Timestamp};
use crate::eventlog::EventLog;
use crate::ingest::{BodyBudget, Ingest};
use crate::metrics::{ByReason, Metrics};
use crate::plugin::PluginHost;
use crate::replay::Replays;
use crate::skill::Skills;

/// Concurrent reads of the event log for the admin API: each occupies a thread, and all of them share the disk.
const STORE_READS: usize = 4;

/// The handles of the modules that answer requests.
pub struct Services {
    pub ingest: Ingest,
    pub dispatch: Dispatch,
    pub replays: Replays,
    pub log: EventLog,
    pub plugins: PluginHost,
    pub skills: Skills,
    /// The keys that tokens of callers are verified with.
    pub key_sets: Arc<KeySets>,
    pub metrics: Metrics,
    /// When the process started.
    pub started_at: Timestamp,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) services: Services,
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) webhook_metrics: WebhookMetrics,
    pub(crate) admission: Admission,
    /// Callers that may wait for an agent's answer.
    pub(crate) answers: Semaphore,
    pub(crate) body_budget: Arc<BodyBudget>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) connection_limit: Arc<ConnectionLimit>,
    pub(crate) store_reads: Arc<Semaphore>,
    /// Backups under way: each reads the whole log.
    pub(crate) backups: Arc<Semaphore>,
    pub(crate) retry_after: HeaderValue,
    /// Cancelled when the gateway is about to end and reports that it is not ready.
    pub(crate) leaving: CancellationToken,
    log_throttle: LogThrottle,
}

/// The head of one request, and what is known of its caller.
pub(crate) struct RequestContext {
    pub(crate) id: RequestId,
    pub(crate) started: Instant,
    pub(crate) head: Parts,
    pub(crate) peer: Peer,
    /// The address of the client, as far as trusted proxies report it.
    pub(crate) client: IpAddr,
}

impl Shared {
    pub(crate) fn new(settings: Settings, services: Services) -> Self {
        let metrics = Arc::new(HttpMetrics::register(&services.metrics));
        Self {
            webhook_metrics: WebhookMetrics::new(Arc::clone(&metrics)),
            metrics,
            admission: Admission::new(settings.max_requests, settings.max_waiting, settings.turn_timeout),
            answers: Semaphore::new(settings.max_requests.min(Semaphore::MAX_PERMITS)),
            body_budget: Arc::new(BodyBudget::new(settings.max_buffered)),
            rate_limits: RateLimits::new(settings.rate_limit, settings.address_limit),
            connection_limit: ConnectionLimit::new(settings.max_connections_per_address),
            store_reads: Arc::new(Semaphore::new(STORE_READS)),
            backups: Arc::new(Semaphore::new(1)),
            retry_after: HeaderValue::from(whole_seconds(settings.retry_after).max(1)),
            leaving: CancellationToken::new(),
            log_throttle: LogThrottle::new(),
            settings,
            services,
        }
    }

    /// Logs what an operator should know, a few lines a second at most.
    pub(crate) fn log_failure(&self, message: fmt::Arguments<'_>) {
        if self.log_throttle.allows() {
            tracing::warn!("{message}");
        } else {
            tracing::debug!("{message}");
        }
    }

    /// Reports a refusal: to the caller what it may know, to the log the rest.
    pub(crate) fn refuse(&self, id: RequestId, refusal: &Refusal) -> Response {
        let problem = HttpProblem::from(refusal);
        if let Some(shortage) = refusal.shortage() {
            self.metrics.refused.get_or_create(&ByReason::new(shortage.as_str())).inc();
        }
        let internal = problem.internal.as_deref();
        if problem.status.is_server_error() && self.log_throttle.allows() {
            tracing::warn!(request_id = %id, code = problem.code, status = problem.status.as_u16(), internal, "Request failed");
        } else {
            tracing::debug!(request_id = %id, code = problem.code, status = problem.status.as_u16(), internal, "Request refused");
        }
        problem.response(id, &self.retry_after)
    }
}
