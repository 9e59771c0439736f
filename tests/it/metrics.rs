//! The names that dashboards and alerts of operators are written with.

use std::collections::BTreeSet;

use crate::support::{Setup, built_in, guest};

/// Every metric that a delivered event, an unrouted one, a forged request and an idle gateway show, as its `HELP` and `TYPE` lines.
const SHOWN: &[(&str, &str, &str)] = &[
    (
        "gateway_agent_budget_remaining_ratio",
        "gauge",
        "The share of the failures that the objective of an agent allows that is left, since the start of the gateway.",
    ),
    (
        "gateway_agent_burn_rate",
        "gauge",
        "How many times faster than its objective allows an agent fails, in windows up to that of the objective; 0 without attempts.",
    ),
    ("gateway_alert_deliveries_heard", "counter", "Deliveries of events of alerts whose end alerts have heard of."),
    (
        "gateway_alert_values_unreadable",
        "gauge",
        "Stored values of alerts that cannot be read and are left out; the log of the gateway names them.",
    ),
    (
        "gateway_alerts_stopped",
        "gauge",
        "1 when alerts are not processed any more, because the log failed or what is stored cannot be read.",
    ),
    ("gateway_alert_notifications", "counter", "Notifications of alerts, by what became of them."),
    ("gateway_alert_events", "counter", "Events that told agents of alerts, by kind."),
    ("gateway_alert_escalations", "counter", "Escalations, by environment and rule."),
    ("gateway_alert_runs", "counter", "Times that an agent was asked to begin with an incident."),
    (
        "gateway_alerts_left_out",
        "counter",
        "Notifications that were left out, because too many signals or incidents are known.",
    ),
    ("gateway_alerts_cut", "counter", "Notifications with more labels or annotations than are kept."),
    ("gateway_alerts_without_environment", "counter", "Notifications whose labels say no environment."),
    ("gateway_alert_signals", "gauge", "Signals that are known."),
    ("gateway_alert_incidents", "gauge", "Incidents that are known, by state and severity."),
    ("gateway_alerts_suppressed", "gauge", "Signals that fire and that agents are not told of, by reason."),
    ("gateway_alert_storms", "gauge", "Storms that go on."),
    ("gateway_alert_heartbeats_missing", "gauge", "Heartbeats that are missing."),
    ("gateway_alert_oldest_unhandled_seconds", "gauge", "How long the oldest incident has waited for an agent."),
    ("gateway_build", "info", "The running version."),
    ("gateway_circuit_breaker_state", "gauge", "Whether an agent is tried: 0 closed, 1 open, 2 half-open."),
    (
        "gateway_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration in force was read, in seconds since 1970.",
    ),
    (
        "gateway_config_last_reload_successful",
        "gauge",
        "Whether the configuration in the file is in force: 1, or 0 after it was refused.",
    ),
    ("gateway_consumer_expired", "counter", "Consumers that were deleted because nobody used them."),
    ("gateway_consumer_parked", "counter", "Events that consumers have parked."),
    ("gateway_delivery_attempts", "counter", "Attempts by what they came to."),
    ("gateway_eventlog_bytes", "gauge", "Bytes of the events that are held, with their payloads."),
    ("gateway_eventlog_commit_duration_seconds", "histogram", "Time of a commit, fsync included."),
    ("gateway_eventlog_commit_events", "histogram", "Events per commit."),
    ("gateway_eventlog_commit_size_bytes", "histogram", "Bytes written per commit."),
    ("gateway_eventlog_commits", "counter", "Durable commits."),
    ("gateway_eventlog_events", "gauge", "Events that are held."),
    (
        "gateway_eventlog_identities_forgotten",
        "counter",
        "Identities forgotten before their time, because there were too many.",
    ),
    ("gateway_eventlog_journal_bytes", "gauge", "Bytes of the segments of the journal."),
    ("gateway_eventlog_journal_live_bytes", "gauge", "Bytes of the values in segments that are still needed."),
    ("gateway_eventlog_journal_segments", "gauge", "Segments of the journal, prepared ones included."),
    ("gateway_eventlog_journal_waiting_bytes", "gauge", "Bytes of the writes that are not applied yet."),
    (
        "gateway_eventlog_journal_waits",
        "counter",
        "Commits that waited because too much was not applied, or for a segment.",
    ),
    (
        "gateway_eventlog_oldest_timestamp_seconds",
        "gauge",
        "When the first event that is held was received, in seconds since 1970; 0 when there is none.",
    ),
    ("gateway_eventlog_queue", "gauge", "Writes that wait for a commit."),
    ("gateway_eventlog_states", "gauge", "Things of which the last state is remembered."),
    (
        "gateway_eventlog_states_forgotten",
        "counter",
        "Last states forgotten before their time, because there were too many.",
    ),
    ("gateway_events", "counter", "Events accepted."),
    ("gateway_events_duplicate", "counter", "Events that were in the log already."),
    ("gateway_events_held", "gauge", "Events that nobody is told of yet, because their state may be late."),
    ("gateway_events_quarantined", "gauge", "Events that nobody is told of before they are released."),
    ("gateway_events_unrouted", "counter", "Events that no route took."),
    ("gateway_http_connections", "gauge", "Open connections."),
    (
        "gateway_notices_dropped",
        "counter",
        "Notices that were not stored, because the queue was full or the log refused them.",
    ),
    (
        "gateway_notices_throttled",
        "counter",
        "Notices that were left out, because there was one of the same kind about the same thing.",
    ),
    ("gateway_plugin_call_duration_seconds", "histogram", "Time of a plugin call, instantiation included."),
    ("gateway_plugin_calls", "counter", "Plugin calls by how they ended."),
    ("gateway_plugin_generation", "gauge", "The serving generation."),
    (
        "gateway_rate_limit_displaced",
        "counter",
        "Addresses that were forgotten before their time to make room for others.",
    ),
    ("gateway_replays_running", "gauge", "Replays that go on."),
    ("gateway_request_duration_seconds", "histogram", "From the first byte of a webhook request to its answer."),
    ("gateway_skills", "gauge", "Skills found."),
    ("gateway_subscriber_events_sent", "counter", "Events sent to subscribers."),
    ("gateway_subscriber_lag_seconds", "histogram", "Time from the commit of an event to its first message."),
    ("gateway_web_cache_bytes", "gauge", "Bytes of stored responses."),
    ("gateway_web_cache_purged", "counter", "Stored responses that were removed by an operator."),
    ("gateway_web_cache_requests", "counter", "Requests on routes with a cache, by what became of them."),
    ("gateway_web_tunnels", "gauge", "Open WebSocket connections to backends."),
    ("task_processing_duration_seconds", "histogram", "From the commit of an event to the end of its delivery."),
    ("tasks_in_queue", "gauge", "Deliveries that wait in memory."),
    ("webhook_requests", "counter", "Webhook requests by channel and HTTP status."),
    ("webhook_signature_validation_failures", "counter", "Requests whose verification failed."),
];

#[tokio::test]
async fn metrics_keep_their_names_types_and_help() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .plugin(guest::SEALED)
        .config("\n[agents.stub]\n[[routes]]\nagents = [\"stub\"]\nwhere = { subject = { not = \"unrouted\" } }\n")
        .config("\n[channels.dummy]\n[channels.sealed]\nsecret = { env = \"SEALED_SECRET\" }\n")
        .env("SEALED_SECRET", "secret")
        .start()
        .await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    gateway.post("dummy?subject=unrouted", "{}").await.expect_accepted();
    gateway.post("sealed", "{}").await.expect_status(401);

    let text = gateway.metrics().await;

    let described: BTreeSet<&str> = text.lines().filter(|line| line.starts_with("# ")).collect();
    let described: Vec<&str> = described.into_iter().filter(|line| !line.starts_with("# UNIT ")).collect();
    let help = SHOWN.iter().map(|(name, _, help)| format!("# HELP {name} {help}"));
    let mut expected: Vec<String> =
        help.chain(SHOWN.iter().map(|(name, kind, _)| format!("# TYPE {name} {kind}"))).collect();
    expected.push("# EOF".to_owned());
    expected.sort();
    assert_eq!(described, expected, "\n{text}");
}
