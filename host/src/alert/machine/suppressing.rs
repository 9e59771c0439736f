//! Which signals agents are not told of, although they fire.

use std::collections::HashMap;

use super::Machine;
use crate::alert::id::{IncidentId, SignalId};
use crate::alert::incident::Told;
use crate::alert::signal::Signal;
use crate::alert::silence::{SilenceDraft, SilenceError, SilenceId};
use crate::alert::silences::PutSilence;
use crate::alert::suppression::Suppression;
use crate::event::Timestamp;

/// Signals that one step looks at again; the next one goes on.
const LOOKED_AT: usize = 1_000;

impl Machine {
    /// Why agents are not told of a signal that fires.
    pub(super) fn suppression(&self, signal: &Signal, now: Timestamp) -> Option<Suppression> {
        let label = |name: &str| signal.labels.get(name);
        if let Some(silence) = self.silences.matching(label, now).next() {
            return Some(Suppression::Silence(silence.id.to_string().into()));
        }
        if let Some(window) = self.settings.maintenance.active(label, now) {
            return Some(Suppression::Maintenance(window.name().into()));
        }
        self.inhibition.inhibits(label).filter(|source| **source != signal.id).map(|it| Suppression::Inhibition(*it))
    }

    /// A signal has begun to fire, which may keep others quiet.
    pub(super) fn inhibit(&mut self, id: SignalId) {
        if let Some(signal) = self.signals.get(&id) {
            self.inhibition.source_fired(id, |name| signal.labels.get(name));
        }
        self.begun.push(id);
    }

    /// A signal fires no longer: what it has kept quiet is looked at again.
    pub(super) fn uninhibit(&mut self, id: SignalId) {
        self.inhibition_changed |= self.inhibition.source_ended(&id);
    }

    /// Looks again at what has changed in this step: a source may come after its targets in one notification.
    pub(super) fn settle_inhibitions(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.inhibition_changed) {
            self.veiled.extend(&self.suppressed);
        }
        std::mem::take(&mut self.begun).into_iter().for_each(|id| self.suppress_again(id, now));
        for _ in 0..LOOKED_AT {
            let Some(id) = self.veiled.pop_first() else { return };
            self.suppress_again(id, now);
        }
        if !self.veiled.is_empty() {
            self.deadlines.at_once(now);
        }
    }

    /// Looks again at all signals that fire: a silence or a window has begun or ended.
    pub(super) fn suppress_all_again(&mut self, now: Timestamp) {
        let is_other =
            |it: &&Signal| it.episode.as_ref().is_some_and(|episode| episode.suppressed != self.suppression(it, now));
        let others: Vec<SignalId> = self.signals.values().filter(is_other).map(|signal| signal.id).collect();
        self.veiled.extend(others);
        self.await_silences(now);
    }

    fn suppress_again(&mut self, id: SignalId, now: Timestamp) {
        let Some(signal) = self.signals.get(&id) else { return };
        let Some(episode) = &signal.episode else { return };
        let suppressed = self.suppression(signal, now);
        if episode.suppressed == suppressed {
            return;
        }
        let is_told_now = suppressed.is_none() && !episode.was_visible;
        let incident = signal.incident;
        self.change(id, |signal| {
            if let Some(episode) = &mut signal.episode {
                episode.was_visible |= suppressed.is_none();
                episode.suppressed = suppressed;
            }
        });
        if let Some(incident) = incident.filter(|_| is_told_now) {
            self.unveil(id, incident, now);
        }
    }

    /// Agents hear of a signal that has kept quiet since it began. Many at once are a storm, as if they began now.
    fn unveil(&mut self, id: SignalId, incident: IncidentId, now: Timestamp) {
        if self.incidents.get(&incident).is_some_and(|incident| incident.told == Told::Nothing) {
            let (assigned, _) = self.assign(id, now);
            self.change(id, |signal| signal.incident = assigned.or(signal.incident));
        } else {
            self.edit(incident, |incident| incident.join(id));
        }
        self.raise(id);
    }

    /// Makes or changes silences, with ids from `random`: all of them, or none.
    ///
    /// # Errors
    /// Why one of them cannot be.
    pub fn put_silences(
        &mut self,
        drafts: Vec<SilenceDraft>,
        random: &[[u8; 16]],
        now: Timestamp,
    ) -> Result<Vec<PutSilence>, SilenceError> {
        let mut changed = self.silences.clone();
        let put = drafts.into_iter().zip(random).map(|(draft, random)| changed.put(draft, now, *random));
        let put = put.collect::<Result<Vec<_>, _>>()?;
        self.silences = changed;
        self.changed.silences.extend(put.iter().flat_map(|put| [Some(put.id), put.replaced]).flatten());
        self.suppress_all_again(now);
        Ok(put)
    }

    /// Ends a silence now; whether it was not over.
    ///
    /// # Errors
    /// There is no such silence.
    pub fn expire_silence(&mut self, id: SilenceId, now: Timestamp) -> Result<bool, SilenceError> {
        let ended = self.silences.expire(id, now)?;
        self.changed.silences.insert(id);
        self.suppress_all_again(now);
        Ok(ended)
    }

    /// How many signals each silence keeps quiet now. One that several silences match counts for each of them.
    pub fn silenced(&self, now: Timestamp) -> HashMap<SilenceId, usize> {
        let mut counts = HashMap::new();
        for signal in self.suppressed.iter().filter_map(|id| self.signals.get(id)) {
            for silence in self.silences.matching(|name| signal.labels.get(name), now) {
                *counts.entry(silence.id).or_default() += 1;
            }
        }
        counts
    }

    /// Whether the rule of inhibition with this number keeps alerts quiet.
    pub(in crate::alert) fn is_inhibiting(&self, number: usize) -> bool {
        self.inhibition.is_active(number)
    }

    /// Forgets the silences that have been over for long.
    pub(super) fn collect_silences(&mut self, now: Timestamp) {
        self.changed.silences.extend(self.silences.collect(now));
    }

    /// When a silence or a window begins or ends next, or a silence is to be forgotten.
    pub(super) fn next_of_silences(&self, now: Timestamp) -> Option<Timestamp> {
        let gone = self.silences.iter().map(|silence| silence.ends_at.after(self.settings.silences.retention)).min();
        let changes = [self.silences.next_change(now), self.settings.maintenance.next_change(now), gone];
        changes.into_iter().flatten().min()
    }
}
