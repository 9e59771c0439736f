//! How many of what there are.

use std::collections::BTreeMap;

use super::incident::State;
use super::machine::Machine;
use super::severity::Level;
use crate::event::Timestamp;

/// What is known, counted at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Signals that fire.
    pub firing: usize,
    /// Signals that are over.
    pub resolved: usize,
    /// Signals that fire and that agents are not told of, by reason.
    pub suppressed: BTreeMap<&'static str, usize>,
    pub incidents: BTreeMap<(State, Level), usize>,
    /// Storms that go on.
    pub storms: usize,
    /// The heartbeats that are missing, by name.
    pub heartbeats_missing: Vec<String>,
    /// For how long nobody has worked on the oldest incident that agents see.
    pub oldest_unhandled: std::time::Duration,
}

impl Machine {
    /// Counts what is known. Looks at everything.
    pub fn figures(&self, now: Timestamp) -> Figures {
        let mut figures = Figures::default();
        for signal in self.signals() {
            *(if signal.is_firing() { &mut figures.firing } else { &mut figures.resolved }) += 1;
            if let Some(by) = signal.episode.as_ref().and_then(|episode| episode.suppressed.as_ref()) {
                *figures.suppressed.entry(by.reason()).or_default() += 1;
            }
        }
        for incident in self.incidents() {
            *figures.incidents.entry((incident.state, incident.level)).or_default() += 1;
            figures.storms += usize::from(incident.storm.as_ref().is_some_and(|storm| storm.ended_at.is_none()));
            let waits = matches!(incident.state, State::Open | State::Failed | State::Blocked | State::NeedsHuman);
            if waits && self.counts(incident.id)[2] > 0 {
                figures.oldest_unhandled = figures.oldest_unhandled.max(now.since(incident.state_since));
            }
        }
        let missing = self.heartbeats().filter(|(_, heartbeat)| heartbeat.missing_since.is_some());
        figures.heartbeats_missing = missing.map(|(name, _)| name.to_owned()).collect();
        figures
    }
}
