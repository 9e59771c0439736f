//! What agents and people say of an incident.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Machine;
use crate::alert::id::{IncidentId, SignalId};
use crate::alert::incident::{Incident, State, Told, Untold};
use crate::alert::told::Kind;
use crate::event::Timestamp;

/// What an agent or a person says of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is being worked on.
    InProgress,
    /// The work is done. It may burn on all the same.
    Handled,
    /// The work has failed.
    Failed,
    /// A person has to look at it.
    NeedsHuman,
    /// A person looks at it.
    Acknowledged,
}

impl Outcome {
    pub const ALL: [Self; 5] = [Self::InProgress, Self::Handled, Self::Failed, Self::NeedsHuman, Self::Acknowledged];

    /// The names of all of them, for a message.
    pub const NAMES: &'static str = "`in_progress`, `handled`, `failed`, `needs_human` or `acknowledged`";

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Handled => "handled",
            Self::Failed => "failed",
            Self::NeedsHuman => "needs_human",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// The outcome with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// Who says something of an incident, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker<'n> {
    Agent(&'n str),
    Person(&'n str),
}

/// Why what was said of an incident changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such incident.
    NotFound,
    /// It is over.
    Resolved,
    /// It is not as it would have to be, for people.
    Unfit(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such incident"),
            Self::Resolved => f.write_str("the incident is resolved"),
            Self::Unfit(why) => f.write_str(why),
        }
    }
}

/// The most signals that an operator moves at once.
const MOVED: usize = 5_000;

impl Machine {
    /// What somebody says of an incident. What an agent says of one that people have, or that is over, is only noted.
    ///
    /// # Errors
    /// There is no such incident.
    pub fn say(
        &mut self,
        id: IncidentId,
        said: Outcome,
        speaker: Speaker<'_>,
        note: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::NotFound)?;
        let (by, is_late) = match speaker {
            Speaker::Agent(by) => (by, incident.is_with_people()),
            Speaker::Person(by) => (by, false),
        };
        if incident.is_resolved() || is_late {
            self.edit(id, |incident| incident.note(now, said.as_str(), text(by, note), None));
            return Ok(());
        }
        let settings = std::sync::Arc::clone(&self.settings);
        let is_blocked = self.edit(id, |incident| {
            incident.note(now, said.as_str(), text(by, note), None);
            if matches!(said, Outcome::InProgress | Outcome::Handled | Outcome::Acknowledged) {
                incident.acknowledge(by, now);
            }
            match said {
                Outcome::InProgress => {
                    incident.enter(State::InProgress, by, now);
                    incident.rests_until = None;
                }
                Outcome::Handled => {
                    incident.failures = 0;
                    incident.rest(State::Handled, by, Duration::ZERO, &settings, now);
                }
                Outcome::Failed => {
                    incident.failures = incident.failures.saturating_add(1);
                    let blocks = settings.block_after > 0 && incident.failures >= settings.block_after;
                    let (state, least) =
                        if blocks { (State::Blocked, settings.block_for) } else { (State::Failed, Duration::ZERO) };
                    incident.rest(state, by, least, &settings, now);
                    return blocks;
                }
                Outcome::NeedsHuman => incident.enter(State::NeedsHuman, by, now),
                Outcome::Acknowledged => incident.enter(State::Acknowledged, by, now),
            }
            false
        });
        if is_blocked == Some(true) {
            let failures = self.incidents.get(&id).map_or(0, |incident| incident.failures);
            let until = self.incidents.get(&id).and_then(|incident| incident.rests_until);
            self.tell_of(id, Kind::Blocked, "blocked", json!({"failures": failures, "blocked_until": until}));
        }
        Ok(())
    }

    /// The delivery of an event that asked `agent` to begin has ended.
    pub fn delivered(&mut self, id: IncidentId, agent: &str, accepted: bool, now: Timestamp) {
        let begins = |incident: &&Incident| incident.state == State::Open && incident.told == Told::Firing;
        if self.incidents.get(&id).filter(begins).is_none() {
            return;
        }
        if !accepted {
            // An incident that is over in the meantime takes a word too.
            drop(self.say(id, Outcome::Failed, Speaker::Agent(agent), "the delivery is dead", now));
            return;
        }
        self.edit(id, |incident| {
            incident.note(now, "accepted", agent, None);
            incident.enter(State::InProgress, agent, now);
            incident.rests_until = None;
        });
    }

    /// Ends all signals of an incident, because `by` says so.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn resolve_all(&mut self, id: IncidentId, by: &str, note: &str, now: Timestamp) -> Result<(), Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::NotFound)?;
        if incident.is_resolved() {
            return Err(Refusal::Resolved);
        }
        self.edit(id, |incident| {
            incident.note(now, "resolving", text(by, note), None);
            incident.closing = true;
        });
        Ok(())
    }

    /// Writes a note into the history of an incident.
    ///
    /// # Errors
    /// There is no such incident.
    pub fn remark(&mut self, id: IncidentId, by: &str, note: &str, now: Timestamp) -> Result<(), Refusal> {
        self.edit(id, |incident| incident.note(now, "note", text(by, note), None)).ok_or(Refusal::NotFound)
    }

    /// Moves all signals of an incident into another one, which ends the first.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn merge(&mut self, id: IncidentId, into: IncidentId, by: &str, now: Timestamp) -> Result<(), Refusal> {
        if id == into {
            return Err(Refusal::Unfit("an incident cannot be merged into itself".to_owned()));
        }
        let target = self.incidents.get(&into).ok_or(Refusal::NotFound)?;
        let is_over = |incident: &Incident| incident.is_resolved() || incident.merged_into.is_some();
        if is_over(target) || is_over(self.incidents.get(&id).ok_or(Refusal::NotFound)?) {
            return Err(Refusal::Resolved);
        }
        let signals: Vec<SignalId> = self.members(id).map(|signal| signal.id).take(MOVED + 1).collect();
        if signals.len() > MOVED {
            return Err(Refusal::Unfit(format!("the incident has more than {MOVED} alerts, too many to move")));
        }
        for signal in &signals {
            self.change(*signal, |signal| signal.incident = Some(into));
        }
        let untold = self.edit(id, |incident| {
            incident.merged_into = Some(into);
            incident.note(now, "merged", text(by, &format!("into {into}")), None);
            std::mem::take(&mut incident.untold)
        });
        let Untold { escalations, escalations_count, .. } = untold.unwrap_or_default();
        let (level, word, environment) =
            self.incidents.get(&id).map(|it| (it.level, it.severity.clone(), it.environment)).unwrap_or_default();
        self.edit(into, |incident| {
            incident.untold.by_operator = Some("merged".to_owned());
            signals.iter().for_each(|signal| incident.join(*signal));
            incident.untold.escalate_all(escalations, escalations_count);
            incident.environment = incident.environment.min(environment);
            if level > incident.level {
                (incident.level, incident.severity) = (level, word);
            }
            incident.note(now, "merged", text(by, &format!("{} alerts of {id}", signals.len())), None);
        });
        Ok(())
    }

    /// Moves some signals of an incident into a new one; its id.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn split(
        &mut self,
        id: IncidentId,
        signals: &[SignalId],
        by: &str,
        now: Timestamp,
    ) -> Result<IncidentId, Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::NotFound)?;
        if incident.is_resolved() {
            return Err(Refusal::Resolved);
        }
        let signals = BTreeSet::from_iter(signals);
        let others = self.members.get(&id).map_or(0, |members| members.firing);
        let is_member = |signal: &&SignalId| {
            self.signals.get(*signal).is_some_and(|signal| signal.incident == Some(id) && signal.is_firing())
        };
        if let Some(stranger) = signals.iter().find(|signal| !is_member(signal)) {
            return Err(Refusal::Unfit(format!("alert `{stranger}` does not fire in this incident")));
        }
        if signals.is_empty() || signals.len() >= others {
            return Err(Refusal::Unfit("some alerts have to go and some have to stay".to_owned()));
        }
        let first = signals.first().and_then(|first| self.signals.get(first)).cloned().ok_or(Refusal::NotFound)?;
        let new = self
            .open_apart(&first, id, now)
            .ok_or_else(|| Refusal::Unfit("as many incidents are known as `alerts.max_incidents` allows".to_owned()))?;
        for signal in &signals {
            self.change(**signal, |signal| signal.incident = Some(new));
        }
        self.edit(new, |incident| incident.note(now, "split", text(by, &format!("from {id}")), None));
        self.edit(id, |incident| {
            incident.untold.by_operator = Some("split".to_owned());
            incident.note(now, "split", text(by, &format!("{} alerts into {new}", signals.len())), None);
        });
        Ok(new)
    }
}

fn text(by: &str, note: &str) -> String {
    if note.is_empty() { by.to_owned() } else { format!("{by}: {note}") }
}
