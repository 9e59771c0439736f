//! What happens when time passes.

use std::time::Duration;

use serde_json::json;

use super::Machine;
use crate::alert::deadlines::Thing;
use crate::alert::heartbeat::Heartbeat;
use crate::alert::id::{IncidentId, SignalId};
use crate::alert::incident::{StormState, Told};
use crate::alert::notification::{Notification, Status};
use crate::alert::signal::{Ended, Ending, Signal};
use crate::alert::told::{Kind, Tell};
use crate::event::{Priority, Timestamp};

/// Things that one tick looks at; the next one goes on at once.
const LOOKED_AT: usize = 1_000;
/// How long it is not looked again for what can be forgotten, when there was nothing.
const FULL_FOR: Duration = Duration::from_secs(1);

impl Machine {
    /// When something is to happen next.
    pub fn due(&self) -> Option<Timestamp> {
        self.deadlines.due()
    }

    /// Lets happen what is due at `now`, a bounded number of things.
    pub fn tick(&mut self, now: Timestamp) {
        if self.deadlines.begin() {
            self.touched.extend(self.incidents.values().filter(|incident| incident.closing).map(|it| it.id));
        }
        for _ in 0..LOOKED_AT {
            let Some(thing) = self.deadlines.pop(now) else { return };
            match thing {
                Thing::Signal(id) => self.signal_is_due(id, now),
                Thing::Incident(id) => self.incident_is_due(id, now),
                Thing::Heartbeat(name) => self.heartbeat_is_due(&name, now),
                Thing::Silences => {
                    self.collect_silences(now);
                    self.suppress_all_again(now);
                }
            }
        }
    }

    /// Sets when a signal is to be looked at.
    pub(super) fn await_signal(&mut self, id: SignalId) {
        let Some(signal) = self.signals.get(&id) else { return };
        if let Some(due) = self.next_of_signal(signal) {
            self.deadlines.set(Thing::Signal(id), due);
        }
    }

    fn next_of_signal(&self, signal: &Signal) -> Option<Timestamp> {
        let kept = self.settings.flap_window.max(self.settings.late_window);
        if signal.is_firing() {
            return Some(signal.last_seen.max(self.up_since).after(self.settings.stale_after));
        }
        let late = signal.late.map(|late| late.due);
        // One of an incident goes with it.
        let is_alone = signal.incident.is_none() && late.is_none();
        let gone = signal.ended.filter(|_| is_alone).map(|ended| ended.at.after(kept));
        late.into_iter().chain(gone).min()
    }

    fn signal_is_due(&mut self, id: SignalId, now: Timestamp) {
        let Some(signal) = self.signals.get(&id) else { return };
        let is_due = self.next_of_signal(signal).is_some_and(|due| due <= now);
        match signal.late {
            _ if !is_due => {}
            _ if signal.is_firing() => {
                let ended = Ended { at: now, why: Ending::Stale, peer: None, starts_at: signal.starts_at };
                self.end(id, ended);
            }
            Some(late) if late.due <= now => {
                let fate = if self.begin(id, late, now).is_ok() { "began" } else { "left_out" };
                self.tally.notification(fate);
            }
            _ => {
                self.signals.remove(&id);
                self.changed.signals.insert(id);
            }
        }
        self.await_signal(id);
    }

    /// Sets when silences and windows are to be looked at.
    pub(super) fn await_silences(&mut self, now: Timestamp) {
        if let Some(due) = self.next_of_silences(now) {
            self.deadlines.set(Thing::Silences, due);
        }
    }

    /// Sets when an incident is to be looked at.
    pub(super) fn await_incident(&mut self, id: IncidentId) {
        let settings = &self.settings;
        let Some(incident) = self.incidents.get(&id) else { return };
        let next = if let Some(at) = incident.resolved_at {
            Some(at.after(settings.keep))
        } else {
            let waits = incident.waits_until(settings.agent_timeout);
            let rests = incident.rests_until.filter(|_| !incident.is_with_people());
            let untold = incident.told_at.filter(|_| incident.untold.joined_count > 0 && incident.is_running());
            let joined = untold.map(|at| at.after(settings.update_every));
            let storm = incident.storm.as_ref().filter(|_| incident.told == Told::Firing);
            let calm = storm.filter(|storm| storm.ended_at.is_none());
            let calm = calm.map(|storm| storm.blew_at.after(settings.storm.calm_for + Duration::from_millis(1)));
            let changes = |storm: &&StormState| storm.since_digest > 0 || incident.untold.severity_rose;
            let digest = storm.filter(changes).map(|storm| storm.digest_at.after(settings.storm.digest_every));
            let escalated = storm.filter(|_| !incident.untold.escalations.is_empty());
            let escalated = escalated.and_then(|storm| storm.escalated_at);
            let escalated = escalated.map(|at| at.after(settings.storm.digest_every));
            let unacked = self.unacked_due(incident);
            [waits, rests, joined, calm, digest, escalated, unacked].into_iter().flatten().min()
        };
        // Agents are told nothing while everything is suppressed.
        let [_, firing, visible] = self.counts(id);
        if let Some(due) = next.filter(|_| incident.is_resolved() || firing == 0 || visible > 0) {
            self.deadlines.set(Thing::Incident(id), due);
        }
    }

    fn incident_is_due(&mut self, id: IncidentId, now: Timestamp) {
        let over = |at: Timestamp| at.after(self.settings.keep) <= now;
        if self.incidents.get(&id).and_then(|incident| incident.resolved_at).is_some_and(over) {
            return self.forget_incident(id);
        }
        // Looked at when the step ends.
        self.touched.insert(id);
    }

    fn forget_incident(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.remove(&id) else { return };
        self.changed.incidents.insert(id);
        if self.groups.get(&incident.group) == Some(&id) {
            self.groups.remove(&incident.group);
        }
        for signal in self.members.remove(&id).unwrap_or_default().ids {
            self.signals.remove(&signal);
            self.changed.signals.insert(signal);
        }
    }

    /// Forgets the oldest incidents that are over, a tenth of them; whether there were any.
    pub(super) fn forget_resolved_incidents(&mut self, now: Timestamp) -> bool {
        if self.is_full(now) {
            return false;
        }
        // One that fires again is reopened when the step ends.
        let quiet = self.incidents.values().filter(|incident| self.counts(incident.id)[1] == 0);
        let mut over: Vec<_> = quiet.filter_map(|incident| Some((incident.resolved_at?, incident.id))).collect();
        over.sort_unstable();
        over.truncate((self.settings.max_incidents / 10).max(1));
        over.iter().for_each(|(_, id)| self.forget_incident(*id));
        self.full_at = over.is_empty().then_some(now);
        !over.is_empty()
    }

    /// Whether there was nothing to forget a moment ago. There is much to look at.
    fn is_full(&self, now: Timestamp) -> bool {
        self.full_at.is_some_and(|at| at <= now && now.since(at) < FULL_FOR)
    }

    /// Forgets the signals that ended first, a tenth of those that are known; whether there were any.
    pub(super) fn forget_ended_signals(&mut self, now: Timestamp) -> bool {
        if self.is_full(now) {
            return false;
        }
        let ended = self.signals.values().filter(|signal| !signal.is_firing() && signal.late.is_none());
        let mut ended: Vec<_> = ended.filter_map(|signal| Some((signal.ended?.at, signal.id))).collect();
        ended.sort_unstable();
        ended.truncate((self.settings.max_signals / 10).max(1));
        for (_, id) in &ended {
            self.change(*id, |signal| signal.incident = None);
            self.signals.remove(id);
        }
        self.full_at = ended.is_empty().then_some(now);
        !ended.is_empty()
    }

    /// Expects the heartbeats that the settings name; new ones from `now`.
    pub(super) fn expect_heartbeats(&mut self, now: Timestamp) {
        let names: Vec<String> = self.settings.heartbeats.iter().map(|it| it.name.clone()).collect();
        for name in names {
            self.heartbeats.entry(name.clone()).or_insert_with(|| Heartbeat::expected_from(now));
            self.await_heartbeat(&name);
        }
    }

    pub(super) fn adopt_heartbeat(&mut self, name: &str, heartbeat: Heartbeat) {
        if self.settings.heartbeats.iter().any(|it| it.name == name) {
            self.heartbeats.insert(name.to_owned(), heartbeat);
            self.await_heartbeat(name);
        }
    }

    pub(super) fn heartbeat_of(&self, told: &Notification) -> Option<String> {
        let covers =
            |it: &&crate::alert::settings::HeartbeatSettings| super::grouping::matches(&it.labels, &told.labels);
        self.settings.heartbeats.iter().find(covers).map(|it| it.name.clone())
    }

    /// A heartbeat was seen; what was decided, for people.
    pub(super) fn beat(&mut self, name: &str, told: &Notification) -> String {
        // The resolve of one is no beat.
        if told.status == Status::Resolved {
            return format!("end of heartbeat `{name}`");
        }
        let Some(heartbeat) = self.heartbeats.get_mut(name) else { return String::new() };
        (heartbeat.last_beat, heartbeat.beats) = (told.at, heartbeat.beats + 1);
        let missing = heartbeat.missing_since.take();
        self.changed.heartbeats.insert(name.to_owned());
        if let Some(since) = missing {
            let data = json!({"heartbeat": name, "missing_since": since, "restored_at": told.at});
            self.tell_of_heartbeat(name, Kind::HeartbeatRestored, data);
        }
        self.await_heartbeat(name);
        format!("heartbeat `{name}`")
    }

    fn await_heartbeat(&mut self, name: &str) {
        if let Some(due) = self.next_of_heartbeat(name) {
            self.deadlines.set(Thing::Heartbeat(name.to_owned()), due);
        }
    }

    /// When a heartbeat is missing, if it does not come before.
    pub(in crate::alert) fn next_of_heartbeat(&self, name: &str) -> Option<Timestamp> {
        let settings = self.settings.heartbeats.iter().find(|it| it.name == name)?;
        let heartbeat = self.heartbeats.get(name).filter(|it| it.missing_since.is_none())?;
        Some(heartbeat.last_beat.max(self.up_since).after(settings.missing_after?))
    }

    fn heartbeat_is_due(&mut self, name: &str, now: Timestamp) {
        if self.next_of_heartbeat(name).is_some_and(|due| due <= now)
            && let Some(heartbeat) = self.heartbeats.get_mut(name)
        {
            heartbeat.missing_since = Some(now);
            let last_beat = (heartbeat.beats > 0).then_some(heartbeat.last_beat);
            self.changed.heartbeats.insert(name.to_owned());
            let data = json!({"heartbeat": name, "last_beat": last_beat, "missing_since": now});
            self.tell_of_heartbeat(name, Kind::HeartbeatMissing, data);
        }
        self.await_heartbeat(name);
    }

    fn tell_of_heartbeat(&mut self, name: &str, kind: Kind, data: serde_json::Value) {
        let subject = format!("heartbeat/{name}");
        let attributes = vec![("heartbeat".to_owned(), name.to_owned())];
        self.push(Tell { kind, subject, priority: Priority::High, attributes, data });
    }
}
