//! Every figure that `/metrics` shows, in one place.
//!
//! Modules are given an [`Arc<Metrics>`](std::sync::Arc) and count for themselves. Names are in the Prometheus
//! text format; counters end in `_total` there.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($label:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name {
            $(
                #[doc = concat!("The label `", stringify!($label), "`.")]
                pub $label: String,
            )+
        }

        impl $name {
            /// The label set with these values.
            pub fn new($($label: impl ToString),+) -> Self {
                Self { $($label: $label.to_string()),+ }
            }
        }
    };
}

labels! {
    /// By channel (`provider`) and HTTP status.
    ByRequest { provider, status }
}
labels! {
    /// By channel.
    ByProvider { provider }
}
labels! {
    /// By channel and how asking its source has ended.
    ByPoll { provider, outcome }
}
labels! {
    /// By agent.
    ByAgent { agent }
}
labels! {
    /// By agent and what an attempt came to.
    ByOutcome { agent, outcome }
}
labels! {
    /// By plugin.
    ByPlugin { plugin }
}
labels! {
    /// By plugin and how a call ended.
    ByCall { plugin, outcome }
}
labels! {
    /// By plugin and the limit that was hit.
    ByLimit { plugin, limit }
}
labels! {
    /// By whose rate it was: `address`, `channel` or `total`.
    ByScope { scope }
}
labels! {
    /// By the reason of a refusal.
    ByReason { reason }
}

/// Builds the histograms of durations: 50 µs to 60 s.
#[derive(Clone, Copy, Debug)]
pub struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
            5.0, 10.0, 30.0, 60.0,
        ])
    }
}

/// The figures of one gateway.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field's meaning is its help text in `new`, where operators read it")]
pub struct Metrics {
    registry: Registry,
    pub requests: Family<ByRequest, Counter>,
    pub signature_failures: Family<ByProvider, Counter>,
    pub request_duration: Family<ByProvider, Histogram, Durations>,
    pub connections: Gauge,
    pub refused: Family<ByReason, Counter>,
    pub rate_limited: Family<ByScope, Counter>,
    pub addresses_displaced: Counter,
    pub events: Family<ByProvider, Counter>,
    pub duplicates: Family<ByProvider, Counter>,
    pub commits: Counter,
    pub commit_events: Histogram,
    pub commit_bytes: Histogram,
    pub commit_duration: Histogram,
    pub eventlog_queue: Gauge,
    pub eventlog_removed: Family<ByReason, Counter>,
    pub eventlog_bytes: Gauge,
    pub identities_forgotten: Counter,
    pub eventlog_events: Gauge,
    pub eventlog_oldest: Gauge,
    pub task_duration: Family<ByAgent, Histogram, Durations>,
    pub tasks_in_queue: Family<ByAgent, Gauge>,
    pub attempts: Family<ByOutcome, Counter>,
    pub replays_running: Gauge,
    pub replayed: Family<ByAgent, Counter>,
    pub breaker_state: Family<ByAgent, Gauge>,
    pub breaker_opened: Family<ByAgent, Counter>,
    pub polls: Family<ByPoll, Counter>,
    pub plugin_calls: Family<ByCall, Counter>,
    pub plugin_call_duration: Family<ByPlugin, Histogram, Durations>,
    pub plugin_traps: Family<ByPlugin, Counter>,
    pub plugin_limit_hits: Family<ByLimit, Counter>,
    pub plugin_generation: Family<ByPlugin, Gauge>,
    pub plugin_load_failures: Family<ByPlugin, Counter>,
    pub skills: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Self {
        let powers = |from: f64, count: u16| (0..count).map(move |power| from * 2_f64.powi(power.into()));
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            signature_failures: Family::default(),
            request_duration: Family::new_with_constructor(Durations),
            connections: Gauge::default(),
            refused: Family::default(),
            rate_limited: Family::default(),
            addresses_displaced: Counter::default(),
            events: Family::default(),
            duplicates: Family::default(),
            commits: Counter::default(),
            commit_events: Histogram::new(powers(1.0, 10)),
            commit_bytes: Histogram::new(powers(1024.0, 16)),
            commit_duration: Durations.new_metric(),
            eventlog_queue: Gauge::default(),
            eventlog_removed: Family::default(),
            eventlog_bytes: Gauge::default(),
            identities_forgotten: Counter::default(),
            eventlog_events: Gauge::default(),
            eventlog_oldest: Gauge::default(),
            task_duration: Family::new_with_constructor(Durations),
            tasks_in_queue: Family::default(),
            attempts: Family::default(),
            replays_running: Gauge::default(),
            replayed: Family::default(),
            breaker_state: Family::default(),
            breaker_opened: Family::default(),
            polls: Family::default(),
            plugin_calls: Family::default(),
            plugin_call_duration: Family::new_with_constructor(Durations),
            plugin_traps: Family::default(),
            plugin_limit_hits: Family::default(),
            plugin_generation: Family::default(),
            plugin_load_failures: Family::default(),
            skills: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self { registry, .. } = self;
        registry.register("gateway_build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("webhook_requests", "Webhook requests by channel and HTTP status", self.requests.clone());
        registry.register(
            "webhook_signature_validation_failures",
            "Requests whose verification failed",
            self.signature_failures.clone(),
        );
        registry.register_with_unit(
            "gateway_request_duration",
            "From the first byte of a webhook request to its answer",
            Unit::Seconds,
            self.request_duration.clone(),
        );
        registry.register("gateway_http_connections", "Open connections", self.connections.clone());
        registry.register(
            "gateway_http_refused",
            "Requests and connections answered 503 because there was not enough of something",
            self.refused.clone(),
        );
        registry.register("gateway_rate_limited", "Requests over a rate, by whose it was", self.rate_limited.clone());
        registry.register(
            "gateway_rate_limit_displaced",
            "Addresses that were forgotten before their time to make room for others",
            self.addresses_displaced.clone(),
        );
        registry.register("gateway_events", "Events accepted", self.events.clone());
        registry.register("gateway_events_duplicate", "Events that were in the log already", self.duplicates.clone());
        registry.register("gateway_eventlog_commits", "Durable commits", self.commits.clone());
        registry.register("gateway_eventlog_commit_events", "Events per commit", self.commit_events.clone());
        registry.register_with_unit(
            "gateway_eventlog_commit_size",
            "Bytes written per commit",
            Unit::Bytes,
            self.commit_bytes.clone(),
        );
        registry.register_with_unit(
            "gateway_eventlog_commit_duration",
            "Time of a commit, fsync included",
            Unit::Seconds,
            self.commit_duration.clone(),
        );
        registry.register("gateway_eventlog_queue", "Writes that wait for a commit", self.eventlog_queue.clone());
        registry.register(
            "gateway_eventlog_removed",
            "Events removed because their time was over, by the limit that they were over",
            self.eventlog_removed.clone(),
        );
        registry.register(
            "gateway_eventlog_bytes",
            "Bytes of the events that are held, with their payloads",
            self.eventlog_bytes.clone(),
        );
        registry.register(
            "gateway_eventlog_identities_forgotten",
            "Identities forgotten before their time, because there were too many",
            self.identities_forgotten.clone(),
        );
        registry.register("gateway_eventlog_events", "Events that are held", self.eventlog_events.clone());
        registry.register(
            "gateway_eventlog_oldest_timestamp_seconds",
            "When the first event that is held was received, in seconds since 1970; 0 when there is none",
            self.eventlog_oldest.clone(),
        );
        registry.register_with_unit(
            "task_processing_duration",
            "From the commit of an event to the end of its delivery",
            Unit::Seconds,
            self.task_duration.clone(),
        );
        registry.register("tasks_in_queue", "Deliveries that wait in memory", self.tasks_in_queue.clone());
        registry.register("gateway_delivery_attempts", "Attempts by what they came to", self.attempts.clone());
        registry.register("gateway_replays_running", "Replays that go on", self.replays_running.clone());
        registry.register("gateway_replayed", "Deliveries that somebody asked for again", self.replayed.clone());
        registry.register(
            "gateway_circuit_breaker_state",
            "Whether an agent is tried: 0 closed, 1 open, 2 half-open",
            self.breaker_state.clone(),
        );
        registry.register(
            "gateway_circuit_breaker_opened",
            "How often an agent was left alone because it failed",
            self.breaker_opened.clone(),
        );
        registry.register("gateway_polls", "Sources asked by how that ended", self.polls.clone());
        registry.register("gateway_plugin_calls", "Plugin calls by how they ended", self.plugin_calls.clone());
        registry.register_with_unit(
            "gateway_plugin_call_duration",
            "Time of a plugin call, instantiation included",
            Unit::Seconds,
            self.plugin_call_duration.clone(),
        );
        registry.register("gateway_plugin_traps", "Plugin calls that trapped", self.plugin_traps.clone());
        registry.register(
            "gateway_plugin_limit_hits",
            "Plugin calls and compilations stopped by a limit",
            self.plugin_limit_hits.clone(),
        );
        registry.register("gateway_plugin_generation", "The serving generation", self.plugin_generation.clone());
        registry.register(
            "gateway_plugin_load_failures",
            "Plugin files that were not taken into service",
            self.plugin_load_failures.clone(),
        );
        registry.register("gateway_skills", "Skills found", self.skills.clone());
    }

    /// All figures in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_dashboards_use_are_there() {
        let metrics = Metrics::new();
        metrics.requests.get_or_create(&ByRequest::new("github", 202)).inc();
        metrics.signature_failures.get_or_create(&ByProvider::new("github")).inc();
        metrics.request_duration.get_or_create(&ByProvider::new("github")).observe(0.001);
        metrics.task_duration.get_or_create(&ByAgent::new("stub")).observe(0.001);
        metrics.tasks_in_queue.get_or_create(&ByAgent::new("stub")).set(3);

        let text = metrics.encode();

        for line in [
            "webhook_requests_total{provider=\"github\",status=\"202\"} 1",
            "webhook_signature_validation_failures_total{provider=\"github\"} 1",
            "gateway_request_duration_seconds_count{provider=\"github\"} 1",
            "task_processing_duration_seconds_count{agent=\"stub\"} 1",
            "tasks_in_queue{agent=\"stub\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
