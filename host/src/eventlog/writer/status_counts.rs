//! The figures of events that count as accepted in the stored state, because older programs know nothing of their statuses.

use crate::event::EventStatus;
use crate::eventlog::EventLogError;
use crate::eventlog::engine::Op;
use crate::eventlog::layout::key;
use crate::eventlog::layout::meta::{self, LogState, QUARANTINE, Quarantine, REPEATS, WITHHELD};
use crate::eventlog::layout::reader::Store;
use crate::eventlog::layout::states::States;

/// The figures as the store has them.
#[derive(Clone, Copy)]
pub(super) struct StatusCounts {
    /// How many events have recipients and no deliveries.
    withheld: u64,
    quarantine: Quarantine,
    repeats: u64,
}

impl StatusCounts {
    /// Reads them, and counts the events in `state` as what they are.
    pub(super) fn load(store: &Store, state: &mut LogState, states: &States) -> Result<Self, EventLogError> {
        let counts = Self {
            withheld: store.read(&key::meta(WITHHELD))?.unwrap_or_default(),
            quarantine: store.read(&key::meta(QUARANTINE))?.unwrap_or_default(),
            repeats: store.read(&key::meta(REPEATS))?.unwrap_or_default(),
        };
        state.tell_apart(EventStatus::Held, states.held().len() as u64);
        state.tell_apart(EventStatus::Dropped, counts.withheld.saturating_sub(states.held_routed()));
        state.tell_apart(EventStatus::Quarantined, counts.quarantine.quarantined);
        state.tell_apart(EventStatus::Released, counts.quarantine.released);
        state.tell_apart(EventStatus::Repeat, counts.repeats);
        Ok(counts)
    }

    /// Writes those that are others now.
    pub(super) fn write(&mut self, state: &LogState, states: &States, ops: &mut Vec<Op>) {
        let count = |status: EventStatus| state.statuses[status as usize];
        let now = Self {
            withheld: count(EventStatus::Dropped) + states.held_routed(),
            quarantine: Quarantine {
                quarantined: count(EventStatus::Quarantined),
                released: count(EventStatus::Released),
            },
            repeats: count(EventStatus::Repeat),
        };
        let before = std::mem::replace(self, now);
        if before.withheld != now.withheld {
            ops.push(meta::put(WITHHELD, &now.withheld));
        }
        if before.quarantine != now.quarantine {
            ops.push(meta::put(QUARANTINE, &now.quarantine));
        }
        if before.repeats != now.repeats {
            ops.push(meta::put(REPEATS, &now.repeats));
        }
    }
}
