//! Metrics of verification and of polling.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metrics::{ByProvider, Metrics, labels};

labels! {
    /// By channel and how polling its source ended.
    pub(super) ByPoll { provider, outcome }
}

pub(super) struct IngestMetrics {
    pub(super) signature_failures: Family<ByProvider, Counter>,
    pub(super) unknown_bodies: Family<ByProvider, Counter>,
    pub(super) unrouted: Family<ByProvider, Counter>,
    pub(super) polls: Family<ByPoll, Counter>,
}

impl IngestMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        Self {
            signature_failures: metrics.register(
                "webhook_signature_validation_failures",
                "Requests whose verification failed",
                Family::default(),
            ),
            unknown_bodies: metrics.register(
                "gateway_unknown_bodies",
                "Verified bodies that the plugin refused and that were kept as events",
                Family::default(),
            ),
            unrouted: metrics.register("gateway_events_unrouted", "Events that no route took", Family::default()),
            polls: metrics.register("gateway_polls", "Polls by how they ended", Family::default()),
        }
    }
}
