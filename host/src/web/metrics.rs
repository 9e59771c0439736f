//! The metrics of the web gateway.

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::cache::CacheMetrics;
use crate::metrics::{ByReason, Durations, Metrics, labels};

labels! {
    pub(super) ByBackend { backend }
}
labels! {
    /// By backend and the class of the status, such as `2xx`.
    pub(super) ByAnswer { backend, status }
}
labels! {
    pub(super) ByFailure { backend, reason }
}

pub(super) struct WebMetrics {
    answers: Family<ByAnswer, Counter>,
    duration: Family<ByBackend, Histogram, Durations>,
    failures: Family<ByFailure, Counter>,
    retries: Family<ByBackend, Counter>,
    up: Family<ByBackend, Gauge>,
    pub(super) tunnels: Gauge,
    pub(super) refused: Family<ByReason, Counter>,
    pub(super) cache: CacheMetrics,
}

/// Looked up once for each backend instead of once for each request.
#[derive(Clone)]
pub(super) struct BackendMetrics {
    /// By the first digit of the status.
    answers: [Counter; 5],
    pub(super) duration: Histogram,
    pub(super) retries: Counter,
    pub(super) up: Gauge,
    failures: Family<ByFailure, Counter>,
    name: String,
}

impl WebMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        Self {
            cache: CacheMetrics::register(metrics),
            answers: metrics.register(
                "gateway_web_answers",
                "Answers of backends by the class of their status",
                Family::default(),
            ),
            duration: metrics.register_with_unit(
                "gateway_web_answer_duration",
                "From a request to a site to the first byte of its backend's answer",
                Unit::Seconds,
                Family::new_with_constructor(Durations),
            ),
            failures: metrics.register(
                "gateway_web_failures",
                "Attempts of requests that a backend did not answer, and answers that ended early",
                Family::default(),
            ),
            retries: metrics.register(
                "gateway_web_retries",
                "Requests that were sent a second time, because they had not begun or were safe to repeat",
                Family::default(),
            ),
            up: metrics.register(
                "gateway_web_backend_up",
                "Whether an address of the backend is up",
                Family::default(),
            ),
            tunnels: metrics.register(
                "gateway_web_tunnels",
                "Open WebSocket connections to backends",
                Gauge::default(),
            ),
            refused: metrics.register(
                "gateway_web_refused",
                "Requests answered 503 because there was not enough of something",
                Family::default(),
            ),
        }
    }

    pub(super) fn of(&self, name: &str) -> BackendMetrics {
        let by_backend = ByBackend::new(name);
        let answers = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        BackendMetrics {
            answers: answers.map(|status| self.answers.get_or_create(&ByAnswer::new(name, status)).clone()),
            duration: self.duration.get_or_create(&by_backend).clone(),
            retries: self.retries.get_or_create(&by_backend).clone(),
            up: self.up.get_or_create(&by_backend).clone(),
            failures: self.failures.clone(),
            name: name.to_owned(),
        }
    }

    /// Forgets whether a backend is up that no configuration has any more.
    pub(super) fn forget(&self, name: &str) {
        self.up.remove(&ByBackend::new(name));
    }
}

impl BackendMetrics {
    pub(super) fn count(&self, status: StatusCode) {
        if let Some(answers) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            answers.inc();
        }
    }

    pub(super) fn fail(&self, reason: &str) {
        self.failures.get_or_create(&ByFailure::new(&self.name, reason)).inc();
    }
}
