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
            if self.signals.len() >= self.settings.max_signals && !self.forget_ended_signals(told.at) {
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
            return if self.is_copy(signal, told) { self.copy(id, told) } else { self.repeat(id, told) };
        }
        let first_due = signal.late.map(|late| late.due);
        let is_late = self.is_late(signal, told);
        let (level, environment) = self.judge(told);
        self.change(id, |signal| signal.refresh(told, level, environment));
        let late = Late {
            due: first_due.unwrap_or_else(|| told.at.after(self.settings.late_window)),
            content: told.content,
            peer: told.peer,
            starts_at: told.starts_at,
        };
        if is_late {
            self.change(id, |signal| signal.late = Some(late));
            self.tally.notification("late");
            return format!("may be a late copy of what was told before, held until {}", late.due);
        }
        let (fate, decision) = match self.begin(id, late, told.at) {
            Ok(decision) => ("began", decision),
            Err(why) => ("left_out", why),
        };
        self.tally.notification(fate);
        decision
    }

    /// Whether it is what another peer has told a moment ago. A peer that says it twice repeats it: the other one may be gone.
    fn is_copy(&self, signal: &Signal, told: &Notification) -> bool {
        let is_copy = |episode: &Episode| {
            episode.content == told.content
                && told.at.since(episode.counted_at) <= self.settings.late_window
                && episode.peer.is_some()
                && told.peer.is_some()
                && episode.peer != told.peer
                && episode.copied_by != told.peer
        };
        signal.episode.as_ref().is_some_and(is_copy)
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

    fn copy(&mut self, id: SignalId, told: &Notification) -> String {
        self.change(id, |signal| {
            signal.counts.copies = signal.counts.copies.saturating_add(1);
            if let Some(episode) = &mut signal.episode {
                episode.copied_by = told.peer;
            }
        });
        self.tally.notification("copy");
        "copy of what another peer has told".to_owned()
    }

    fn repeat(&mut self, id: SignalId, told: &Notification) -> String {
        let (level, environment) = self.judge(told);
        let bundle = told.bundle;
        let has_other_labels = self.signals.get(&id).is_some_and(|signal| signal.labels != told.labels);
        let rules = self.settings.escalation(environment).clone();
        let fired = self.change(id, |signal| {
            signal.counts.repeats = signal.counts.repeats.saturating_add(1);
            let is_changed = signal.episode.as_ref().is_some_and(|episode| episode.content != told.content);
            if is_changed || signal.bundle != bundle {
                signal.refresh(told, level, environment);
            }
            if let Some(episode) = &mut signal.episode {
                (episode.content, episode.peer) = (told.content, told.peer);
                (episode.counted_at, episode.copied_by) = (told.at, None);
            }
            escalation::duplicate(signal, &rules, told.at)
        });
        if has_other_labels {
            self.uninhibit(id);
            self.inhibit(id);
        }
        self.raise(id);
        self.tally.notification("repeat");
        self.escalate(id, fired.unwrap_or_default(), told.at);
        self.describe_repeat(id, told.at)
    }

    /// The incident of a signal that agents see is as severe as the signal.
    pub(super) fn raise(&mut self, id: SignalId) {
        let Some(signal) = self.signals.get(&id).filter(|signal| signal.is_visible()) else { return };
        let Some(incident) = signal.incident else { return };
        let (level, word) = (signal.level, signal.severity.to_string());
        if self.incidents.get(&incident).is_some_and(|incident| level > incident.level) {
            self.edit(incident, |incident| {
                incident.level = level;
                incident.severity = word;
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

    /// Begins an episode with what was told; what was decided, for people.
    ///
    /// # Errors
    /// Why there is no room for it.
    pub(super) fn begin(&mut self, id: SignalId, told: Late, now: Timestamp) -> Result<String, String> {
        let Late { content, peer, starts_at, .. } = told;
        let Some(signal) = self.signals.get(&id) else { return Ok(String::new()) };
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
            signal.episode = Some(Episode {
                since: now,
                duplicates: 0,
                content,
                peer,
                counted_at: now,
                copied_by: None,
                suppressed,
                was_visible,
                escalated,
            });
        });
        let (incident, how) = self.assign(id, now);
        let Some(incident) = incident else {
            // The next notification tries again.
            self.change(id, |signal| signal.episode = None);
            self.forget_unknown(id);
            return Err(format!("left out: {how}"));
        };
        self.change(id, |signal| signal.incident = Some(incident));
        self.inhibit(id);
        self.raise(id);
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
        Ok(format!("{again}{how} incident {incident}{by}"))
    }

    /// Forgets a signal of which nothing has come yet.
    fn forget_unknown(&mut self, id: SignalId) {
        if self.signals.get(&id).is_some_and(|signal| signal.ended.is_none() && signal.incident.is_none()) {
            self.signals.remove(&id);
        }
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
        self.full_at = None;
        self.uninhibit(id);
        self.await_signal(id);
    }
}
