//! When what is to be looked at.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::id::{IncidentId, SignalId};
use crate::event::Timestamp;

/// What has a time at which it is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Thing {
    Signal(SignalId),
    Incident(IncidentId),
    Heartbeat(String),
    Silences,
}

/// When what is to be looked at. Of each thing the earliest time counts; it sets its next one when it is looked at.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queue: BinaryHeap<Reverse<(Timestamp, Thing)>>,
    next: HashMap<Thing, Timestamp>,
    /// A step was not finished.
    at_once: Option<Timestamp>,
}

impl Deadlines {
    pub(super) fn set(&mut self, thing: Thing, due: Timestamp) {
        if self.next.get(&thing).is_none_or(|known| due < *known) {
            self.next.insert(thing.clone(), due);
            self.queue.push(Reverse((due, thing)));
        }
    }

    /// What was left is to be done at once.
    pub(super) fn at_once(&mut self, now: Timestamp) {
        self.at_once = Some(now);
    }

    /// Begins to do what is due; whether something was left by the last step.
    pub(super) fn begin(&mut self) -> bool {
        self.at_once.take().is_some()
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        let first = self.queue.peek().map(|Reverse((due, _))| *due);
        self.at_once.into_iter().chain(first).min()
    }

    /// The next thing that is due.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Thing> {
        while let Some(Reverse((due, _))) = self.queue.peek()
            && *due <= now
        {
            let Reverse((due, thing)) = self.queue.pop()?;
            if self.next.get(&thing) == Some(&due) {
                self.next.remove(&thing);
                return Some(thing);
            }
        }
        None
    }
}
