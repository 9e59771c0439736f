//! The machine as agents see it. Time is an argument, and every step may be followed by a kill.

mod escalations;
mod grouping;
mod hearing;
mod life;
mod mistakes;
mod storms;
mod suppressing;
mod traces;
mod week;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::alert::notification::{Notification, Status};
use crate::alert::told::Kind;
use crate::event::{ChannelName, Event, EventId, Seq};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A machine with its store, killed between any two steps.
pub(super) struct World {
    settings: Arc<Settings>,
    machine: Machine,
    pub(super) store: BTreeMap<String, Bytes>,
    pub(super) now: Timestamp,
    seq: u64,
    pub(super) told: Vec<Tell>,
    pub(super) decisions: Vec<String>,
    /// Whether it is killed after each step.
    pub(super) kills: bool,
    /// The most values that a step has changed.
    pub(super) largest: usize,
}

/// What a sender says of an alert.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) status: &'static str,
    pub(super) starts_at: String,
    pub(super) peer: &'static str,
    pub(super) channel: &'static str,
    pub(super) group: serde_json::Value,
}

impl Alert {
    /// An alert of production with this name and instance.
    pub(super) fn new(name: &str, instance: &str) -> Self {
        let labels = [("alertname", name), ("instance", instance), ("env", "prod"), ("severity", "warning")];
        Self {
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            annotations: BTreeMap::new(),
            status: "firing",
            starts_at: "2026-03-01T10:00:00Z".to_owned(),
            peer: "http://am-1",
            channel: "alertmanager",
            group: serde_json::json!({"status": "firing", "receiver": "gateway", "groupLabels": {"alertname": name}}),
        }
    }

    pub(super) fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn resolved(&self) -> Self {
        Self { status: "resolved", ..self.clone() }
    }

    pub(super) fn of_peer(&self, peer: &'static str) -> Self {
        Self { peer, ..self.clone() }
    }

    /// As an event of its channel.
    pub(super) fn event(&self, seq: u64, at: Timestamp) -> Event {
        let identity: String = self.labels.iter().map(|(name, value)| format!("{name}={value},")).collect();
        let data = serde_json::json!({
            "status": self.status, "labels": self.labels, "annotations": self.annotations, "group": self.group,
        });
        let attributes = [
            ("fingerprint", identity),
            ("status", self.status.to_owned()),
            ("startsat", self.starts_at.clone()),
            ("externalurl", self.peer.to_owned()),
        ];
        let channel: ChannelName = self.channel.parse().unwrap();
        Event {
            id: EventId::new(at, Seq(seq), 1),
            seq: Seq(seq),
            channel,
            kind: format!("{}.alert.{}", self.channel, self.status),
            time: at,
            stored_at: at,
            data: data.to_string().into(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            ..Event::sample("application/json", b"")
        }
    }
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let settings = Arc::new(settings);
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        Self {
            machine: Machine::new(Arc::clone(&settings), now),
            settings,
            store: BTreeMap::new(),
            now,
            seq: 0,
            told: Vec::new(),
            decisions: Vec::new(),
            kills: false,
            largest: 0,
        }
    }

    pub(super) fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// One notification with these alerts, in one step.
    pub(super) fn send(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            self.seq += 1;
            let event = alert.event(self.seq, self.now);
            match Notification::read(&event, &self.settings) {
                Ok(notification) => {
                    let decision = self.machine.notify(&notification);
                    self.decisions.push(decision);
                }
                Err(why) => self.decisions.push(why),
            }
        }
        self.commit();
    }

    /// Ends the step: it is durable.
    pub(super) fn commit(&mut self) {
        let Step { told, values } = self.machine.finish(self.now);
        self.largest = self.largest.max(values.len());
        for (key, value) in values {
            match value {
                Some(value) => drop(self.store.insert(key, value)),
                None => drop(self.store.remove(&key)),
            }
        }
        self.told.extend(told);
        if self.kills {
            self.restart();
        }
    }

    /// Kills it: what is durable is all that is left.
    pub(super) fn restart(&mut self) {
        let up_since = self.machine.up_since;
        self.machine = Machine::new(Arc::clone(&self.settings), up_since);
        let unreadable = self.machine.restore(self.store.clone().into_iter().collect(), self.now);
        assert_eq!(unreadable, []);
        self.machine.restored(self.now);
    }

    /// Lets time pass; everything that is due happens at its time.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now.after(time);
        let mut at_once = 0;
        while let Some(due) = self.machine.due().filter(|due| *due <= until) {
            at_once = if due <= self.now { at_once + 1 } else { 0 };
            assert!(at_once < 1_000, "what is due at {due} is never done with");
            self.now = self.now.max(due);
            self.machine.tick(self.now);
            self.commit();
        }
        self.now = until;
    }

    /// The kinds that were told since this was asked last, with the reasons.
    pub(super) fn kinds(&mut self) -> Vec<String> {
        let kind = |tell: Tell| match tell.data["reason"].as_str() {
            Some(reason) if reason != tell.kind.as_str() && tell.kind == Kind::Changed => format!("changed {reason}"),
            Some(reason) if tell.kind == Kind::Escalated => format!("escalated {reason}"),
            _ => tell.kind.as_str().to_owned(),
        };
        self.told.drain(..).map(kind).collect()
    }

    /// The only incident.
    pub(super) fn incident(&self) -> Incident {
        let mut all = self.machine.incidents();
        let first = all.next().unwrap().clone();
        assert_eq!(all.count(), 0, "there is another incident");
        first
    }

    pub(super) fn say(&mut self, said: Outcome) {
        let id = self.incident().id;
        self.machine.say(id, said, Speaker::Agent("triage"), "", self.now).unwrap();
        self.commit();
    }

    /// The last decision.
    pub(super) fn decision(&self) -> &str {
        self.decisions.last().unwrap()
    }

    pub(super) fn signal(&self) -> Signal {
        let mut all = self.machine.signals();
        let first = all.next().unwrap().clone();
        assert_eq!(all.count(), 0, "there is another signal");
        first
    }
}

/// The state of the incident with this title.
pub(super) fn state_of(machine: &Machine, title: &str) -> Option<crate::alert::State> {
    machine.incidents().find(|incident| incident.title == title).map(|incident| incident.state)
}
