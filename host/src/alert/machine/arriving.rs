//! What a notification changes.

use super::Machine;
use crate::alert::environment::Environment;
use crate::alert::escalation;
use crate::alert::id::SignalId;
use crate::alert::incident::Escalation;
use crate::alert::notification::{Notification, Status};
use crate::alert::severity::Level;
use crate::alert::signal::{Ended, Ending, Episode, Escalated, Late, Signal};
use crate::event::Timestamp;

impl Machine {
    /// Takes a notification in; what was decided, for people.
    pub fn notify(&mut self, told: &Notification) -> String {
        if let Some(name) = self.heartbeat_of(told) {
            self.tally.notification("heartbeat");
            return self.beat(&name, told);
        }
        if told.cut {
            self.tally.cut += 1;
        }
        if !self.signals.contains_key(&told.signal) {
            if self.signals.len() >= self.settings.max_signals && !self.forget_ended_signals() {
                self.tally.crowded += 1;
                return format!(
                    "left out: {} signals fire, as many as `alerts.max_signals` allows",
                    self.signals.len()
                );
            }
            let (level, environment) = self.judge(told);
            self.signals.insert(told.signal, Signal::new(told, level, environment));
        }
        let id = told.signal;
        self.change(id, |signal| signal.last_event = told.event);
        let decision = match told.status {
            Status::Firing => self.firing(id, told),
            Status::Resolved => self.resolved(id, told),
        };
        if told.bundle_resolved && self.bundles.contains_key(&told.bundle) {
            self.closing.insert(told.bundle, told.at);
            self.changed.closing.insert(told.bundle);
        }
        self.change(id, |signal| {
            signal.counts.notifications = signal.counts.notifications.saturating_add(1);
            signal.last_seen = told.at;
        });
        self.await_signal(id);
        decision
    }

    fn judge(&mut self, told: &Notification) -> (Level, Environment) {
        let level = Level::of_word(&told.severity, &self.settings.severity);
        let environment = self.settings.environment.of(&told.labels);
        if environment.is_none() {
            self.tally.without_environment += 1;
        }
        (level, environment.unwrap_or(self.settings.environment.default))
    }

    fn firing(&mut self, id: SignalId, told: &Notification) -> String {
        let Some(signal) = self.signals.get(&id) else { return String::new() };
        if signal.is_firing() {
            return if self.is_copy(signal, told) { self.copy(id) } else { self.repeat(id, told) };
        }
        if self.is_late(signal, told) {
            let due = told.at.after(self.settings.late_window);
            let late = Late { due, content: told.content, peer: told.peer, starts_at: told.starts_at };
            self.change(id, |signal| signal.late.get_or_insert(late).due);
            self.tally.notification("late");
            return format!("may be a late copy of what was told before, held until {due}");
        }
        let (level, environment) = self.judge(told);
        self.change(id, |signal| signal.refresh(told, level, environment));
        let decision = self.begin(id, told.content, told.peer, told.starts_at, told.at);
        self.tally.notification("began");
        decision
    }

    /// Whether it is what another peer has told a moment ago.
    fn is_copy(&self, signal: &Signal, told: &Notification) -> bool {
        let is_soon = told.at.since(signal.last_seen) <= self.settings.late_window;
        let of_other = |episode: &Episode| {
            episode.content == told.content
                && episode.peer.is_some()
                && told.peer.is_some()
                && episode.peer != told.peer
        };
        is_soon && signal.episode.as_ref().is_some_and(of_other)
    }

    /// Whether a firing may be an older state than the resolve that was told: it comes soon after it, from another peer or
    /// with an older time.
    fn is_late(&self, signal: &Signal, told: &Notification) -> bool {
        let Some(ended) = &signal.ended else { return false };
        let is_soon = told.at.since(ended.at) <= self.settings.late_window;
        let is_other = ended.peer.is_some() && told.peer.is_some() && ended.peer != told.peer;
        let is_newer = matches!((told.starts_at, ended.starts_at), (Some(new), Some(old)) if new > old);
        let is_older = matches!((told.starts_at, ended.starts_at), (Some(new), Some(old)) if new < old);
        is_soon && ((is_other && !is_newer) || is_older)
    }

    fn copy(&mut self, id: SignalId) -> String {
        self.change(id, |signal| signal.counts.copies = signal.counts.copies.saturating_add(1));
        self.tally.notification("copy");
        "copy of what another peer has told".to_owned()
    }

    fn repeat(&mut self, id: SignalId, told: &Notification) -> String {
        let (level, environment) = self.judge(told);
        let (bundle, severity) = (told.bundle, told.severity.clone());
        let rules = self.settings.escalation(environment).clone();
        let fired = self.change(id, |signal| {
            signal.counts.repeats = signal.counts.repeats.saturating_add(1);
            let is_changed = signal.episode.as_ref().is_some_and(|episode| episode.content != told.content);
            if is_changed || signal.bundle != bundle {
                signal.refresh(told, level, environment);
            }
            if let Some(episode) = &mut signal.episode {
                (episode.content, episode.peer) = (told.content, told.peer);
            }
            escalation::duplicate(signal, &rules, told.at)
        });
        self.raise(id, level, &severity);
        self.tally.notification("repeat");
        self.escalate(id, fired.unwrap_or_default(), told.at);
        self.describe_repeat(id, told.at)
    }

    /// The incident of a signal is as severe as the signal.
    pub(super) fn raise(&mut self, id: SignalId, level: Level, word: &str) {
        let Some(incident) = self.signals.get(&id).and_then(|signal| signal.incident) else { return };
        if self.incidents.get(&incident).is_some_and(|incident| level > incident.level) {
            self.edit(incident, |incident| {
                incident.level = level;
                word.clone_into(&mut incident.severity);
                incident.untold.severity_rose = true;
            });
        }
    }

    /// Has the incident of a signal tell that rules for repetitions are met.
    pub(super) fn escalate(&mut self, id: SignalId, rules: Vec<escalation::Rule>, now: Timestamp) {
        let Some(signal) = self.signals.get(&id) else { return };
        let Some(incident) = signal.incident else { return };
        let environment = signal.environment;
        let count = signal.episode.as_ref().map_or(0, |episode| episode.duplicates);
        for rule in rules {
            self.tally.escalation(environment, rule);
            self.edit(incident, |incident| {
                incident.untold.escalate(Escalation { rule, signal: Some(id), count, environment, at: now });
            });
            self.change(id, |signal| signal.counts.escalations = signal.counts.escalations.saturating_add(1));
        }
    }

    fn describe_repeat(&self, id: SignalId, now: Timestamp) -> String {
        let Some(signal) = self.signals.get(&id) else { return String::new() };
        let count = signal.episode.as_ref().map_or(0, |episode| episode.duplicates);
        let Some(incident) = signal.incident.and_then(|id| self.incidents.get(&id)) else { return String::new() };
        let why = match &signal.episode {
            Some(Episode { suppressed: Some(by), .. }) => by.to_string(),
            _ => incident.standing(now),
        };
        format!("repeat {count} of incident {}, suppressed: {why}", incident.id)
    }

    fn resolved(&mut self, id: SignalId, told: &Notification) -> String {
        let Some(signal) = self.signals.get(&id) else { return String::new() };
        let ended = Ended { at: told.at, why: Ending::Resolved, peer: told.peer, starts_at: told.starts_at };
        if signal.is_firing() {
            let incident = signal.incident;
            let (level, environment) = (signal.level, signal.environment);
            self.change(id, |signal| signal.refresh(told, level, environment));
            self.end(id, ended);
            self.tally.notification("resolved");
            return incident.map_or_else(String::new, |incident| format!("resolved, of incident {incident}"));
        }
        let was_late = signal.late.is_some();
        self.change(id, |signal| {
            signal.late = None;
            if signal.ended.is_none() {
                signal.ended = Some(ended);
            }
            if !was_late {
                signal.counts.orphan_resolves = signal.counts.orphan_resolves.saturating_add(1);
            }
        });
        self.tally.notification("orphan_resolve");
        "resolved, but it did not fire: nobody is told".to_owned()
    }

    /// Begins an episode; what was decided, for people.
    pub(super) fn begin(
        &mut self,
        id: SignalId,
        content: crate::alert::id::Fact,
        peer: Option<crate::alert::id::Fact>,
        starts_at: Option<Timestamp>,
        now: Timestamp,
    ) -> String {
        let Some(signal) = self.signals.get(&id) else { return String::new() };
        let suppressed = self.suppression(signal, now);
        let flap_window = self.settings.flap_window;
        let recurs = signal.counts.episodes > 0 && signal.ended_within(flap_window, now);
        let suppressed_by = suppressed.as_ref().map(ToString::to_string);
        let environment = signal.environment;
        self.change(id, |signal| {
            signal.late = None;
            (signal.starts_at, signal.onset) = (starts_at, now);
            signal.counts.episodes = signal.counts.episodes.saturating_add(1);
            let escalated = Escalated::default();
            let was_visible = suppressed.is_none();
            signal.episode =
                Some(Episode { since: now, duplicates: 0, content, peer, suppressed, was_visible, escalated });
        });
        self.inhibit(id);
        let (incident, how) = self.assign(id, now);
        let Some(incident) = incident else {
            // The next notification tries again.
            self.change(id, |signal| signal.episode = None);
            return format!("left out: {how}");
        };
        self.change(id, |signal| signal.incident = Some(incident));
        let (level, word) = self.signals.get(&id).map(|it| (it.level, it.severity.to_string())).unwrap_or_default();
        self.raise(id, level, &word);
        if recurs {
            let rules = self.settings.escalation(environment).clone();
            let fired = self.change(id, |signal| {
                signal.counts.recurrences = signal.counts.recurrences.saturating_add(1);
                escalation::duplicate(signal, &rules, now)
            });
            self.escalate(id, fired.unwrap_or_default(), now);
        }
        let again = if recurs { "fires again, " } else { "" };
        let by = suppressed_by.map_or_else(String::new, |by| format!(", suppressed: {by}"));
        format!("{again}{how} incident {incident}{by}")
    }

    /// Ends the episode of a signal.
    pub(super) fn end(&mut self, id: SignalId, ended: Ended) {
        let Some(signal) = self.signals.get(&id) else { return };
        let (incident, is_visible) = (signal.incident, signal.is_visible());
        if let Some(incident) = incident {
            if is_visible {
                self.tell_before_the_last_ends(incident, ended.at);
            }
            self.edit(incident, |incident| incident.last_ending = Some(ended.why));
        }
        self.change(id, |signal| {
            (signal.episode, signal.ended, signal.late) = (None, Some(ended), None);
        });
        self.uninhibit(id);
        self.await_signal(id);
    }
}
