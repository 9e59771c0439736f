//! What agents are told: the events of the channel `alerts`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::id::IncidentId;
use super::incident::Incident;
use super::labels::Labels;
use super::machine::Machine;
use super::signal::Signal;
use crate::event::{Priority, Timestamp};

/// An event to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Tell {
    pub kind: Kind,
    /// The incident, or the name of a heartbeat.
    pub subject: String,
    pub priority: Priority,
    /// Further attributes, for conditions of routes.
    pub attributes: Vec<(String, String)>,
    pub data: Value,
}

/// The kinds of these events, below the name of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Opened,
    Changed,
    Escalated,
    Resolved,
    Blocked,
    Stale,
    StormStarted,
    StormUpdated,
    StormEnded,
    HeartbeatMissing,
    HeartbeatRestored,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Opened,
        Self::Changed,
        Self::Escalated,
        Self::Resolved,
        Self::Blocked,
        Self::Stale,
        Self::StormStarted,
        Self::StormUpdated,
        Self::StormEnded,
        Self::HeartbeatMissing,
        Self::HeartbeatRestored,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::Blocked => "blocked",
            Self::Stale => "stale",
            Self::StormStarted => "storm.started",
            Self::StormUpdated => "storm.updated",
            Self::StormEnded => "storm.ended",
            Self::HeartbeatMissing => "heartbeat.missing",
            Self::HeartbeatRestored => "heartbeat.restored",
        }
    }
}

/// The most signals that an event shows.
const SHOWN: usize = 20;
/// Signals that are looked at to choose the ones that are shown.
const LOOKED_AT: usize = 2_000;
/// The most labels whose number of values a storm tells.
const CARDINALITIES: usize = 20;

/// A signal as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct SignalView<'a> {
    pub id: String,
    pub fingerprint: &'a str,
    pub alertname: &'a str,
    pub channel: &'a str,
    pub status: &'static str,
    pub severity: Severity<'a>,
    pub environment: &'static str,
    pub labels: &'a Labels,
    pub annotations: &'a Labels,
    pub starts_at: Option<Timestamp>,
    pub firing_since: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    pub resolved_by: Option<&'static str>,
    pub suppressed: Option<String>,
    /// Sightings of this episode after the first one.
    pub duplicates: u32,
    pub notifications: u32,
    pub copies: u32,
    pub recurrences: u32,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub last_event: String,
    pub incident: Option<IncidentId>,
}

/// The sender's word, and the level that it stands for.
#[derive(Clone, Debug, Serialize)]
pub struct Severity<'a> {
    pub raw: &'a str,
    pub level: super::Level,
}

impl<'a> From<&'a Signal> for SignalView<'a> {
    fn from(signal: &'a Signal) -> Self {
        let episode = signal.episode.as_ref();
        let ended = signal.ended.filter(|_| episode.is_none());
        Self {
            id: signal.id.to_string(),
            fingerprint: &signal.fingerprint,
            alertname: &signal.alertname,
            channel: &signal.channel,
            status: if episode.is_some() { "firing" } else { "resolved" },
            severity: Severity { raw: &signal.severity, level: signal.level },
            environment: signal.environment.as_str(),
            labels: &signal.labels,
            annotations: &signal.annotations,
            starts_at: signal.starts_at,
            firing_since: episode.map(|episode| episode.since),
            resolved_at: ended.map(|ended| ended.at),
            resolved_by: ended.map(|ended| ended.why.as_str()),
            suppressed: episode.and_then(|episode| episode.suppressed.as_ref()).map(ToString::to_string),
            duplicates: episode.map_or(0, |episode| episode.duplicates),
            notifications: signal.counts.notifications,
            copies: signal.counts.copies,
            recurrences: signal.counts.recurrences,
            first_seen: signal.first_seen,
            last_seen: signal.last_seen,
            last_event: signal.last_event.to_string(),
            incident: signal.incident,
        }
    }
}

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
