//! What becomes of an incident when the delivery of an event about it ends.

use super::{Machine, Outcome, Speaker};
use crate::alert::id::IncidentId;
use crate::alert::incident::{State, Told};
use crate::alert::told::Kind;
use crate::event::Timestamp;

/// How the delivery of an event about an incident has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub incident: IncidentId,
    /// The run that the event belongs to.
    pub run: u32,
    pub about: About,
    /// Of the event, such as `opened`.
    pub kind: &'static str,
    pub agent: String,
    /// Whether the agent has accepted it; otherwise the delivery is dead.
    pub is_accepted: bool,
    /// Whether all deliveries of the event are dead, so that no other agent takes it.
    pub is_lost: bool,
    /// What the agent says.
    pub said: Option<String>,
}

/// What an event wants of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// That it begins to work.
    Begin,
    /// That it takes something into account in its work.
    Work,
    /// Nothing: it is over, or blocked.
    End,
}

impl About {
    /// What an event of this kind, told for this reason, wants.
    pub fn of(kind: Kind, reason: &str) -> Self {
        match kind {
            Kind::Opened | Kind::StormStarted => Self::Begin,
            Kind::Changed if ["recurred", "still_firing"].contains(&reason) => Self::Begin,
            Kind::Changed | Kind::Escalated | Kind::StormUpdated | Kind::StormEnded => Self::Work,
            Kind::Resolved | Kind::Stale | Kind::Blocked | Kind::HeartbeatMissing | Kind::HeartbeatRestored => {
                Self::End
            }
        }
    }
}

impl Machine {
    /// Hears how the delivery of an event about an incident has ended, and what the agent says. What belongs to an earlier run, or to the
    /// end of an incident, is only noted: another agent may work on it by now. So is that it is handled if it is already: an agent that
    /// says so of every event does not make the rest longer.
    pub fn hear(&mut self, report: &Report, now: Timestamp) {
        let Report { incident: id, run, about, kind, agent, is_accepted, is_lost, said } = report;
        let (id, is_accepted) = (*id, *is_accepted);
        let Some(incident) = self.incidents.get(&id) else { return };
        let is_current = incident.runs == *run && incident.told == Told::Firing && *about != About::End;
        match about {
            About::Begin if is_current && (is_accepted || *is_lost) => self.delivered(id, agent, is_accepted, now),
            _ if is_accepted => {}
            _ => drop(self.edit(id, |incident| {
                incident.note(now, "undelivered", format!("{agent}: the delivery of `{kind}` is dead"), None);
            })),
        }
        let Some(said) = said else { return };
        let is_handled = self.incidents.get(&id).is_some_and(|incident| incident.state == State::Handled);
        let heard = match Outcome::named(said) {
            Some(said) if is_current && !(said == Outcome::Handled && is_handled) => {
                self.say(id, said, Speaker::Agent(agent), "", now)
            }
            Some(said) => {
                self.edit(id, |incident| {
                    incident.note(
                        now,
                        said.as_str(),
                        format!("{agent}: of `{kind}` in run {run}, changes nothing"),
                        None,
                    );
                });
                Ok(())
            }
            None => self.remark(id, agent, &format!("said `{said}`, expected {}", Outcome::NAMES), now),
        };
        if let Err(refusal) = heard {
            tracing::info!(incident = %id, agent, "The word of an agent changes nothing: {refusal}");
        }
    }
}
