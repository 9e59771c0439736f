//! What a consumer was sent and has not settled: the heart of acknowledgements. Pure: time is an argument.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::{EventId, Seq};
use crate::subscribe::message::NackAction;

/// The limits of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowLimits {
    /// Events after the position, settled or not.
    pub(super) size: usize,
    /// How long an event may take to be acknowledged.
    pub(super) ack_timeout: Duration,
    /// After as many attempts an event is parked.
    pub(super) max_attempts: u32,
    /// Parked events; with as many, an event is tried on.
    pub(super) parked_max: usize,
}

/// The events after a position that were read for a consumer.
///
/// Everything at or before the position is settled. An event is sent only if no earlier one of its subject waits for another
/// attempt; the others go on. Parked events that are sent again are apart: they never touch the position.
#[derive(Debug)]
pub(super) struct Window {
    limits: WindowLimits,
    /// Everything up to here was read.
    read: Seq,
    items: BTreeMap<Seq, Item>,
    /// Parked events that are to be sent again.
    replayed: BTreeMap<Seq, Item>,
    /// Settled before a restart, and not read again yet.
    settled_before: BTreeSet<Seq>,
    /// Events that are parked, whether that is written already or not.
    parked: BTreeSet<Seq>,
    changes: ParkingChanges,
}

/// How long an event waits at least that can no longer be parked.
const NO_ROOM_TO_PARK: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Item {
    id: EventId,
    subject: Option<Arc<str>>,
    attempts: u32,
    state: State,
    /// Why the last attempt failed.
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// May be sent.
    Ready,
    /// Was sent, and must be acknowledged by then.
    Sent {
        due: Instant,
    },
    /// May be sent again then.
    Waiting {
        at: Instant,
    },
    Settled,
}

/// An event as the window knows it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) seq: Seq,
    pub(super) id: EventId,
    pub(super) subject: Option<Arc<str>>,
}

/// An event that is to be parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parking {
    pub(super) seq: Seq,
    pub(super) id: EventId,
    pub(super) attempts: u32,
    pub(super) reason: String,
}

/// An event that is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) seq: Seq,
    /// Counts from 1.
    pub(super) attempt: u32,
    pub(super) parked: bool,
}

/// What has to become durable beside the position: events that are parked, and `None` for each that no longer is.
pub(super) type ParkingChanges = BTreeMap<Seq, Option<Parking>>;

impl Window {
    /// A window after `position`, with what was settled beyond, and what is parked.
    pub(super) fn new(limits: WindowLimits, position: Seq, settled: BTreeSet<Seq>, parked: BTreeSet<Seq>) -> Self {
        Self {
            limits,
            read: position,
            items: BTreeMap::new(),
            replayed: BTreeMap::new(),
            settled_before: settled,
            parked,
            changes: ParkingChanges::new(),
        }
    }

    pub(super) fn set_limits(&mut self, limits: WindowLimits) {
        self.limits = limits;
    }

    /// Goes on after `position`. What is parked stays parked, and comes again if it was to.
    pub(super) fn seek(&mut self, position: Seq) {
        self.read = position;
        self.items.clear();
        self.settled_before.clear();
        self.take_back();
    }

    /// How many events are parked.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Whether no more events can be parked.
    pub(super) fn is_full_of_parked(&self) -> bool {
        self.parked.len() >= self.limits.parked_max
    }

    /// Everything up to here is settled.
    pub(super) fn position(&self) -> Seq {
        self.items.first_key_value().map_or(self.read, |(first, _)| Seq(first.0 - 1))
    }

    /// What is settled after the position.
    pub(super) fn settled(&self) -> BTreeSet<Seq> {
        let known = self.items.iter().filter(|(_, item)| item.state == State::Settled).map(|(seq, _)| *seq);
        known.chain(self.settled_before.range(self.read.next()..).copied()).collect()
    }

    /// Everything up to here was read.
    pub(super) fn read_upto(&self) -> Seq {
        self.read
    }

    /// How many more events may be read.
    pub(super) fn room(&self) -> usize {
        self.limits.size.saturating_sub(self.items.len())
    }

    /// Events that were sent and are not settled.
    pub(super) fn unacked(&self) -> usize {
        let sent = |item: &&Item| matches!(item.state, State::Sent { .. });
        self.items.values().filter(sent).count() + self.replayed.values().filter(sent).count()
    }

    /// Takes in the next event that the consumer is to get.
    pub(super) fn add(&mut self, head: Head) {
        let Head { seq, id, subject } = head;
        self.read = self.read.max(seq);
        let state = if self.settled_before.remove(&seq) { State::Settled } else { State::Ready };
        self.items.insert(seq, Item { id, subject, attempts: 0, state, reason: String::new() });
        self.advance();
    }

    /// Everything up to here was read.
    pub(super) fn pass(&mut self, upto: Seq) {
        self.read = self.read.max(upto);
        let later = self.settled_before.split_off(&self.read.next());
        self.settled_before = later;
    }

    /// Takes in an event that is to be sent again, if it is parked: whoever asks for it has read that from the log, which hears of
    /// an acknowledgement later. Returns whether it is.
    pub(super) fn replay(&mut self, head: Head) -> bool {
        let Head { seq, id, subject } = head;
        let is_parked = self.parked.contains(&seq);
        if is_parked {
            let item = || Item { id, subject, attempts: 0, state: State::Ready, reason: String::new() };
            self.replayed.entry(seq).or_insert_with(item);
        }
        is_parked
    }

    /// The next event to send, marked as sent.
    pub(super) fn send(&mut self, now: Instant) -> Option<Sending> {
        let (seq, parked) = self.next(now)?;
        let due = now + self.limits.ack_timeout;
        let item = if parked { self.replayed.get_mut(&seq) } else { self.items.get_mut(&seq) }?;
        item.attempts = item.attempts.saturating_add(1);
        item.state = State::Sent { due };
        Some(Sending { seq, attempt: item.attempts, parked })
    }

    /// Whether an event may be sent now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.next(now).is_some()
    }

    /// The next event that may be sent, and whether it was parked.
    fn next(&self, now: Instant) -> Option<(Seq, bool)> {
        [(&self.items, false), (&self.replayed, true)].into_iter().find_map(|(items, parked)| {
            let mut blocked = HashSet::new();
            for (seq, item) in items {
                let may_go = match item.state {
                    State::Sent { .. } | State::Settled => continue,
                    State::Ready => true,
                    State::Waiting { at } => at <= now,
                };
                if may_go && item.subject.as_ref().is_none_or(|subject| !blocked.contains(subject)) {
                    return Some((*seq, parked));
                }
                blocked.extend(item.subject.as_ref());
            }
            None
        })
    }

    /// Sends an event that was just added, if it may go.
    pub(super) fn send_new(&mut self, seq: Seq, now: Instant) -> Option<Sending> {
        let due = now + self.limits.ack_timeout;
        let subject = self.items.get(&seq)?.subject.clone();
        let is_ahead = |item: &Item| matches!(item.state, State::Ready | State::Waiting { .. });
        let is_blocked =
            subject.is_some() && self.items.range(..seq).any(|(_, item)| is_ahead(item) && item.subject == subject);
        let item = self.items.get_mut(&seq).filter(|item| item.state == State::Ready && !is_blocked)?;
        item.attempts += 1;
        item.state = State::Sent { due };
        Some(Sending { seq, attempt: item.attempts, parked: false })
    }

    /// Whether nobody has said anything of it since.
    pub(super) fn is_sent(&self, sending: Sending) -> bool {
        let items = if sending.parked { &self.replayed } else { &self.items };
        let is_sent = |item: &Item| item.attempts == sending.attempt && matches!(item.state, State::Sent { .. });
        items.get(&sending.seq).is_some_and(is_sent)
    }

    /// Settles an event that is no longer in the log.
    pub(super) fn settle(&mut self, sending: Sending) {
        if sending.parked {
            self.unpark(sending.seq);
        } else if let Some(item) = self.items.get_mut(&sending.seq) {
            item.state = State::Settled;
            self.advance();
        }
    }

    /// When something may change without anybody saying anything.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let timer = |item: &Item| match item.state {
            State::Sent { due } => Some(due),
            State::Waiting { at } => Some(at),
            State::Ready | State::Settled => None,
        };
        self.items.values().chain(self.replayed.values()).filter_map(timer).min()
    }

    /// Takes back what was not acknowledged in time. Returns how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let is_over = |item: &Item| matches!(item.state, State::Sent { due } if due <= now);
        let over = |items: &BTreeMap<Seq, Item>| {
            items.iter().filter(|(_, item)| is_over(item)).map(|(seq, _)| *seq).collect::<Vec<_>>()
        };
        let (own, replayed) = (over(&self.items), over(&self.replayed));
        for (seq, is_replayed) in own.iter().map(|seq| (*seq, false)).chain(replayed.iter().map(|seq| (*seq, true))) {
            self.fail(seq, is_replayed, "not acknowledged in time", Duration::ZERO, now);
        }
        own.len() + replayed.len()
    }

    /// Settles everything up to `seq` that was read.
    pub(super) fn ack_upto(&mut self, seq: Seq) {
        for (_, item) in self.items.range_mut(..=seq) {
            item.state = State::Settled;
        }
        self.advance();
    }

    /// Settles one event. Returns whether it is known and was not settled.
    pub(super) fn ack(&mut self, id: EventId) -> bool {
        let seq = id.seq();
        if let Some(item) = self.items.get_mut(&seq).filter(|item| item.id == id && item.state != State::Settled) {
            item.state = State::Settled;
            self.advance();
            return true;
        }
        let is_replayed = self.replayed.get(&seq).is_some_and(|item| item.id == id);
        if is_replayed {
            self.unpark(seq);
        }
        is_replayed
    }

    /// Takes back one event. Returns whether it is known and not settled.
    pub(super) fn nack(
        &mut self,
        id: EventId,
        action: NackAction,
        delay: Duration,
        reason: &str,
        now: Instant,
    ) -> bool {
        let seq = id.seq();
        let is_open = |item: &&Item| item.id == id && item.state != State::Settled;
        let is_own = self.items.get(&seq).as_ref().is_some_and(is_open);
        let is_replayed = !is_own && self.replayed.get(&seq).as_ref().is_some_and(is_open);
        if !is_own && !is_replayed {
            return false;
        }
        match action {
            NackAction::Skip => return self.ack(id),
            NackAction::Park if self.is_full_of_parked() => self.fail(seq, is_replayed, reason, NO_ROOM_TO_PARK, now),
            NackAction::Retry => self.fail(seq, is_replayed, reason, delay, now),
            NackAction::Park => self.park(seq, is_replayed, reason),
        }
        true
    }

    /// Gives everything that was sent more time.
    pub(super) fn extend(&mut self, now: Instant) {
        let due = now + self.limits.ack_timeout;
        for item in self.items.values_mut().chain(self.replayed.values_mut()) {
            if let State::Sent { .. } = item.state {
                item.state = State::Sent { due };
            }
        }
    }

    /// Takes back everything that was sent, because its receiver is gone.
    pub(super) fn take_back(&mut self) {
        for item in self.items.values_mut().chain(self.replayed.values_mut()) {
            if let State::Sent { .. } = item.state {
                item.state = State::Ready;
            }
        }
    }

    /// What has to become durable beside the position.
    pub(super) fn take_parking_changes(&mut self) -> ParkingChanges {
        std::mem::take(&mut self.changes)
    }

    /// Takes back changes that did not become durable. Later ones stand.
    pub(super) fn keep_parking_changes(&mut self, changes: ParkingChanges) {
        for (seq, change) in changes {
            self.changes.entry(seq).or_insert(change);
        }
    }

    pub(super) fn has_parking_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    fn fail(&mut self, seq: Seq, is_replayed: bool, reason: &str, delay: Duration, now: Instant) {
        let has_room = !self.is_full_of_parked();
        let items = if is_replayed { &mut self.replayed } else { &mut self.items };
        let Some(item) = items.get_mut(&seq) else { return };
        reason.clone_into(&mut item.reason);
        if item.attempts < self.limits.max_attempts {
            item.state = State::Waiting { at: now + delay };
        } else if !has_room && !is_replayed {
            item.state = State::Waiting { at: now + delay.max(NO_ROOM_TO_PARK) };
        } else {
            let reason = reason.to_owned();
            self.park(seq, is_replayed, &reason);
        }
    }

    fn park(&mut self, seq: Seq, is_replayed: bool, reason: &str) {
        if is_replayed {
            // It is still parked.
            self.replayed.remove(&seq);
            return;
        }
        let Some(item) = self.items.get_mut(&seq) else { return };
        item.state = State::Settled;
        let reason = reason.to_owned();
        let parking = Parking { seq, id: item.id, attempts: item.attempts, reason };
        self.parked.insert(seq);
        self.changes.insert(seq, Some(parking));
        self.advance();
    }

    fn unpark(&mut self, seq: Seq) {
        self.replayed.remove(&seq);
        self.parked.remove(&seq);
        self.changes.insert(seq, None);
    }

    /// Forgets what the position has passed.
    fn advance(&mut self) {
        while let Some(first) = self.items.first_entry()
            && first.get().state == State::Settled
        {
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests;
