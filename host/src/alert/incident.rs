//! An incident: what an agent works on. Its signals belong together, and one session of an agent follows it to its end.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::escalation::Rule;
use super::id::{GroupId, IncidentId, SignalId};
use super::labels::{Labels, shown};
use super::severity::Level;
use super::signal::Ending;
use crate::event::{Seq, Timestamp};

/// What an agent works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub group: GroupId,
    /// What it is called: the first signal's name, or the storm's.
    pub title: String,
    /// The rule that put its signals together.
    pub rule: String,
    /// The labels that its signals have in common by that rule.
    pub labels: Labels,
    pub environment: Environment,
    /// The highest level of its signals so far.
    pub level: Level,
    /// The sender's word for it.
    pub severity: String,
    pub opened_at: Timestamp,
    pub state: State,
    pub state_since: Timestamp,
    /// Who brought it into its state.
    pub state_by: String,
    /// Until when no agent is run again, while it rests.
    pub rests_until: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    /// What agents believe.
    pub told: Told,
    pub told_at: Option<Timestamp>,
    /// How often an agent was asked to begin, escalations apart.
    pub runs: u32,
    /// Rests so far; the next one is longer.
    pub rests: u32,
    /// Runs in a row that failed.
    pub failures: u32,
    /// Who has acknowledged it, and when.
    pub acknowledged: Option<(String, Timestamp)>,
    /// How often it has escalated because nobody had acknowledged it, and when it did last.
    pub unacked_told: u32,
    pub unacked_at: Option<Timestamp>,
    /// What was not told yet.
    pub untold: Untold,
    /// Whether its signals are to end, because a person said so.
    pub closing: bool,
    /// If it is a storm: its state.
    pub storm: Option<StormState>,
    /// What it went into, if an operator has merged it.
    pub merged_into: Option<IncidentId>,
    /// What happened, the newest last.
    pub history: VecDeque<Entry>,
    /// Entries that are no longer kept.
    pub history_cut: u32,
    /// How its last signal ended.
    pub last_ending: Option<Ending>,
}

/// Who works on an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody yet.
    Open,
    /// An agent.
    InProgress,
    /// An agent was done with it.
    Handled,
    /// An agent has failed.
    Failed,
    /// Agents have failed too often in a row.
    Blocked,
    /// An agent has given it to people.
    NeedsHuman,
    /// A person has taken it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl State {
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::InProgress,
        Self::Handled,
        Self::Failed,
        Self::Blocked,
        Self::NeedsHuman,
        Self::Acknowledged,
        Self::Resolved,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in_progress",
            Self::Handled => "handled",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::NeedsHuman => "needs_human",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    /// The state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What agents believe of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    #[default]
    Nothing,
    Firing,
    Resolved,
}

/// What has changed and was not told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Untold {
    /// Signals that have joined; the first of them, and how many there are.
    pub joined: Vec<SignalId>,
    pub joined_count: u32,
    /// Whether the severity has risen.
    pub severity_rose: bool,
    /// Escalations; the first of them, and how many there are.
    pub escalations: Vec<Escalation>,
    pub escalations_count: u32,
    /// What an operator did with it.
    pub by_operator: Option<String>,
}

impl Untold {
    /// The most signals that are named.
    pub const NAMED: usize = 20;

    /// Whether something is told at once.
    pub(super) const fn is_urgent(&self) -> bool {
        self.severity_rose || self.by_operator.is_some() || self.escalations_count > 0
    }

    pub(super) fn join(&mut self, signal: SignalId) {
        if self.joined.contains(&signal) {
            return;
        }
        self.joined_count += 1;
        if self.joined.len() < Self::NAMED {
            self.joined.push(signal);
        }
    }

    pub(super) fn escalate(&mut self, escalation: Escalation) {
        self.escalate_all([escalation], 1);
    }

    /// The first of `count` escalations.
    pub(super) fn escalate_all(&mut self, first: impl IntoIterator<Item = Escalation>, count: u32) {
        self.escalations_count = self.escalations_count.saturating_add(count);
        let room = Self::NAMED.saturating_sub(self.escalations.len());
        self.escalations.extend(first.into_iter().take(room));
    }
}

/// That a rule for repetitions is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    pub rule: Rule,
    /// The signal; `None` if the whole incident escalates.
    pub signal: Option<SignalId>,
    /// Duplicates in the episode.
    pub count: u32,
    pub environment: Environment,
    pub at: Timestamp,
}

/// A storm, as an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormState {
    pub started_at: Timestamp,
    /// When it was last at its thresholds.
    pub blew_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Signals that have joined since it was told last.
    pub since_digest: u32,
    pub digest_at: Timestamp,
    /// When escalations of its signals were told last.
    pub escalated_at: Option<Timestamp>,
}

/// Something that happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    /// What, in one word, such as `opened`.
    pub what: String,
    /// For people.
    pub text: String,
    /// The position of the event that it came from.
    pub seq: Option<Seq>,
}

impl Incident {
    /// The most entries of its history that are kept.
    pub const HISTORY: usize = 60;
    /// The most bytes of a text in it, as JSON.
    pub const TEXT: usize = 200;
    /// The most bytes of who did something, as JSON.
    const WHO: usize = 100;

    /// Notes what has happened.
    pub(super) fn note(&mut self, at: Timestamp, what: &str, text: impl Into<String>, seq: Option<Seq>) {
        let text = shown(&text.into(), Self::TEXT).text;
        if self.history.len() >= Self::HISTORY {
            // How it began stays.
            self.history.remove(1);
            self.history_cut = self.history_cut.saturating_add(1);
        }
        self.history.push_back(Entry { at, what: what.to_owned(), text, seq });
    }

    /// Agents are to be told of one more of its signals; of those of a storm only how many they are.
    pub(super) fn join(&mut self, signal: SignalId) {
        match &mut self.storm {
            Some(storm) => storm.since_digest = storm.since_digest.saturating_add(1),
            None if self.told == Told::Firing => self.untold.join(signal),
            None => {}
        }
    }

    pub const fn is_resolved(&self) -> bool {
        matches!(self.state, State::Resolved)
    }

    pub(super) fn enter(&mut self, state: State, by: &str, now: Timestamp) {
        (self.state, self.state_since) = (state, now);
        self.state_by = shown(by, Self::WHO).text;
    }

    /// Begins a rest: after it, an agent is run again if it still burns. Each is twice as long as the one before.
    pub(super) fn rest(&mut self, state: State, by: &str, least: Duration, settings: &super::Settings, now: Timestamp) {
        self.enter(state, by, now);
        self.rest_from(now, least, settings);
    }

    pub(super) fn rest_from(&mut self, begun: Timestamp, least: Duration, settings: &super::Settings) {
        let doubled = settings.cooldown.saturating_mul(1_u32.checked_shl(self.rests).unwrap_or(u32::MAX));
        self.rests = self.rests.saturating_add(1);
        self.rests_until = Some(begun.after(doubled.min(settings.cooldown_max).max(least)));
    }

    /// Somebody has taken it.
    pub(super) fn acknowledge(&mut self, by: &str, now: Timestamp) {
        self.acknowledged.get_or_insert_with(|| (shown(by, Self::WHO).text, now));
    }

    /// Forgets something, so that it can be stored: of its history, but not how it began and what was last. Whether there was any.
    pub(super) fn shorten(&mut self) -> bool {
        let has_more = self.history.len() > 2;
        if has_more {
            self.history.remove(1);
            self.history_cut = self.history_cut.saturating_add(1);
        } else {
            self.labels = Labels::default();
        }
        has_more
    }

    /// Whether an agent works on it, or is asked to.
    pub const fn is_running(&self) -> bool {
        matches!(self.state, State::Open | State::InProgress)
    }

    /// Whether people have taken it, so that no agent is run again.
    pub const fn is_with_people(&self) -> bool {
        matches!(self.state, State::NeedsHuman | State::Acknowledged)
    }

    /// Until when a word of an agent is waited for.
    pub(super) fn waits_until(&self, timeout: Duration) -> Option<Timestamp> {
        let waits = self.is_running() && self.told == Told::Firing && self.rests_until.is_none();
        waits.then(|| self.state_since.after(timeout))
    }

    /// Why agents are not told of a repetition, for people.
    pub fn standing(&self, now: Timestamp) -> String {
        match (self.state, self.rests_until) {
            (State::Handled | State::Failed | State::Blocked, Some(until)) if now < until => {
                format!("{}, rests until {until}", self.state.as_str().replace('_', " "))
            }
            (State::Open, _) => "told".to_owned(),
            (state, _) => state.as_str().replace('_', " "),
        }
    }

    /// Whether no agent is run again yet.
    pub fn is_resting(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}
