//! What is counted of the log.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::engine::JournalStats;
use crate::metrics::{ByAgent, ByProvider, ByReason, Durations, Metrics, labels};

labels! {
    /// By channel and what became of a state that may be late.
    pub(crate) ByFate { provider, outcome }
}

pub(crate) struct LogMetrics {
    pub(crate) events: Family<ByProvider, Counter>,
    pub(crate) duplicates: Family<ByProvider, Counter>,
    pub(crate) commits: Counter,
    pub(crate) commit_events: Histogram,
    pub(crate) commit_bytes: Histogram,
    pub(crate) commit_duration: Histogram,
    pub(crate) queue: Gauge,
    pub(crate) removed: Family<ByReason, Counter>,
    pub(crate) bytes: Gauge,
    pub(crate) identities_forgotten: Counter,
    pub(crate) states: Gauge,
    pub(crate) states_forgotten: Counter,
    pub(crate) late: Family<ByFate, Counter>,
    pub(crate) late_held: Gauge,
    pub(crate) quarantined: Gauge,
    pub(crate) held: Gauge,
    pub(crate) oldest: Gauge,
    pub(crate) replayed: Family<ByAgent, Counter>,
    pub(crate) journal: JournalMetrics,
}

/// What is counted of the journal; nothing without one.
pub(crate) struct JournalMetrics {
    segments: Gauge,
    bytes: Gauge,
    live: Gauge,
    waiting: Gauge,
    waits: Counter,
}

impl JournalMetrics {
    fn register(metrics: &Metrics) -> Self {
        let gauge = |name, help| metrics.register(name, help, Gauge::default());
        Self {
            segments: gauge("gateway_eventlog_journal_segments", "Segments of the journal, prepared ones included"),
            bytes: gauge("gateway_eventlog_journal_bytes", "Bytes of the segments of the journal"),
            live: gauge("gateway_eventlog_journal_live_bytes", "Bytes of the values in segments that are still needed"),
            waiting: gauge("gateway_eventlog_journal_waiting_bytes", "Bytes of the writes that are not applied yet"),
            waits: metrics.register(
                "gateway_eventlog_journal_waits",
                "Commits that waited because too much was not applied, or for a segment",
                Counter::default(),
            ),
        }
    }

    pub(crate) fn show(&self, stats: JournalStats) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.segments.set(number(stats.segments));
        self.bytes.set(number(stats.bytes));
        self.live.set(number(stats.live));
        self.waiting.set(number(stats.waiting));
        self.waits.inc_by(stats.waits.saturating_sub(self.waits.get()));
    }
}

impl LogMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let powers = |from: f64, count: u16| (0..count).map(move |power| from * 2_f64.powi(power.into()));
        Self {
            events: metrics.register("gateway_events", "Events accepted", Family::default()),
            duplicates: metrics.register(
                "gateway_events_duplicate",
                "Events that were in the log already",
                Family::default(),
            ),
            commits: metrics.register("gateway_eventlog_commits", "Durable commits", Counter::default()),
            commit_events: metrics.register(
                "gateway_eventlog_commit_events",
                "Events per commit",
                Histogram::new(powers(1.0, 10)),
            ),
            commit_bytes: metrics.register_with_unit(
                "gateway_eventlog_commit_size",
                "Bytes written per commit",
                Unit::Bytes,
                Histogram::new(powers(1024.0, 16)),
            ),
            commit_duration: metrics.register_with_unit(
                "gateway_eventlog_commit_duration",
                "Time of a commit, fsync included",
                Unit::Seconds,
                Durations.new_metric(),
            ),
            queue: metrics.register("gateway_eventlog_queue", "Writes that wait for a commit", Gauge::default()),
            removed: metrics.register(
                "gateway_eventlog_removed",
                "Events removed because their time was over, by the limit that they were over",
                Family::default(),
            ),
            bytes: metrics.register(
                "gateway_eventlog_bytes",
                "Bytes of the events that are held, with their payloads",
                Gauge::default(),
            ),
            identities_forgotten: metrics.register(
                "gateway_eventlog_identities_forgotten",
                "Identities forgotten before their time, because there were too many",
                Counter::default(),
            ),
            states: metrics.register(
                "gateway_eventlog_states",
                "Things of which the last state is remembered",
                Gauge::default(),
            ),
            states_forgotten: metrics.register(
                "gateway_eventlog_states_forgotten",
                "Last states forgotten before their time, because there were too many",
                Counter::default(),
            ),
            late: metrics.register(
                "gateway_events_late",
                "Events whose state may be late, by what became of them",
                Family::default(),
            ),
            late_held: metrics.register(
                "gateway_events_held",
                "Events that nobody is told of yet, because their state may be late",
                Gauge::default(),
            ),
            quarantined: metrics.register(
                "gateway_events_quarantined",
                "Events that nobody is told of before they are released",
                Gauge::default(),
            ),
            held: metrics.register("gateway_eventlog_events", "Events that are held", Gauge::default()),
            oldest: metrics.register(
                "gateway_eventlog_oldest_timestamp_seconds",
                "When the first event that is held was received, in seconds since 1970; 0 when there is none",
                Gauge::default(),
            ),
            replayed: metrics.register(
                "gateway_replayed",
                "Deliveries that somebody asked for again",
                Family::default(),
            ),
            journal: JournalMetrics::register(metrics),
        }
    }
}
