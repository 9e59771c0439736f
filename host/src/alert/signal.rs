//! A signal: the same alert, told again and again. While it fires it has an episode.

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::id::{BundleId, Fact, IncidentId, SignalId};
use super::labels::Labels;
use super::notification::Notification;
use super::severity::Level;
use super::suppression::Suppression;
use crate::event::{EventId, Timestamp};

/// The same alert, told again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    pub id: SignalId,
    pub channel: Box<str>,
    pub fingerprint: Box<str>,
    pub alertname: Box<str>,
    pub labels: Labels,
    pub annotations: Labels,
    /// The sender's word for the severity.
    pub severity: Box<str>,
    pub level: Level,
    pub environment: Environment,
    /// What it was sent together with.
    pub bundle: BundleId,
    /// The incident that it belongs to, or did last.
    pub incident: Option<IncidentId>,
    /// Its episode, while it fires.
    pub episode: Option<Episode>,
    /// The end of its last episode.
    pub ended: Option<Ended>,
    /// That it fires again, if that is no late copy of what was told before.
    pub late: Option<Late>,
    pub counts: Counts,
    /// When its last episode began.
    pub onset: Timestamp,
    /// When duplicates came, the newest last; as many as the rule for bursts needs.
    pub recent: Vec<Timestamp>,
    pub starts_at: Option<Timestamp>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// The event that told of it last.
    pub last_event: EventId,
}

/// One firing period of a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// When it was told first.
    pub since: Timestamp,
    /// The sightings after the first one; a recurrence begins with one.
    pub duplicates: u32,
    /// What the last notification said, and who sent it.
    pub content: Fact,
    pub peer: Option<Fact>,
    /// When the last notification came that was no copy, and who has sent a copy of it last.
    pub counted_at: Timestamp,
    pub copied_by: Option<Fact>,
    /// Why agents are not told of it.
    pub suppressed: Option<Suppression>,
    /// Whether they were told of it, or could have been, at any time of the episode.
    pub was_visible: bool,
    /// Which rules have escalated it.
    pub escalated: Escalated,
}

/// The rules that have escalated an episode. Each does it once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalated {
    pub total: bool,
    pub burst: bool,
}

/// The end of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub at: Timestamp,
    pub why: Ending,
    pub peer: Option<Fact>,
    pub starts_at: Option<Timestamp>,
}

/// Why an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The sender said so.
    Resolved,
    /// The sender said so of everything that it had sent together with it.
    BundleResolved,
    /// Nobody has told of it for too long.
    Stale,
    /// A person said so.
    Operator,
}

impl Ending {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::BundleResolved => "bundle_resolved",
            Self::Stale => "stale",
            Self::Operator => "operator",
        }
    }
}

/// A firing that may be a late copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    pub due: Timestamp,
    pub content: Fact,
    pub peer: Option<Fact>,
    pub starts_at: Option<Timestamp>,
}

/// How often what was told of a signal. They stay at their largest value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All notifications.
    pub notifications: u32,
    /// Copies of other peers.
    pub copies: u32,
    /// Notifications that it still fires.
    pub repeats: u32,
    /// Firing again soon after it was resolved.
    pub recurrences: u32,
    /// All episodes.
    pub episodes: u32,
    /// Notifications that it is resolved while it did not fire.
    pub orphan_resolves: u32,
    /// Times that it escalated.
    pub escalations: u32,
}

impl Signal {
    pub(super) fn new(told: &Notification, level: Level, environment: Environment) -> Self {
        Self {
            id: told.signal,
            channel: told.channel.as_str().into(),
            fingerprint: told.fingerprint.as_str().into(),
            alertname: told.alertname.as_str().into(),
            labels: told.labels.clone(),
            annotations: told.annotations.clone(),
            severity: told.severity.as_str().into(),
            level,
            environment,
            bundle: told.bundle,
            incident: None,
            episode: None,
            ended: None,
            late: None,
            counts: Counts::default(),
            onset: told.at,
            recent: Vec::new(),
            starts_at: told.starts_at,
            first_seen: told.at,
            last_seen: told.at,
            last_event: told.event,
        }
    }

    /// Takes over what the latest notification says of it.
    pub(super) fn refresh(&mut self, told: &Notification, level: Level, environment: Environment) {
        let Notification { labels, annotations, severity, alertname, .. } = told;
        if self.labels != *labels {
            self.labels = labels.clone();
        }
        if self.annotations != *annotations {
            self.annotations = annotations.clone();
        }
        if *self.severity != **severity {
            self.severity = severity.as_str().into();
        }
        if *self.alertname != **alertname {
            self.alertname = alertname.as_str().into();
        }
        (self.level, self.environment, self.bundle) = (level, environment, told.bundle);
    }

    /// Forgets something, so that it can be stored. Whether there was any.
    pub(super) fn shorten(&mut self) -> bool {
        let (labels, annotations) = (&mut self.labels, &mut self.annotations);
        let has_more = [annotations, labels].into_iter().find(|it| **it != Labels::default());
        has_more.map(std::mem::take).is_some()
    }

    pub const fn is_firing(&self) -> bool {
        self.episode.is_some()
    }

    /// Whether it fires and nothing keeps agents from being told.
    pub fn is_visible(&self) -> bool {
        self.episode.as_ref().is_some_and(|episode| episode.suppressed.is_none())
    }

    /// Whether it was resolved no longer than `window` ago.
    pub(super) fn ended_within(&self, window: std::time::Duration, now: Timestamp) -> bool {
        self.ended.is_some_and(|ended| now.since(ended.at) <= window)
    }
}
