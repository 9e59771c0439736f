//! Ends what nobody knows any more.

use super::{Machine, Step};
use crate::alert::id::{IncidentId, SignalId};
use crate::alert::incident::Told;
use crate::alert::signal::{Ended, Ending};
use crate::event::Timestamp;

impl Machine {
    /// Ends signals and incidents, at most `most` of them, because nobody has listened for a time: how they are now is not known. Nobody
    /// is told. `None` if there is nothing left to end.
    pub fn abandon(&mut self, most: usize, now: Timestamp) -> Option<Step> {
        let is_known = |signal: &&crate::alert::Signal| signal.is_firing() || signal.late.is_some();
        let signals: Vec<SignalId> =
            self.signals.values().filter(is_known).map(|signal| signal.id).take(most).collect();
        let left = most - signals.len();
        for id in signals {
            self.change(id, |signal| {
                let ended = Ended { at: signal.last_seen, why: Ending::Stale, peer: None, starts_at: signal.starts_at };
                if signal.episode.take().is_some() {
                    signal.ended = Some(ended);
                }
                signal.late = None;
            });
            self.uninhibit(id);
            self.await_signal(id);
        }
        let is_over = |id: &IncidentId| self.counts(*id)[1] == 0;
        let open = self.incidents.values().filter(|incident| !incident.is_resolved()).map(|incident| incident.id);
        let incidents: Vec<IncidentId> = open.filter(is_over).take(left).collect();
        for id in incidents {
            self.edit(id, |incident| {
                // One that fires again is told from the beginning.
                (incident.told, incident.closing, incident.last_ending) = (Told::Nothing, false, Some(Ending::Stale));
                incident.note(now, "abandoned", "alerts were off: how it is now is not known", None);
            });
            self.resolve(id, now);
            self.await_incident(id);
        }
        if left > 0 {
            self.changed.closing.extend(std::mem::take(&mut self.closing).into_keys());
        }
        self.touched.clear();
        self.begun.clear();
        self.veiled.clear();
        self.inhibition_changed = false;
        let values = self.changes();
        (!values.is_empty()).then_some(Step { told: Vec::new(), values })
    }
}
