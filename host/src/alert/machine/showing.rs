//! An incident as it is shown, and the events that show it.

use serde_json::{Map, Value, json};

use super::Machine;
use crate::alert::id::IncidentId;
use crate::alert::incident::Incident;
use crate::alert::signal::Signal;
use crate::alert::told::{Kind, Severity, SignalView, Tell};
use crate::event::Priority;

/// The most signals that an event shows.
const SHOWN: usize = 20;
/// Signals that are looked at to choose the ones that are shown.
const LOOKED_AT: usize = 2_000;
/// The most labels whose number of values a storm tells.
const CARDINALITIES: usize = 20;

impl Machine {
    /// An incident as it is shown, without its signals and its history.
    pub fn summary(&self, incident: &Incident) -> Map<String, Value> {
        let [signals, firing, visible] = self.counts(incident.id);
        let summary = json!({
            "id": incident.id,
            "title": incident.title,
            "state": incident.state,
            "state_since": incident.state_since,
            "state_by": incident.state_by,
            "severity": Severity { raw: &incident.severity, level: incident.level },
            "environment": incident.environment,
            "rule": incident.rule,
            "labels": incident.labels,
            "opened_at": incident.opened_at,
            "resolved_at": incident.resolved_at,
            "rests_until": incident.rests_until.filter(|_| !incident.is_resolved()),
            "runs": incident.runs,
            "failures": incident.failures,
            "acknowledged_by": incident.acknowledged.as_ref().map(|(by, _)| by),
            "merged_into": incident.merged_into,
            "storm": incident.storm,
            "signals": {"total": signals, "firing": firing, "suppressed": firing - visible},
        });
        match summary {
            Value::Object(summary) => summary,
            _ => Map::new(),
        }
    }

    /// An event about an incident, with the signals that matter most.
    pub(super) fn tell_of(&mut self, id: IncidentId, kind: Kind, reason: &str, more: Value) {
        let Some(incident) = self.incident(id) else { return };
        let named = &incident.untold.joined;
        let mut shown: Vec<&Signal> = named.iter().filter_map(|id| self.signal(*id)).collect();
        let mut rest: Vec<&Signal> =
            self.members(id).take(LOOKED_AT).filter(|signal| !named.contains(&signal.id)).collect();
        rest.sort_by_key(|signal| {
            (!signal.is_visible(), std::cmp::Reverse(signal.level), signal.first_seen, signal.id)
        });
        shown.extend(rest);
        shown.truncate(SHOWN);
        let [total, ..] = self.counts(id);
        let mut data = Map::new();
        data.insert("reason".to_owned(), json!(reason));
        data.insert("incident".to_owned(), Value::Object(self.summary(incident)));
        let alerts: Vec<SignalView<'_>> = shown.iter().map(|signal| (*signal).into()).collect();
        data.insert("alerts".to_owned(), json!(alerts));
        data.insert("more_alerts".to_owned(), json!(total.saturating_sub(shown.len())));
        if let Value::Object(more) = more {
            data.extend(more);
        }
        let attributes = [
            ("incident", id.to_string()),
            ("severity", incident.level.as_str().to_owned()),
            ("environment", incident.environment.as_str().to_owned()),
            ("alertname", incident.title.clone()),
            ("reason", reason.to_owned()),
            ("run", incident.runs.to_string()),
        ];
        let tell = Tell {
            kind,
            subject: id.to_string(),
            priority: Priority::Normal,
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            data: Value::Object(data),
        };
        self.push(tell);
    }

    /// How many values each label has among the signals of a storm, of as many signals as are looked at.
    pub(super) fn cardinalities(&self, id: IncidentId) -> Value {
        let mut values: std::collections::BTreeMap<&str, std::collections::BTreeSet<&str>> =
            std::collections::BTreeMap::new();
        for signal in self.members(id).filter(|signal| signal.is_firing()).take(LOOKED_AT) {
            for (name, value) in signal.labels.iter() {
                if values.len() < CARDINALITIES || values.contains_key(name) {
                    values.entry(name).or_default().insert(value);
                }
            }
        }
        values.into_iter().map(|(name, values)| (name.to_owned(), json!(values.len()))).collect()
    }
}
