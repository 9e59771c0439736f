//! What a consumer was sent, and what was confirmed to it. It outlives the process under test.
//!
//! It is pure, so that `tests/it/faults.rs` can prove that it finds each kind of fault.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An event as a consumer got it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The event's position in the log.
    pub(crate) seq: u64,
    pub(crate) event: String,
    pub(crate) subject: String,
    /// Whether it is sent again because somebody replayed what was parked.
    pub(crate) parked: bool,
}

/// An event that the gateway lists at the end.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) event: String,
    /// Whether the consumer's filter lets it through.
    pub(crate) is_for_it: bool,
}

/// Everything that happened to a consumer.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    events: BTreeMap<u64, Receipt>,
    /// By the id of the event.
    positions: HashMap<String, u64>,
    /// Everything up to here was confirmed.
    position: u64,
    /// The latest event of each subject that was sent for the first time.
    latest: HashMap<String, u64>,
    gaps: Vec<(u64, u64)>,
    /// Sent again before anything about it was confirmed, which is allowed.
    pub(crate) repeated: usize,
    /// Sent again after it was confirmed.
    pub(crate) again: Vec<String>,
    /// Sent for the first time after a later event of its subject.
    pub(crate) disordered: Vec<String>,
    /// What else was said that cannot be.
    pub(crate) wrong: Vec<String>,
}

/// What became of one event.
#[derive(Debug, Default)]
struct Receipt {
    event: String,
    /// The receiver has acknowledged it.
    acked: bool,
    /// The receiver has had it parked.
    parked: bool,
    /// The receiver has acknowledged it when it was replayed.
    unparked: bool,
    /// The gateway has confirmed that it is settled.
    confirmed: bool,
    /// The gateway has confirmed that it is parked no longer.
    ended: bool,
}

impl Receipts {
    /// A connection or a turn begins; everything up to `position` is settled.
    pub(crate) fn begins(&mut self, position: u64) {
        if position < self.position {
            self.wrong.push(format!("begins at {position}, but {} was confirmed", self.position));
        }
    }

    /// An event was sent.
    pub(crate) fn sent(&mut self, received: &Received) {
        let Received { seq, event, subject, parked } = received;
        let position = self.position;
        let is_first = !self.events.contains_key(seq);
        let receipt = self.events.entry(*seq).or_default();
        if is_first {
            receipt.event.clone_from(event);
            self.positions.insert(event.clone(), *seq);
            let latest = self.latest.entry(subject.clone()).or_default();
            if seq < latest {
                self.disordered.push(format!("{event} at {seq} after {latest}"));
            }
            *latest = (*latest).max(*seq);
        } else if receipt.event != *event {
            self.wrong.push(format!("{event} at {seq}, where {} was", receipt.event));
        }
        match (*parked, is_first) {
            (true, _) if !receipt.parked => self.wrong.push(format!("{event} at {seq} was never parked")),
            (true, _) if receipt.ended => self.again.push(format!("{event} at {seq}, parked no longer")),
            (true, _) => {}
            (false, _) if receipt.confirmed || *seq <= position => self.again.push(format!("{event} at {seq}")),
            (false, false) => self.repeated += 1,
            (false, true) => {}
        }
    }

    /// Positions were said to have no event any more.
    pub(crate) fn gap(&mut self, first: u64, last: u64) {
        self.gaps.push((first, last));
    }

    /// The receiver is about to acknowledge everything up to here.
    pub(crate) fn acks_upto(&mut self, seq: u64) {
        let passed = self.events.range_mut(self.position + 1..).take_while(|(at, _)| **at <= seq);
        passed.for_each(|(_, receipt)| receipt.acked = true);
    }

    /// The receiver is about to acknowledge this event.
    pub(crate) fn acks(&mut self, seq: u64) {
        if let Some(receipt) = self.events.get_mut(&seq) {
            receipt.acked = true;
        }
    }

    /// The receiver is about to acknowledge this event, which was parked and sent again.
    pub(crate) fn acks_replayed(&mut self, seq: u64) {
        if let Some(receipt) = self.events.get_mut(&seq) {
            receipt.unparked = true;
        }
    }

    /// The receiver is about to have this event parked.
    pub(crate) fn parks(&mut self, seq: u64) {
        if let Some(receipt) = self.events.get_mut(&seq) {
            receipt.parked = true;
        }
    }

    /// It was confirmed that an event is settled by itself: acknowledged, parked, or parked no longer.
    pub(crate) fn confirmed(&mut self, seq: u64) {
        match self.events.get_mut(&seq) {
            Some(receipt) if receipt.acked || receipt.parked => {
                receipt.confirmed = true;
                receipt.ended |= receipt.unparked;
            }
            _ => self.wrong.push(format!("{seq} was confirmed, but never settled")),
        }
    }

    /// It was confirmed that everything up to here is settled.
    pub(crate) fn confirmed_upto(&mut self, position: u64) {
        if position < self.position {
            self.wrong.push(format!("{position} was confirmed after {}", self.position));
        }
        let passed = self.events.range(self.position + 1..).take_while(|(seq, _)| **seq <= position);
        let open = passed.filter(|(_, receipt)| !receipt.acked && !receipt.parked).map(|(seq, _)| seq);
        self.wrong.extend(open.map(|seq| format!("{position} was confirmed, but {seq} was never settled")));
        self.position = self.position.max(position);
    }

    /// The position of an event that was sent.
    pub(crate) fn seq(&self, event: &str) -> Option<u64> {
        self.positions.get(event).copied()
    }

    /// The number of events that were sent.
    pub(crate) fn count(&self) -> usize {
        self.events.len()
    }

    /// The number of events whose settlement was confirmed.
    pub(crate) fn settled(&self) -> usize {
        self.events.iter().filter(|(seq, receipt)| **seq <= self.position || receipt.confirmed).count()
    }

    /// What was skipped when the consumer has come to the end of the log: positions that are no event that was sent and settled, no
    /// event of others, and in no gap. `parked` are the positions that the gateway lists as parked.
    pub(crate) fn skipped(&self, stored: &[Stored], parked: &BTreeSet<u64>) -> Vec<String> {
        let stored: BTreeMap<u64, &Stored> = stored.iter().map(|stored| (stored.seq, stored)).collect();
        let head = stored.last_key_value().map_or(0, |(seq, _)| *seq);
        let skipped = |seq: u64| {
            let told = self.gaps.iter().filter(|(first, last)| (*first..=*last).contains(&seq)).count();
            let fault = match (stored.get(&seq), self.events.get(&seq)) {
                (None, None) if told == 0 => "is in no gap",
                (Some(Stored { is_for_it: true, .. }), None) => "was never sent",
                (Some(Stored { is_for_it: false, .. }), Some(_)) => "is not for the consumer",
                (Some(stored), Some(receipt)) if stored.event != receipt.event => "is another event than was sent",
                (Some(_), _) if told > 0 => "was told as a gap",
                (_, Some(Receipt { acked: false, unparked: false, .. })) if !parked.contains(&seq) => {
                    "was passed, but neither acknowledged nor parked"
                }
                (_, Some(Receipt { ended: true, .. })) if parked.contains(&seq) => "is still parked",
                _ => return None,
            };
            Some(format!("position {seq} {fault}"))
        };
        (1..=head).filter_map(skipped).collect()
    }
}
