//! The state machine of alerts: what becomes of signals, episodes and incidents, and what agents are told.
//!
//! Pure: notifications, words of agents and people, and the time are arguments; what is to be told and stored is the result. So
//! it makes no difference how often a gateway is killed between two commits.

mod abandoning;
mod arriving;
mod grouping;
mod hearing;
mod showing;
mod suppressing;
mod telling;
mod timing;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::hearing::{About, Report};
pub use self::words::{Outcome, Refusal, Speaker};
use super::deadlines::Deadlines;
use super::heartbeat::Heartbeat;
use super::id::{BundleId, Fact, GroupId, IncidentId, SignalId};
use super::incident::{Incident, Told};
use super::inhibition::Inhibition;
use super::settings::Settings;
use super::signal::Signal;
use super::silence::SilenceId;
use super::silences::Silences;
use super::storm::Onsets;
use super::tally::Tally;
use super::told::Tell;
use crate::event::Timestamp;

/// All that is known of alerts.
#[derive(Debug)]
pub struct Machine {
    settings: Arc<Settings>,
    /// Nothing was received before this, so nothing is overdue by it.
    up_since: Timestamp,
    signals: HashMap<SignalId, Signal>,
    incidents: HashMap<IncidentId, Incident>,
    heartbeats: BTreeMap<String, Heartbeat>,
    /// The signals of each incident.
    members: HashMap<IncidentId, Members>,
    /// The latest incident of each group.
    groups: HashMap<GroupId, IncidentId>,
    /// The signals that fire, by what they were sent together with.
    bundles: HashMap<BundleId, HashSet<SignalId>>,
    /// Bundles whose signals are to end, and who of them was told last when that was known.
    closing: BTreeMap<BundleId, Timestamp>,
    /// Signals that fire and that agents are not told of.
    suppressed: BTreeSet<SignalId>,
    silences: Silences,
    inhibition: Inhibition<SignalId>,
    /// Signals that have begun to fire in this step, or whose labels have changed.
    begun: Vec<SignalId>,
    /// Signals that are to be looked at again, because something that keeps signals quiet has begun or ended.
    veiled: BTreeSet<SignalId>,
    /// When it was last found that nothing can be forgotten to make room.
    full_at: Option<Timestamp>,
    /// Whether a signal that keeps others quiet was over in this step.
    inhibition_changed: bool,
    onsets: Onsets,
    deadlines: Deadlines,
    /// What is to be looked at before the step ends.
    touched: BTreeSet<IncidentId>,
    changed: Changed,
    told: Vec<Tell>,
    tally: Tally,
}

/// The signals of an incident.
#[derive(Debug, Default)]
struct Members {
    ids: BTreeSet<SignalId>,
    firing: usize,
    visible: usize,
}

/// What was changed since it was stored last.
#[derive(Debug, Default)]
struct Changed {
    signals: BTreeSet<SignalId>,
    incidents: BTreeSet<IncidentId>,
    heartbeats: BTreeSet<String>,
    silences: BTreeSet<SilenceId>,
    closing: BTreeSet<BundleId>,
}

/// What a step of the machine comes to.
#[derive(Debug, Default)]
pub struct Step {
    /// What is told, in order.
    pub told: Vec<Tell>,
    /// Values to store, by key; `None` for one that goes.
    pub values: Vec<(String, Option<Bytes>)>,
}

impl Machine {
    /// The most bytes of a value.
    pub const MOST_VALUE: usize = 24 << 10;

    /// One that knows nothing.
    pub fn new(settings: Arc<Settings>, up_since: Timestamp) -> Self {
        let (silences, inhibit) = (settings.silences.clone(), settings.inhibit.clone());
        let mut machine = Self {
            settings,
            up_since,
            signals: HashMap::new(),
            incidents: HashMap::new(),
            heartbeats: BTreeMap::new(),
            members: HashMap::new(),
            groups: HashMap::new(),
            bundles: HashMap::new(),
            closing: BTreeMap::new(),
            suppressed: BTreeSet::new(),
            silences: Silences::new(silences),
            inhibition: Inhibition::new(inhibit),
            begun: Vec::new(),
            veiled: BTreeSet::new(),
            full_at: None,
            inhibition_changed: false,
            onsets: Onsets::default(),
            deadlines: Deadlines::default(),
            touched: BTreeSet::new(),
            changed: Changed::default(),
            told: Vec::new(),
            tally: Tally::default(),
        };
        machine.expect_heartbeats(up_since);
        machine.await_silences(up_since);
        machine
    }

    /// Takes what was stored by an earlier one, by key; then [`restored`](Self::restored). The keys of values that cannot be read, and
    /// why: they are left out.
    pub fn restore(&mut self, values: Vec<(String, Bytes)>, now: Timestamp) -> Vec<(String, String)> {
        let take = |(key, value): (String, Bytes)| self.adopt(&key, &value, now).err().map(|why| (key, why));
        values.into_iter().filter_map(take).collect()
    }

    fn adopt(&mut self, key: &str, value: &[u8], now: Timestamp) -> Result<(), String> {
        let unreadable = |error: serde_json::Error| error.to_string();
        match key.split_once('/') {
            Some(("signal", _)) => self.adopt_signal(serde_json::from_slice(value).map_err(unreadable)?),
            Some(("incident", _)) => self.adopt_incident(serde_json::from_slice(value).map_err(unreadable)?),
            Some(("heartbeat", name)) => self.adopt_heartbeat(name, serde_json::from_slice(value).map_err(unreadable)?),
            Some(("silence", _)) => self.silences.restore(serde_json::from_slice(value).map_err(unreadable)?, now),
            Some(("closing", id)) => {
                let id: BundleId = id.parse().map_err(|_| "it names no bundle".to_owned())?;
                self.closing.insert(id, serde_json::from_slice(value).map_err(unreadable)?);
            }
            _ => return Err("no such kind of value".to_owned()),
        }
        Ok(())
    }

    /// Goes on from what was taken, as it is at `now`.
    pub fn restored(&mut self, now: Timestamp) {
        self.leave_out_orphans();
        let window = self.settings.storm.signals_within.max(self.settings.storm.resources_within);
        let recent = self.signals.values().filter(|it| it.is_visible() && now.since(it.onset) <= window);
        let mut onsets: Vec<_> = recent.map(|signal| (signal.onset, signal.id)).collect();
        onsets.sort_unstable();
        for (onset, id) in onsets {
            self.watch_onset(id, onset);
        }
        let ids: Vec<IncidentId> = self.incidents.keys().copied().collect();
        ids.into_iter().for_each(|id| self.await_incident(id));
        self.suppress_all_again(now);
        // What a step has left to the next one.
        let is_left = |incident: &&Incident| {
            let [_, firing, visible] = self.counts(incident.id);
            let is_untold = match incident.told {
                Told::Nothing => !incident.is_with_people() && !incident.is_resting(now),
                _ => incident.untold.is_urgent() && incident.storm.is_none(),
            };
            incident.closing || (!incident.is_resolved() && (firing == 0 || (visible > 0 && is_untold)))
        };
        let left: Vec<IncidentId> = self.incidents.values().filter(is_left).map(|it| it.id).collect();
        self.touched.extend(left);
        if !(self.closing.is_empty() && self.veiled.is_empty() && self.touched.is_empty()) {
            self.deadlines.at_once(now);
        }
    }

    fn adopt_signal(&mut self, signal: Signal) {
        let id = signal.id;
        if let Some(incident) = signal.incident {
            let members = self.members.entry(incident).or_default();
            members.ids.insert(id);
            members.firing += usize::from(signal.is_firing());
            members.visible += usize::from(signal.is_visible());
        }
        if signal.is_firing() {
            self.bundles.entry(signal.bundle).or_default().insert(id);
            if !signal.is_visible() {
                self.suppressed.insert(id);
            }
            self.inhibition.source_fired(id, |name| signal.labels.get(name));
        }
        self.signals.insert(id, signal);
        self.await_signal(id);
    }

    /// Leaves out the signals of an incident that could not be read: the next notification of one that fires begins anew.
    fn leave_out_orphans(&mut self) {
        let lost: Vec<IncidentId> =
            self.members.keys().filter(|id| !self.incidents.contains_key(id)).copied().collect();
        for id in lost.iter().flat_map(|id| self.members.remove(id)).flat_map(|members| members.ids).collect::<Vec<_>>()
        {
            self.change(id, |signal| (signal.episode, signal.incident) = (None, None));
            self.inhibition.source_ended(&id);
            self.signals.remove(&id);
            // It stays stored as the incident does.
            self.changed.signals.remove(&id);
        }
    }

    fn adopt_incident(&mut self, incident: Incident) {
        let latest = self.groups.get(&incident.group).and_then(|id| self.incidents.get(id));
        if latest.is_none_or(|latest| (latest.opened_at, latest.id) < (incident.opened_at, incident.id)) {
            self.groups.insert(incident.group, incident.id);
        }
        self.incidents.insert(incident.id, incident);
    }

    /// Changes a signal, and keeps what is derived from it.
    fn change<T>(&mut self, id: SignalId, change: impl FnOnce(&mut Signal) -> T) -> Option<T> {
        let signal = self.signals.get_mut(&id)?;
        let before = (signal.incident, signal.is_firing(), signal.is_visible(), signal.bundle);
        let result = change(signal);
        let after = (signal.incident, signal.is_firing(), signal.is_visible(), signal.bundle);
        self.changed.signals.insert(id);
        if before == after {
            return Some(result);
        }
        if let Some(incident) = before.0
            && let Some(members) = self.members.get_mut(&incident)
        {
            members.ids.remove(&id);
            members.firing -= usize::from(before.1);
            members.visible -= usize::from(before.2);
            self.touched.insert(incident);
        }
        if let Some(incident) = after.0 {
            let members = self.members.entry(incident).or_default();
            members.ids.insert(id);
            members.firing += usize::from(after.1);
            members.visible += usize::from(after.2);
            self.touched.insert(incident);
        }
        if before.1
            && let Some(bundle) = self.bundles.get_mut(&before.3)
        {
            bundle.remove(&id);
            if bundle.is_empty() {
                self.bundles.remove(&before.3);
            }
        }
        if after.1 {
            self.bundles.entry(after.3).or_default().insert(id);
        }
        if after.1 && !after.2 {
            self.suppressed.insert(id);
        } else {
            self.suppressed.remove(&id);
        }
        Some(result)
    }

    /// Changes an incident.
    fn edit<T>(&mut self, id: IncidentId, edit: impl FnOnce(&mut Incident) -> T) -> Option<T> {
        let incident = self.incidents.get_mut(&id)?;
        let result = edit(incident);
        self.changed.incidents.insert(id);
        self.touched.insert(id);
        Some(result)
    }

    /// Ends the step at `now`: what is to be told and stored.
    pub fn finish(&mut self, now: Timestamp) -> Step {
        self.close(now);
        self.settle_inhibitions(now);
        self.tell(now);
        let values = self.changes();
        Step { told: std::mem::take(&mut self.told), values }
    }

    /// The values that were changed since this was asked last.
    fn changes(&mut self) -> Vec<(String, Option<Bytes>)> {
        let Changed { signals, incidents, heartbeats, silences, closing } = std::mem::take(&mut self.changed);
        let mut values = Vec::with_capacity(signals.len() + incidents.len());
        for id in signals {
            values.push((format!("signal/{id}"), self.signals.get_mut(&id).map(|it| fitting(it, Signal::shorten))));
        }
        for id in incidents {
            values
                .push((format!("incident/{id}"), self.incidents.get_mut(&id).map(|it| fitting(it, Incident::shorten))));
        }
        for name in heartbeats {
            values.push((format!("heartbeat/{name}"), self.heartbeats.get(&name).map(value)));
        }
        for id in silences {
            values.push((format!("silence/{id}"), self.silences.get(id).map(value)));
        }
        for id in closing {
            values.push((format!("closing/{id}"), self.closing.get(&id).map(value)));
        }
        values
    }

    /// Replaces the settings, and looks at everything by the new ones.
    pub fn replace(&mut self, settings: Arc<Settings>, now: Timestamp) {
        if self.settings == settings {
            return;
        }
        if self.settings.channels.is_empty() {
            self.up_since = now;
        }
        self.settings = settings;
        let known = |name: &String| self.settings.heartbeats.iter().any(|it| it.name == *name);
        let gone: Vec<String> = self.heartbeats.keys().filter(|name| !known(name)).cloned().collect();
        for name in gone {
            self.heartbeats.remove(&name);
            self.changed.heartbeats.insert(name);
        }
        self.silences.set_settings(self.settings.silences.clone());
        self.inhibition = Inhibition::new(self.settings.inhibit.clone());
        for signal in self.signals.values().filter(|signal| signal.is_firing()) {
            self.inhibition.source_fired(signal.id, |name| signal.labels.get(name));
        }
        self.suppress_all_again(now);
        self.expect_heartbeats(now);
        self.signals.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.await_signal(id));
        self.touched.extend(self.incidents.keys());
    }

    /// Goes on after a time in which nothing could be received: what was to come then is not overdue.
    pub(super) const fn resume(&mut self, now: Timestamp) {
        self.up_since = now;
    }

    pub(super) const fn up_since(&self) -> Timestamp {
        self.up_since
    }

    /// Goes on with counts of an earlier one.
    pub(super) fn keep_tally(&mut self, tally: Tally) {
        self.tally = tally;
    }

    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn signal(&self, id: SignalId) -> Option<&Signal> {
        self.signals.get(&id)
    }

    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// All signals, in no order.
    pub fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.signals.values()
    }

    /// All incidents, in no order.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    pub const fn silences(&self) -> &Silences {
        &self.silences
    }

    pub fn heartbeats(&self) -> impl Iterator<Item = (&str, &Heartbeat)> {
        self.heartbeats.iter().map(|(name, heartbeat)| (name.as_str(), heartbeat))
    }

    /// The signals of an incident, by id.
    pub fn members(&self, id: IncidentId) -> impl Iterator<Item = &Signal> {
        let ids = self.members.get(&id).into_iter().flat_map(|members| &members.ids);
        ids.filter_map(|id| self.signals.get(id))
    }

    /// How many signals an incident has, how many of them fire, and how many of these agents are told of.
    pub fn counts(&self, id: IncidentId) -> [usize; 3] {
        self.members.get(&id).map_or([0; 3], |members| [members.ids.len(), members.firing, members.visible])
    }

    /// Every signal's identity as a fact of a storm.
    fn onset_fact(id: SignalId) -> Fact {
        Fact::of([id.to_string().as_bytes()])
    }
}

/// A record as a value that can be stored: one that is too large is shortened.
fn fitting<T: serde::Serialize>(record: &mut T, shorten: fn(&mut T) -> bool) -> Bytes {
    loop {
        let value = value(record);
        if value.len() <= Machine::MOST_VALUE || !shorten(record) {
            return value;
        }
    }
}

fn value(record: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(record).expect("records have no keys but texts").into()
}

#[cfg(test)]
mod tests;
