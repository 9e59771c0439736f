use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::http::StatusCode;
use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::event::ChannelName;
use crate::metrics::ByProvider;

use super::super::metrics::{ByRequest, HttpMetrics};

/// The label of requests that are for no channel: no name of a channel begins so, and strangers cannot add labels.
const STRANGERS: &str = "_unknown";

/// The figures of webhook requests by channel, looked up once per channel instead of once per request.
pub(crate) struct Figures {
    metrics: Arc<HttpMetrics>,
    channels: ArcSwap<HashMap<ChannelName, Arc<ChannelFigures>>>,
    strangers: ChannelFigures,
}

/// The figures of one channel.
pub(crate) struct ChannelFigures {
    provider: String,
    metrics: Arc<HttpMetrics>,
    accepted: Counter,
    ok: Counter,
    duration: Histogram,
}

impl Figures {
    pub(crate) fn new(metrics: Arc<HttpMetrics>) -> Self {
        let strangers = ChannelFigures::new(STRANGERS, Arc::clone(&metrics));
        Self { metrics, channels: ArcSwap::default(), strangers }
    }

    /// Those of a channel that exists.
    pub(crate) fn of(&self, channel: &ChannelName) -> Arc<ChannelFigures> {
        if let Some(figures) = self.channels.load().get(channel) {
            return Arc::clone(figures);
        }
        let figures = Arc::new(ChannelFigures::new(channel.as_str(), Arc::clone(&self.metrics)));
        self.channels.rcu(|channels| {
            let mut channels = HashMap::clone(channels);
            channels.insert(channel.clone(), Arc::clone(&figures));
            channels
        });
        figures
    }

    /// Those of all requests that are for no channel.
    pub(crate) fn of_strangers(&self) -> &ChannelFigures {
        &self.strangers
    }
}

impl ChannelFigures {
    fn new(provider: &str, metrics: Arc<HttpMetrics>) -> Self {
        let counter = |status: u16| metrics.requests.get_or_create(&ByRequest::new(provider, status)).clone();
        let (accepted, ok) = (counter(202), counter(200));
        let duration = metrics.request_duration.get_or_create(&ByProvider::new(provider)).clone();
        Self { provider: provider.to_owned(), metrics, accepted, ok, duration }
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

/// Lets a few lines a second through: who can make requests fail must not fill the log.
pub(crate) struct Pace {
    began: Instant,
    /// The second in the upper half, the lines of that second in the lower.
    lines: AtomicU64,
}

impl Pace {
    const LINES_PER_SECOND: u64 = 10;

    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), lines: AtomicU64::new(0) }
    }

    /// Whether a line may be written now.
    pub(crate) fn allows(&self) -> bool {
        self.allows_at(self.began.elapsed())
    }

    fn allows_at(&self, elapsed: Duration) -> bool {
        let second = elapsed.as_secs() << 32;
        let next = |lines: u64| Some(if lines >> 32 == second >> 32 { lines.saturating_add(1) } else { second + 1 });
        let before = self.lines.try_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(u64::MAX);
        before >> 32 != second >> 32 || before & u64::from(u32::MAX) < Self::LINES_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn strangers_and_channels_are_counted_apart() {
        let metrics = Metrics::new();
        let figures = Figures::new(Arc::new(HttpMetrics::register(&metrics)));
        let github: ChannelName = "github".parse().unwrap();

        figures.of(&github).count(StatusCode::ACCEPTED, Instant::now());
        figures.of(&github).count(StatusCode::UNAUTHORIZED, Instant::now());
        figures.of_strangers().count(StatusCode::NOT_FOUND, Instant::now());

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

    #[test]
    fn a_burst_of_failures_writes_few_lines() {
        let pace = Pace::new();
        let allowed = |at: u64| (0..100).filter(|_| pace.allows_at(Duration::from_secs(at))).count();

        assert_eq!(allowed(0), 10);
        assert_eq!(allowed(0), 0);
        assert_eq!(allowed(1), 10);
    }
}
