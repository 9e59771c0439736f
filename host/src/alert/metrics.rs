//! What `/metrics` shows of alerts: figures of the machine at the time of asking.

use std::collections::BTreeMap;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::figures::Figures;
use super::processor::{Shared, lock};
use crate::event::Timestamp;
use crate::metrics::Metrics;

/// Asks the machine.
#[derive(Debug)]
pub(super) struct AlertMetrics(Shared);

impl AlertMetrics {
    pub(super) fn register(metrics: &Metrics, machine: &Shared) {
        metrics.register_collector(Self(Shared::clone(machine)));
    }
}

impl Collector for AlertMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (tally, figures) = {
            let machine = lock(&self.0);
            (machine.tally().clone(), machine.figures(Timestamp::now()))
        };
        let Figures { firing, resolved, suppressed, incidents, storms, heartbeats_missing, oldest_unhandled } = figures;
        let mut counters = |name: &str, help: &str, rows: Vec<(Vec<(&str, &str)>, u64)>| {
            let kind = prometheus_client::metrics::MetricType::Counter;
            let mut family = encoder.encode_descriptor(name, &format!("{help}."), None, kind)?;
            for (labels, value) in rows {
                if labels.is_empty() {
                    return ConstCounter::new(value).encode(family);
                }
                ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), std::fmt::Error>(())
        };
        let by = |label: &'static str, counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(name, count)| (vec![(label, *name)], *count)).collect::<Vec<_>>()
        };
        counters(
            "gateway_alert_notifications",
            "Notifications of alerts, by what became of them",
            by("fate", &tally.notifications),
        )?;
        counters("gateway_alert_events", "Events that told agents of alerts, by kind", by("kind", &tally.told))?;
        let escalations = tally.escalations.iter();
        let escalations = escalations
            .map(|((environment, rule), count)| (vec![("environment", environment.as_str()), ("rule", *rule)], *count));
        counters("gateway_alert_escalations", "Escalations, by environment and rule", escalations.collect())?;
        for (name, help, count) in [
            ("gateway_alert_runs", "Times that an agent was asked to begin with an incident", tally.runs),
            (
                "gateway_alerts_left_out",
                "Notifications that were left out, because too many signals or incidents are known",
                tally.crowded,
            ),
            ("gateway_alerts_cut", "Notifications with more labels or annotations than are kept", tally.cut),
            (
                "gateway_alerts_without_environment",
                "Notifications whose labels say no environment",
                tally.without_environment,
            ),
        ] {
            counters(name, help, vec![(Vec::new(), count)])?;
        }
        let mut gauges = |name: &str, help: &str, rows: Vec<(Vec<(&str, &str)>, f64)>| {
            let kind = prometheus_client::metrics::MetricType::Gauge;
            let mut family = encoder.encode_descriptor(name, &format!("{help}."), None, kind)?;
            for (labels, value) in rows {
                if labels.is_empty() {
                    return ConstGauge::new(value).encode(family);
                }
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), std::fmt::Error>(())
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of what is in memory are exact")]
        let float = |count: usize| count as f64;
        let signals = [("firing", firing), ("resolved", resolved)];
        gauges(
            "gateway_alert_signals",
            "Signals that are known",
            signals.map(|(state, count)| (vec![("state", state)], float(count))).to_vec(),
        )?;
        let incidents = incidents.iter();
        let incidents = incidents.map(|((state, level), count)| {
            (vec![("state", state.as_str()), ("severity", level.as_str())], float(*count))
        });
        gauges("gateway_alert_incidents", "Incidents that are known, by state and severity", incidents.collect())?;
        let suppressed = suppressed.iter().map(|(reason, count)| (vec![("reason", *reason)], float(*count)));
        gauges(
            "gateway_alerts_suppressed",
            "Signals that fire and that agents are not told of, by reason",
            suppressed.collect(),
        )?;
        for (name, help, value) in [
            ("gateway_alert_storms", "Storms that go on", float(storms)),
            ("gateway_alert_heartbeats_missing", "Heartbeats that are missing", float(heartbeats_missing.len())),
            (
                "gateway_alert_oldest_unhandled_seconds",
                "How long the oldest incident has waited for an agent",
                oldest_unhandled.as_secs_f64(),
            ),
        ] {
            gauges(name, help, vec![(Vec::new(), value)])?;
        }
        Ok(())
    }
}
