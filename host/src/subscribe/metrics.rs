//! The metrics of subscriptions.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::{ByReason, Durations, Metrics, labels};

labels! {
    /// By the way that a subscriber is connected.
    pub(super) ByTransport { transport }
}

pub(super) struct SubscribeMetrics {
    pub(super) connections: Family<ByTransport, Gauge>,
    pub(super) sent: Counter,
    pub(super) gaps: Family<ByReason, Counter>,
    pub(super) closed: Family<ByReason, Counter>,
    pub(super) refused: Family<ByReason, Counter>,
    pub(super) parked: Counter,
    pub(super) expired: Counter,
    /// From the commit of an event to its first message; events that are read from the log count from their commit as well.
    pub(super) lag: Histogram,
}

impl SubscribeMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        use prometheus_client::metrics::family::MetricConstructor;
        use prometheus_client::registry::Unit;
        Self {
            connections: metrics.register(
                "gateway_subscriber_connections",
                "Open connections of subscribers",
                Family::default(),
            ),
            sent: metrics.register("gateway_subscriber_events_sent", "Events sent to subscribers", Counter::default()),
            gaps: metrics.register("gateway_subscriber_gaps", "Gaps that subscribers were told of", Family::default()),
            closed: metrics.register(
                "gateway_subscriber_closed",
                "Connections of subscribers that the gateway has ended",
                Family::default(),
            ),
            refused: metrics.register(
                "gateway_subscriber_refused",
                "Attempts to subscribe that were refused",
                Family::default(),
            ),
            expired: metrics.register(
                "gateway_consumer_expired",
                "Consumers that were deleted because nobody used them",
                Counter::default(),
            ),
            parked: metrics.register(
                "gateway_consumer_parked",
                "Events that consumers have parked",
                Counter::default(),
            ),
            lag: metrics.register_with_unit(
                "gateway_subscriber_lag",
                "Time from the commit of an event to its first message",
                Unit::Seconds,
                Durations.new_metric(),
            ),
        }
    }
}
