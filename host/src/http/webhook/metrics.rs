//! The metrics of webhook requests by channel.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ::http::StatusCode;
use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::failures::{FailureReport, Failures};
use crate::event::ChannelName;
use crate::http::metrics::{ByRequest, HttpMetrics};
use crate::metrics::ByProvider;

/// The label of requests that match no channel: no channel's name begins so, and callers cannot add labels.
const UNMATCHED: &str = "_unknown";

/// Looked up once for each channel instead of once for each request.
pub(crate) struct WebhookMetrics {
    metrics: Arc<HttpMetrics>,
    channels: ArcSwap<HashMap<ChannelName, Arc<ChannelMetrics>>>,
    unmatched: ChannelMetrics,
}

pub(crate) struct ChannelMetrics {
    provider: String,
    metrics: Arc<HttpMetrics>,
    accepted: Counter,
    ok: Counter,
    duration: Histogram,
    pub(crate) failures: Failures,
}

impl WebhookMetrics {
    pub(crate) fn new(metrics: Arc<HttpMetrics>) -> Self {
        let unmatched = ChannelMetrics::new(UNMATCHED, Arc::clone(&metrics));
        Self { metrics, channels: ArcSwap::default(), unmatched }
    }

    /// The metrics of a channel that exists.
    pub(crate) fn of(&self, channel: &ChannelName) -> Arc<ChannelMetrics> {
        if let Some(known) = self.channels.load().get(channel) {
            return Arc::clone(known);
        }
        let new = Arc::new(ChannelMetrics::new(channel.as_str(), Arc::clone(&self.metrics)));
        self.channels.rcu(|channels| {
            let mut channels = HashMap::clone(channels);
            channels.insert(channel.clone(), Arc::clone(&new));
            channels
        });
        new
    }

    /// What went wrong in a channel, if it has had requests.
    pub(crate) fn failures(&self, channel: &str) -> FailureReport {
        self.channels.load().get(channel).map(|known| known.failures.report()).unwrap_or_default()
    }

    /// The metrics of all requests that match no channel.
    pub(crate) fn unmatched(&self) -> &ChannelMetrics {
        &self.unmatched
    }
}

impl ChannelMetrics {
    fn new(provider: &str, metrics: Arc<HttpMetrics>) -> Self {
        let counter = |status: u16| metrics.requests.get_or_create(&ByRequest::new(provider, status)).clone();
        let (accepted, ok) = (counter(202), counter(200));
        let duration = metrics.request_duration.get_or_create(&ByProvider::new(provider)).clone();
        Self { provider: provider.to_owned(), metrics, accepted, ok, duration, failures: Failures::default() }
    }

    /// Counts one answered request.
    pub(crate) fn count(&self, status: StatusCode, started: Instant) {
        self.duration.observe(started.elapsed().as_secs_f64());
        match status {
            StatusCode::ACCEPTED => self.accepted.inc(),
            StatusCode::OK => self.ok.inc(),
            status => self.metrics.requests.get_or_create(&ByRequest::new(&self.provider, status.as_u16())).inc(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn channels_and_unmatched_requests_are_counted_apart() {
        let metrics = Metrics::new();
        let webhooks = WebhookMetrics::new(Arc::new(HttpMetrics::register(&metrics)));
        let github: ChannelName = "github".parse().unwrap();

        webhooks.of(&github).count(StatusCode::ACCEPTED, Instant::now());
        webhooks.of(&github).count(StatusCode::UNAUTHORIZED, Instant::now());
        webhooks.unmatched().count(StatusCode::NOT_FOUND, Instant::now());

        let text = metrics.encode();
        for line in [
            "webhook_requests_total{provider=\"github\",status=\"202\"} 1",
            "webhook_requests_total{provider=\"github\",status=\"401\"} 1",
            "webhook_requests_total{provider=\"_unknown\",status=\"404\"} 1",
            "gateway_request_duration_seconds_count{provider=\"github\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
