//! What agents are told: the events of the channel `alerts`.

use serde::Serialize;
use serde_json::Value;

use super::id::IncidentId;
use super::labels::Labels;
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

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

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
