//! What agents are told of the incidents that a step has touched.

use std::time::Duration;

use serde_json::{Value, json};

use super::Machine;
use crate::alert::escalation::Rule;
use crate::alert::id::{IncidentId, SignalId};
use crate::alert::incident::{Escalation, Incident, State, Told, Untold};
use crate::alert::signal::{Ended, Ending};
use crate::alert::told::{Kind, Tell};
use crate::event::{Priority, Timestamp};

/// Signals that one step ends, besides those that are told of; the next step goes on.
const ENDED_AT_ONCE: usize = 1_000;
/// Events after which the next step goes on with the rest. Each may show 20 alerts of several KiB.
const TOLD_AT_ONCE: usize = 250;

impl Machine {
    /// Ends signals that are to end with their bundle or their incident.
    pub(super) fn close(&mut self, now: Timestamp) {
        let mut left = ENDED_AT_ONCE;
        while let Some((bundle, at)) = self.closing.first_key_value().map(|(bundle, at)| (*bundle, *at)) {
            let firing = self.bundles.get(&bundle).into_iter().flatten().copied();
            let due: Vec<SignalId> = firing.filter(|id| self.was_told_before(*id, at)).take(left).collect();
            left -= due.len();
            for id in due {
                let starts_at = self.signals.get(&id).and_then(|signal| signal.starts_at);
                self.end(id, Ended { at, why: Ending::BundleResolved, peer: None, starts_at });
            }
            if left == 0 {
                self.deadlines.at_once(now);
                return;
            }
            self.closing.remove(&bundle);
            self.changed.closing.insert(bundle);
        }
        let of_people: Vec<IncidentId> =
            self.touched.iter().copied().filter(|id| self.incidents.get(id).is_some_and(|it| it.closing)).collect();
        for id in of_people {
            let firing = self.members(id).filter(|signal| signal.is_firing()).map(|signal| signal.id);
            let due: Vec<SignalId> = firing.take(left).collect();
            left -= due.len();
            for id in due {
                let starts_at = self.signals.get(&id).and_then(|signal| signal.starts_at);
                self.end(id, Ended { at: now, why: Ending::Operator, peer: None, starts_at });
            }
            if left == 0 {
                self.deadlines.at_once(now);
                return;
            }
            self.edit(id, |incident| incident.closing = false);
        }
    }

    fn was_told_before(&self, id: SignalId, at: Timestamp) -> bool {
        self.signals.get(&id).is_some_and(|signal| signal.last_seen <= at)
    }

    /// Tells what there is to tell of each incident that was touched. If that is much, the next step goes on.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let mut touched = std::mem::take(&mut self.touched);
        while self.told.len() < TOLD_AT_ONCE
            && let Some(id) = touched.pop_first()
        {
            self.tell_incident(id, now);
            self.await_incident(id);
        }
        if !touched.is_empty() {
            self.deadlines.at_once(now);
        }
        self.touched = touched;
    }

    /// Tells what is left to tell of an incident whose last signal that agents see is about to end: it may have begun, or
    /// escalated, in the same step. So a brief alert is told however its notifications are read.
    pub(super) fn tell_before_the_last_ends(&mut self, id: IncidentId, now: Timestamp) {
        let [_, _, visible] = self.counts(id);
        if visible == 1 {
            self.tell_incident(id, now);
            self.tell_escalations(id, now, Duration::ZERO);
        }
    }

    fn tell_incident(&mut self, id: IncidentId, now: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let [_, firing, visible] = self.counts(id);
        if firing == 0 {
            if !incident.is_resolved() {
                self.resolve(id, now);
            }
            return;
        }
        if incident.is_resolved() {
            self.reopen(id, now);
        }
        if visible == 0 {
            return;
        }
        self.tell_if_unacked(id, now);
        self.stop_waiting(id, now);
        let Some(incident) = self.incidents.get(&id) else { return };
        if incident.told == Told::Firing {
            if incident.storm.is_some() { self.tell_storm(id, now) } else { self.tell_changes(id, now) }
        } else if !incident.is_resting(now) && !incident.is_with_people() {
            self.run(id, now);
        }
        self.tell_escalations(id, now, self.settings.storm.digest_every);
    }

    /// Asks an agent to begin.
    fn run(&mut self, id: IncidentId, now: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let (kind, reason) = match (incident.told, &incident.storm) {
            (Told::Nothing, Some(_)) => (Kind::StormStarted, "storm_started"),
            (Told::Nothing, None) => (Kind::Opened, "opened"),
            (Told::Resolved, _) => (Kind::Changed, "recurred"),
            (Told::Firing, _) => (Kind::Changed, "still_firing"),
        };
        let is_storm = incident.storm.is_some();
        self.tally.runs += 1;
        self.edit(id, |incident| {
            incident.runs += 1;
            incident.failures = if incident.told == Told::Firing { incident.failures } else { 0 };
            if incident.told != Told::Nothing {
                incident.note(now, reason, format!("run {}", incident.runs), None);
            }
            (incident.told, incident.told_at) = (Told::Firing, Some(now));
            incident.enter(State::Open, "", now);
            incident.rests_until = None;
            if let Some(storm) = &mut incident.storm {
                (storm.digest_at, storm.since_digest) = (now, 0);
            }
        });
        let more = if is_storm { json!({"label_values": self.cardinalities(id)}) } else { json!({}) };
        self.tell_of(id, kind, reason, more);
        self.edit(id, |incident| {
            let Untold { escalations, escalations_count, .. } = std::mem::take(&mut incident.untold);
            (incident.untold.escalations, incident.untold.escalations_count) = (escalations, escalations_count);
        });
    }

    fn tell_changes(&mut self, id: IncidentId, now: Timestamp) {
        let update_every = self.settings.update_every;
        let Some(incident) = self.incidents.get(&id) else { return };
        let Untold { joined_count, severity_rose, by_operator, .. } = &incident.untold;
        if Self::run_is_due(incident, now) {
            return self.run(id, now);
        }
        let is_soon = incident.told_at.is_some_and(|at| now.since(at) < update_every);
        let may_join = incident.is_running() && !is_soon;
        let reason = match (severity_rose, by_operator) {
            (true, _) => "severity",
            (false, Some(reason)) => reason.as_str(),
            (false, None) if *joined_count > 0 && may_join => "joined",
            _ => return,
        }
        .to_owned();
        let joined = *joined_count;
        self.edit(id, |incident| {
            incident.told_at = Some(now);
            if reason != "joined" {
                incident.note(now, &reason, "told", None);
            }
        });
        self.tell_of(id, Kind::Changed, &reason, json!({"joined": joined}));
        self.edit(id, |incident| {
            let escalations = std::mem::take(&mut incident.untold.escalations);
            let escalations_count = incident.untold.escalations_count;
            incident.untold = Untold { escalations, escalations_count, ..Untold::default() };
        });
    }

    /// Whether an agent is to begin again, because it burns on after a rest.
    fn run_is_due(incident: &Incident, now: Timestamp) -> bool {
        !incident.is_with_people() && incident.rests_until.is_some_and(|until| until <= now)
    }

    /// An agent that has said nothing for too long is not waited for: the incident rests as if it was done.
    fn stop_waiting(&mut self, id: IncidentId, now: Timestamp) {
        let settings = std::sync::Arc::clone(&self.settings);
        let is_due =
            |incident: &&Incident| incident.waits_until(settings.agent_timeout).is_some_and(|until| until <= now);
        let Some(state) = self.incidents.get(&id).filter(is_due).map(|incident| incident.state) else { return };
        let next = if state == State::InProgress { State::Handled } else { State::Open };
        self.edit(id, |incident| {
            incident.note(now, "silent", "no agent has said anything", None);
            incident.rest(next, "timeout", Duration::ZERO, &settings, now);
        });
    }

    fn tell_storm(&mut self, id: IncidentId, now: Timestamp) {
        let (digest_every, calm_for) = (self.settings.storm.digest_every, self.settings.storm.calm_for);
        let Some(incident) = self.incidents.get(&id) else { return };
        let Some(storm) = &incident.storm else { return };
        let joined = storm.since_digest;
        if storm.ended_at.is_none() && now.since(storm.blew_at) > calm_for {
            self.edit(id, |incident| {
                incident.note(now, "storm_ended", "no more new alerts than usual", None);
                if let Some(storm) = &mut incident.storm {
                    (storm.ended_at, storm.digest_at, storm.since_digest) = (Some(now), now, 0);
                }
                incident.told_at = Some(now);
            });
            let more = json!({"joined": joined, "label_values": self.cardinalities(id)});
            return self.tell_of(id, Kind::StormEnded, "storm_ended", more);
        }
        if let Some(reason) = incident.untold.by_operator.clone() {
            self.edit(id, |incident| {
                incident.untold.by_operator = None;
                incident.told_at = Some(now);
                incident.note(now, &reason, "told", None);
            });
            return self.tell_of(id, Kind::Changed, &reason, json!({"label_values": self.cardinalities(id)}));
        }
        let is_due = now.since(storm.digest_at) >= digest_every;
        if is_due && (joined > 0 || incident.untold.severity_rose) {
            self.edit(id, |incident| {
                if let Some(storm) = &mut incident.storm {
                    (storm.digest_at, storm.since_digest) = (now, 0);
                }
                (incident.told_at, incident.untold.severity_rose) = (Some(now), false);
            });
            let more = json!({"joined": joined, "label_values": self.cardinalities(id)});
            return self.tell_of(id, Kind::StormUpdated, "storm_updated", more);
        }
        if Self::run_is_due(incident, now) {
            self.run(id, now);
        }
    }

    /// Tells that rules for repetitions are met, all of this step at once; in a storm no sooner than `digest_every` after the last time.
    fn tell_escalations(&mut self, id: IncidentId, now: Timestamp, digest_every: Duration) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let untold = &incident.untold;
        let waits = |at: Timestamp| now.since(at) < digest_every;
        let escalated_at = incident.storm.as_ref().and_then(|storm| storm.escalated_at);
        if untold.escalations.is_empty() || escalated_at.is_some_and(waits) {
            return;
        }
        let count = untold.escalations_count;
        let escalations = untold.escalations.clone();
        let priority = escalations.iter().map(|it| self.settings.escalation(it.environment).priority).max();
        let shown: Vec<Value> = escalations.iter().map(|it| self.escalation(it)).collect();
        let text = shown.first().and_then(|first| first["text"].as_str()).unwrap_or_default().to_owned();
        self.edit(id, |incident| {
            incident.note(now, "escalated", text, None);
            incident.untold.escalations.clear();
            incident.untold.escalations_count = 0;
            incident.told = Told::Firing;
            if let Some(storm) = &mut incident.storm {
                storm.escalated_at = Some(now);
            }
        });
        let priority = priority.unwrap_or_default();
        let name = match priority {
            Priority::High => "immediate",
            Priority::Normal => "normal",
            Priority::Low => "low",
        };
        let more = json!({"escalations": shown, "escalations_count": count, "priority": name});
        let before = self.told.len();
        self.tell_of(id, Kind::Escalated, escalations.first().map_or("", |first| first.rule.as_str()), more);
        self.told[before..].iter_mut().for_each(|tell| tell.priority = priority);
    }

    fn escalation(&self, it: &Escalation) -> Value {
        let rules = self.settings.escalation(it.environment);
        let environment = it.environment.as_str();
        let (threshold, text) = match it.rule {
            Rule::Total => (Some(rules.total), format!("{} duplicates in {environment}", it.count)),
            Rule::Burst => {
                let window = format!("{:?}", rules.within);
                (Some(rules.burst), format!("{} duplicates within {window} in {environment}", rules.burst))
            }
            Rule::Unacked => (None, format!("nobody has acknowledged it in {environment}")),
        };
        let signal = it.signal.and_then(|id| self.signals.get(&id));
        let seen = signal.map(|signal| (signal.first_seen, signal.last_seen));
        json!({
            "rule": it.rule,
            "text": text,
            "count": it.count,
            "threshold": threshold,
            "window_seconds": (it.rule == Rule::Burst).then_some(rules.within.as_secs()),
            "environment": environment,
            "at": it.at,
            "signal": it.signal,
            "alertname": signal.map(|signal| &*signal.alertname),
            "first_seen": seen.map(|(first, _)| first),
            "last_seen": seen.map(|(_, last)| last),
        })
    }

    fn tell_if_unacked(&mut self, id: IncidentId, now: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else { return };
        if self.unacked_due(incident).is_none_or(|due| now < due) {
            return;
        }
        let environment = incident.environment;
        self.tally.escalation(environment, Rule::Unacked);
        self.edit(id, |incident| {
            (incident.unacked_told, incident.unacked_at) = (incident.unacked_told + 1, Some(now));
            let count = incident.unacked_told;
            incident.untold.escalate(Escalation { rule: Rule::Unacked, signal: None, count, environment, at: now });
        });
    }

    /// When an incident escalates next because nobody has acknowledged it.
    pub(super) fn unacked_due(&self, incident: &Incident) -> Option<Timestamp> {
        let rules = self.settings.escalation(incident.environment);
        let after = rules.unacked_after?;
        if incident.acknowledged.is_some() || incident.is_resolved() {
            return None;
        }
        match incident.unacked_at {
            None => Some(incident.opened_at.after(after)),
            Some(last) if incident.unacked_told <= rules.max_repeats => Some(last.after(rules.repeat_every?)),
            Some(_) => None,
        }
    }

    pub(super) fn resolve(&mut self, id: IncidentId, now: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let is_stale = incident.last_ending == Some(Ending::Stale);
        let (kind, reason) = if is_stale { (Kind::Stale, "stale") } else { (Kind::Resolved, "resolved") };
        let reason = if incident.merged_into.is_some() { "merged" } else { reason };
        let was_told = incident.told == Told::Firing;
        let settings = std::sync::Arc::clone(&self.settings);
        let by = incident.last_ending.map_or("", Ending::as_str);
        self.full_at = None;
        self.edit(id, |incident| {
            incident.untold = Untold::default();
            // One that comes back soon does not run an agent at once.
            if incident.rests_until.is_none() && incident.told == Told::Firing {
                incident.rest_from(incident.told_at.unwrap_or(now), Duration::ZERO, &settings);
            }
            incident.enter(State::Resolved, by, now);
            incident.resolved_at = Some(now);
            incident.note(now, reason, by, None);
            if let Some(storm) = &mut incident.storm {
                storm.ended_at.get_or_insert(now);
            }
            if was_told {
                (incident.told, incident.told_at) = (Told::Resolved, Some(now));
            }
        });
        if was_told {
            self.tell_of(id, kind, reason, json!({}));
        }
    }

    fn reopen(&mut self, id: IncidentId, now: Timestamp) {
        self.edit(id, |incident| {
            let state = if incident.is_resting(now) { State::Handled } else { State::Open };
            incident.enter(state, "", now);
            incident.resolved_at = None;
            incident.acknowledged = None;
            (incident.unacked_told, incident.unacked_at) = (0, None);
            incident.note(now, "fires_again", "", None);
        });
    }

    pub(in crate::alert) fn push(&mut self, tell: Tell) {
        self.tally.told(tell.kind.as_str());
        self.told.push(tell);
    }
}
