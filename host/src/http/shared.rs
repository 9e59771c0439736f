//! What all requests share: the settings in force, and the handles of other modules.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ::http::request::Parts;
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answer::Response;
use super::live_settings::LiveSettings;
use super::log_throttle::LogThrottle;
use super::metrics::HttpMetrics;
use super::problem::HttpProblem;
use super::refusal::Refusal;
use super::reload::ReloadHandle;
use super::server::peer::Peer;
use super::settings::Settings;
use super::webhook::metrics::WebhookMetrics;
use crate::alert::Alerts;
use crate::caller::KeySets;
use crate::catalog::Catalog;
use crate::dispatch::Dispatch;
use crate::event::{RequestId, Timestamp};
use crate::eventlog::EventLog;
use crate::ingest::Ingest;
use crate::metrics::{ByReason, Metrics};
use crate::plugin::PluginHost;
use crate::replay::Replays;
use crate::skill::Skills;
use crate::subscribe::Subscriptions;
use crate::web::Web;

/// Concurrent reads of the event log for the admin API: each occupies a thread, and all of them share the disk.
const STORE_READS: usize = 4;

/// The handles of the modules that answer requests.
pub struct Services {
    pub ingest: Ingest,
    pub dispatch: Dispatch,
    pub replays: Replays,
    pub reload: ReloadHandle,
    pub log: EventLog,
    pub plugins: PluginHost,
    pub skills: Skills,
    pub subscriptions: Subscriptions,
    pub catalog: Catalog,
    pub alerts: Alerts,
    pub web: Web,
    /// The keys that tokens of callers are verified with.
    pub key_sets: Arc<KeySets>,
    pub metrics: Metrics,
    /// When the process started.
    pub started_at: Timestamp,
}

pub(crate) struct Shared {
    pub(crate) services: Services,
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) webhook_metrics: WebhookMetrics,
    pub(crate) store_reads: Arc<Semaphore>,
    /// Backups and exports under way: each reads the whole log.
    pub(crate) backups: Arc<Semaphore>,
    /// Cancelled when the gateway is about to end and reports that it is not ready.
    pub(crate) leaving: CancellationToken,
    live: ArcSwap<LiveSettings>,
    log_throttle: LogThrottle,
}

/// The head of one request, and what is known of its caller.
pub(crate) struct RequestContext {
    pub(crate) id: RequestId,
    pub(crate) started: Instant,
    pub(crate) head: Parts,
    pub(crate) peer: Peer,
    pub(crate) live: Arc<LiveSettings>,
    /// The address of the client, as far as trusted proxies report it.
    pub(crate) client: IpAddr,
}

impl Shared {
    pub(crate) fn new(settings: Settings, services: Services) -> Self {
        let metrics = Arc::new(HttpMetrics::register(&services.metrics));
        Self {
            webhook_metrics: WebhookMetrics::new(Arc::clone(&metrics)),
            metrics,
            store_reads: Arc::new(Semaphore::new(STORE_READS)),
            backups: Arc::new(Semaphore::new(1)),
            leaving: CancellationToken::new(),
            live: ArcSwap::from_pointee(LiveSettings::new(settings)),
            log_throttle: LogThrottle::new(),
            services,
        }
    }

    /// The settings in force. A request or a connection keeps those that it began with.
    pub(crate) fn live(&self) -> Arc<LiveSettings> {
        self.live.load_full()
    }

    /// Replaces the settings, for the requests and connections that begin from now on.
    pub(crate) fn replace(&self, settings: Settings) {
        let live = self.live().with(settings);
        self.live.store(Arc::new(live));
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
        self.refuse_with(id, refusal, &HttpProblem::from(refusal))
    }

    /// Like `refuse`, with the problem that was already made of the refusal.
    pub(crate) fn refuse_with(&self, id: RequestId, refusal: &Refusal, problem: &HttpProblem) -> Response {
        if let Some(shortage) = refusal.shortage() {
            self.metrics.refused.get_or_create(&ByReason::new(shortage.as_str())).inc();
        }
        let internal = problem.internal.as_deref();
        if problem.status.is_server_error() && self.log_throttle.allows() {
            tracing::warn!(request_id = %id, code = problem.code, status = problem.status.as_u16(), internal, "Request failed");
        } else {
            tracing::debug!(request_id = %id, code = problem.code, status = problem.status.as_u16(), internal, "Request refused");
        }
        problem.response(id, &self.live().retry_after)
    }
}
