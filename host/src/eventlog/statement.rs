//! When a state is news: what an event says of a thing, compared with the last that was told of it.
//!
//! A thing (an alert, an incident, the assignee of an issue) is in one state at a time. What equals the last state that was
//! told of it is a repetition; every other state is news, also one that was told before. A state that may be late, because
//! it contradicts one that was told a moment ago and comes from another sender or with an older time, is held: nobody is
//! told of it until its window ends, or never if the last state is said again within it.
//!
//! Rules only: no storage and no clock.

use std::time::Duration;

use super::identity::Identity;
use crate::event::{ChannelName, EventId, Timestamp};

/// What an event says of a thing: the state that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Names the thing.
    pub thing: Identity,
    /// Names the state.
    pub state: Identity,
    /// Names the sender, where several tell the same facts; `None` if there is only one.
    pub peer: Option<Identity>,
    /// The provider's time of the state.
    pub time: Option<Timestamp>,
    /// How long after a state was told another one may be late; zero means that none is.
    pub late_window: Duration,
}

/// What is known of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) told: Told,
    /// What waits for its window to end. In a box, because few things have any.
    pub(crate) held: Option<Box<Held>>,
}

/// The last state that was told of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: Identity,
    /// The event that told it. Its id names the time at which the state came.
    pub(crate) event: EventId,
    /// When it was said last.
    pub(crate) seen: Timestamp,
    /// Who told it.
    pub(crate) peer: Option<Identity>,
    /// The earliest time that the provider gave for it.
    pub(crate) time: Option<Timestamp>,
}

/// A state that may be late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) state: Identity,
    pub(crate) event: EventId,
    pub(crate) peer: Option<Identity>,
    pub(crate) time: Option<Timestamp>,
    /// The end of its window: it is told after it unless it is dropped before.
    pub(crate) due: Timestamp,
    pub(crate) channel: ChannelName,
    /// Whether anybody is to be told.
    pub(crate) is_routed: bool,
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another state than the last one; what is held is superseded.
    News,
    /// The last state, told by this event; what is held is refuted.
    Repeat(EventId),
    /// Another state, but maybe late.
    Late,
    /// What is held already, as this event.
    RepeatOfHeld(EventId),
}

impl Thing {
    /// A thing of which `event` has told what `said` says.
    pub(crate) const fn new(said: &Statement, event: EventId, now: Timestamp) -> Self {
        let Statement { state, peer, time, .. } = *said;
        Self { told: Told { state, event, seen: now, peer, time }, held: None }
    }

    /// What `said` is at `now`.
    pub(crate) fn judge(&self, said: &Statement, now: Timestamp) -> Verdict {
        if said.state == self.told.state {
            return Verdict::Repeat(self.told.event);
        }
        if !self.may_be_late(said, now) {
            return Verdict::News;
        }
        match &self.held {
            Some(held) if held.state == said.state => Verdict::RepeatOfHeld(held.event),
            _ => Verdict::Late,
        }
    }

    fn may_be_late(&self, said: &Statement, now: Timestamp) -> bool {
        let Told { event, peer, time, .. } = self.told;
        let is_other_peer = peer.is_some_and(|peer| said.peer.is_some_and(|other| other != peer));
        let is_older = time.is_some_and(|time| said.time.is_some_and(|older| older < time));
        let is_soon = !said.late_window.is_zero() && now.since(event.received_at()) <= said.late_window;
        is_soon && (is_other_peer || is_older)
    }

    /// The last state was said again.
    pub(crate) fn confirm(&mut self, said: &Statement, now: Timestamp) -> Option<Box<Held>> {
        let told = &mut self.told;
        told.seen = told.seen.max(now);
        told.time = match (told.time, said.time) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.held.take()
    }

    /// Tells what is held: it is the last state now.
    pub(crate) fn tell(&mut self, now: Timestamp) -> Option<Box<Held>> {
        let held = self.held.take()?;
        let Held { state, event, peer, time, .. } = *held;
        self.told = Told { state, event, seen: self.told.seen.max(now), peer, time };
        Some(held)
    }

    /// Whether what is held is due: its window is over.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.held.as_ref().is_some_and(|held| held.due < now)
    }

    /// Whether so long has been said nothing of it that it counts as new; a clock that was far ahead keeps nothing either.
    pub(crate) fn is_forgotten(&self, now: Timestamp, window: Duration) -> bool {
        self.held.is_none() && now.since(self.told.seen).max(self.told.seen.since(now)) >= window
    }
}

#[cfg(test)]
pub(super) mod tests;
