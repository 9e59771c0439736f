//! The metrics of the HTTP server.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::metrics::{ByProvider, ByReason, Durations, Metrics, labels};

labels! {
    /// By channel (`provider`) and HTTP status.
    pub(crate) ByRequest { provider, status }
}
labels! {
    /// By whose rate it was: `address`, `channel` or `total`.
    pub(crate) ByScope { scope }
}

pub(crate) struct HttpMetrics {
    pub(crate) requests: Family<ByRequest, Counter>,
    pub(crate) request_duration: Family<ByProvider, Histogram, Durations>,
    pub(crate) connections: Gauge,
    pub(crate) refused: Family<ByReason, Counter>,
    pub(crate) rate_limited: Family<ByScope, Counter>,
    pub(crate) addresses_displaced: Counter,
}

impl HttpMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.register(
                "webhook_requests",
                "Webhook requests by channel and HTTP status",
                Family::default(),
            ),
            request_duration: metrics.register_with_unit(
                "gateway_request_duration",
                "From the first byte of a webhook request to its answer",
                Unit::Seconds,
                Family::new_with_constructor(Durations),
            ),
            connections: metrics.register("gateway_http_connections", "Open connections", Gauge::default()),
            refused: metrics.register(
                "gateway_http_refused",
                "Requests and connections answered 503 because there was not enough of something",
                Family::default(),
            ),
            rate_limited: metrics.register(
                "gateway_rate_limited",
                "Requests over a rate, by whose rate it was",
                Family::default(),
            ),
            addresses_displaced: metrics.register(
                "gateway_rate_limit_displaced",
                "Addresses that were forgotten before their time to make room for others",
                Counter::default(),
            ),
        }
    }
}
