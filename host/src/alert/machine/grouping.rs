//! Which incident a signal belongs to.

use std::collections::VecDeque;

use super::Machine;
use crate::alert::id::{GroupId, IncidentId, SignalId};
use crate::alert::incident::{Incident, State, StormState, Told, Untold};
use crate::alert::labels::Labels;
use crate::alert::settings::Correlation;
use crate::alert::signal::Signal;
use crate::event::{Pattern, Timestamp};

/// The group of a signal.
struct Group {
    id: GroupId,
    rule: String,
    labels: Labels,
}

impl Machine {
    /// The incident that a signal belongs to now that it has begun to fire, and how it came there; `None` and why if there is no room.
    pub(super) fn assign(&mut self, id: SignalId, now: Timestamp) -> (Option<IncidentId>, &'static str) {
        let Some(signal) = self.signals.get(&id).cloned() else { return (None, "it is not known") };
        // One that fires again stays where it was told of.
        let own = signal.incident.filter(|own| self.takes(*own, now));
        let is_told = |own: &IncidentId| self.incidents.get(own).is_some_and(|it| it.told != Told::Nothing);
        if let Some(storm) = self.storm_of(&signal, own.filter(is_told), now) {
            return storm;
        }
        let group = self.group_of(&signal);
        let known = own.or_else(|| self.groups.get(&group.id).copied());
        if let Some(known) = known.map(|known| self.merged(known)).filter(|known| self.takes(*known, now)) {
            self.join(known, &signal, now);
            return (Some(known), "joined");
        }
        match self.open(&signal, group, None, now) {
            Some(opened) => (Some(opened), "opened"),
            None => (None, "as many incidents as `alerts.max_incidents` allows"),
        }
    }

    /// Whether an incident takes signals: it is not over, or was until a moment ago.
    fn takes(&self, id: IncidentId, now: Timestamp) -> bool {
        let window = self.settings.flap_window;
        self.incidents.get(&id).is_some_and(|incident| incident.resolved_at.is_none_or(|at| now.since(at) <= window))
    }

    /// What an incident was merged into, if it was, and that again.
    fn merged(&self, id: IncidentId) -> IncidentId {
        let into = |id: &IncidentId| self.incidents.get(id).and_then(|incident| incident.merged_into);
        // An incident goes only into one that is not merged, so they form no circle.
        std::iter::successors(Some(id), into).last().unwrap_or(id)
    }

    fn join(&mut self, id: IncidentId, signal: &Signal, now: Timestamp) {
        let seq = signal.last_event.seq();
        let name = signal.alertname.to_string();
        let is_new = signal.incident != Some(id);
        self.edit(id, |incident| {
            incident.environment = incident.environment.min(signal.environment);
            if is_new && incident.storm.is_none() {
                incident.note(now, "joined", format!("alert {} `{name}`", signal.id), Some(seq));
            }
            if signal.is_visible() {
                incident.join(signal.id);
            }
        });
    }

    /// Opens an incident with its first signal.
    fn open(&mut self, signal: &Signal, group: Group, storm: Option<StormState>, now: Timestamp) -> Option<IncidentId> {
        if self.incidents.len() >= self.settings.max_incidents && !self.forget_resolved_incidents(now) {
            self.tally.crowded += 1;
            return None;
        }
        let event = signal.last_event;
        let id = IncidentId::of([group.id.to_string().as_bytes(), event.to_string().as_bytes()]);
        let mut incident = Incident {
            id,
            group: group.id,
            title: signal.alertname.to_string(),
            rule: group.rule,
            labels: group.labels,
            environment: signal.environment,
            level: signal.level,
            severity: signal.severity.to_string(),
            opened_at: now,
            state: State::Open,
            state_since: now,
            state_by: String::new(),
            rests_until: None,
            resolved_at: None,
            told: Told::Nothing,
            told_at: None,
            runs: 0,
            rests: 0,
            failures: 0,
            acknowledged: None,
            unacked_told: 0,
            unacked_at: None,
            untold: Untold::default(),
            closing: false,
            storm,
            merged_into: None,
            history: VecDeque::new(),
            history_cut: 0,
            last_ending: None,
        };
        incident.note(now, "opened", format!("alert {} `{}`", signal.id, signal.alertname), Some(event.seq()));
        self.groups.insert(group.id, id);
        self.members.entry(id).or_default();
        self.incidents.insert(id, incident);
        self.edit(id, |_| ());
        Some(id)
    }

    /// Opens an incident for signals that an operator takes out of another one.
    pub(super) fn open_apart(&mut self, first: &Signal, from: IncidentId, now: Timestamp) -> Option<IncidentId> {
        let Group { rule, labels, .. } = self.group_of(first);
        let parts = ["apart".to_owned(), from.to_string(), first.id.to_string(), now.to_string()];
        let id = GroupId::of(parts.iter().map(|part| part.as_bytes()));
        self.open(first, Group { id, rule, labels }, None, now)
    }

    fn group_of(&self, signal: &Signal) -> Group {
        let covers = |rule: &&Correlation| {
            rule.channels.iter().any(|channel| channel.matches(&signal.channel))
                && matches(&rule.labels, &signal.labels)
        };
        if let Some(rule) = self.settings.correlate.iter().find(covers) {
            return group(&rule.name, &["correlate", &rule.name], &rule.by, signal);
        }
        group("group_by", &["channel", &signal.channel], &self.settings.group_by, signal)
    }

    /// The storm that a signal belongs to, and how it came there.
    fn storm_of(
        &mut self,
        signal: &Signal,
        own: Option<IncidentId>,
        now: Timestamp,
    ) -> Option<(Option<IncidentId>, &'static str)> {
        if self.settings.storm.key.is_empty() || !signal.is_visible() {
            return None;
        }
        let group = self.storm_group(signal);
        let storms = self.watch_onset(signal.id, now);
        let is_on = |incident: &&Incident| incident.storm.as_ref().is_some_and(|storm| storm.ended_at.is_none());
        let current = self.groups.get(&group.id).and_then(|id| self.incidents.get(id)).filter(is_on);
        let current = current.map(|incident| incident.id);
        if storms && let Some(current) = current {
            self.edit(current, |incident| {
                if let Some(storm) = &mut incident.storm {
                    storm.blew_at = now;
                }
            });
        }
        if own.is_some() {
            return None;
        }
        if let Some(current) = current {
            self.join(current, signal, now);
            return Some((Some(current), "held in the storm"));
        }
        if !storms {
            return None;
        }
        let state = StormState {
            started_at: now,
            blew_at: now,
            ended_at: None,
            since_digest: 1,
            digest_at: now,
            escalated_at: None,
        };
        let opened = self.open(signal, group, Some(state), now);
        Some((opened, if opened.is_some() { "began the storm" } else { "too many incidents" }))
    }

    fn storm_group(&self, signal: &Signal) -> Group {
        group("storm", &["storm"], &self.settings.storm.key, signal)
    }

    /// Counts that a signal begins to fire; whether it storms.
    pub(super) fn watch_onset(&mut self, id: SignalId, now: Timestamp) -> bool {
        let Some(signal) = self.signals.get(&id) else { return false };
        let key = self.storm_group(signal).id;
        self.onsets.add(key, Self::onset_fact(id), &signal.labels, &self.settings.storm, now)
    }
}

fn group(rule: &str, scope: &[&str], by: &[String], signal: &Signal) -> Group {
    let pairs: Vec<(&str, &str)> =
        by.iter().map(|name| (name.as_str(), signal.labels.get(name).unwrap_or_default())).collect();
    let parts = pairs.iter().flat_map(|(name, value)| [*name, *value]);
    let id = GroupId::of(scope.iter().copied().chain(parts).map(str::as_bytes));
    let shown = pairs.iter().filter(|(_, value)| !value.is_empty());
    let (labels, _) = Labels::new(shown.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Group { id, rule: rule.to_owned(), labels }
}

/// Whether all globs match; a label that is missing is an empty one.
pub(super) fn matches(globs: &[(String, Pattern)], labels: &Labels) -> bool {
    globs.iter().all(|(name, glob)| glob.matches(labels.get(name).unwrap_or_default()))
}
