//! Deliveries as the writer keeps them: in memory while they are recent, in buckets of consecutive events in the store.

use std::collections::BTreeMap;

use super::deliveries::{BUCKET, bucket_of, bucket_values};
use super::key;
use super::reader::{EventCursor, Store};
use crate::event::{Delivery, EventStatus, Seq};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::Op;
use crate::eventlog::quarantine;

/// The deliveries of one event as the writer sees them.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether they are no longer what the event's own record says.
    changed: bool,
    /// The status of the event while it has none.
    bare: EventStatus,
}

impl Default for Slot {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Slot {
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Self {
        Self { deliveries, changed: false, bare: EventStatus::Accepted }
    }

    /// The same for an event that has `status` while it has no deliveries.
    pub(crate) fn bare(self, status: EventStatus) -> Self {
        Self { bare: status, ..self }
    }

    /// The status of the event, unless it is held.
    pub(crate) fn status(&self) -> EventStatus {
        if self.deliveries.is_empty() { self.bare } else { EventStatus::of(&self.deliveries) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.deliveries.iter().any(|delivery| delivery.state.is_open())
    }
}

#[derive(Debug, Default)]
struct Bucket {
    slots: Vec<Slot>,
    /// How many records it has in the store.
    parts: u16,
    dirty: bool,
}

/// The deliveries of recent events, so that recording an attempt reads nothing. Bounded; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    cached: BTreeMap<u64, Bucket>,
    dirty: Vec<u64>,
}

impl Buckets {
    /// 16,384 events.
    const CACHED: usize = 1024;

    /// Adds the event after `head`, the last one known.
    pub(crate) fn push(&mut self, store: &Store, seq: Seq, slot: Slot) -> Result<(), EventLogError> {
        let bucket = self.load(store, Seq(seq.0 - 1), bucket_of(seq))?;
        bucket.slots.resize_with(place(seq), Slot::default);
        bucket.slots.push(slot);
        Ok(())
    }

    /// The deliveries of the event at `seq`; none for an event that is not there.
    pub(crate) fn get(&mut self, store: &Store, head: Seq, seq: Seq) -> Result<Option<&Slot>, EventLogError> {
        Ok(self.load(store, head, bucket_of(seq))?.slots.get(place(seq)))
    }

    /// The same, to be changed and written with the next commit.
    pub(crate) fn change(&mut self, seq: Seq) -> Option<&mut Slot> {
        let number = bucket_of(seq);
        let bucket = self.cached.get_mut(&number)?;
        let slot = bucket.slots.get_mut(place(seq))?;
        if !bucket.dirty {
            bucket.dirty = true;
            self.dirty.push(number);
        }
        slot.changed = true;
        Some(slot)
    }

    /// Stores that the event, which was just added without deliveries, was to have some.
    pub(crate) fn withhold(&mut self, seq: Seq) {
        if let Some(slot) = self.change(seq) {
            slot.bare = EventStatus::Dropped;
        }
    }

    /// Notes that the event, which has no deliveries, was released; what is stored says it already.
    pub(crate) fn release(&mut self, seq: Seq) {
        let bucket = self.cached.get_mut(&bucket_of(seq));
        if let Some(slot) = bucket.and_then(|bucket| bucket.slots.get_mut(place(seq))) {
            slot.bare = EventStatus::Released;
        }
    }

    /// Forgets the deliveries of a removed event; its bucket is in the cache, because they were looked at.
    pub(crate) fn forget(&mut self, seq: Seq) {
        if let Some(slot) = self.change(seq) {
            *slot = Slot::default();
        }
    }

    /// What has to be written so that the store has all changes.
    pub(crate) fn write(&mut self, ops: &mut Vec<Op>) {
        for number in self.dirty.drain(..) {
            let Some(bucket) = self.cached.get_mut(&number) else { continue };
            bucket.dirty = false;
            let seqs = (number * BUCKET..).map(Seq);
            let changed: Vec<(Seq, &[Delivery])> = seqs
                .zip(&bucket.slots)
                .filter(|(_, slot)| slot.changed)
                .map(|(seq, slot)| (seq, slot.deliveries.as_slice()))
                .collect();
            let values = bucket_values(number, &changed);
            let parts = u16::try_from(values.len()).unwrap_or(u16::MAX);
            ops.extend(values.into_iter().map(|(key, value)| Op::Put(key, value)));
            ops.extend((parts..bucket.parts).map(|part| Op::Remove(key::deliveries(number, part).to_vec())));
            bucket.parts = parts;
        }
    }

    /// Lets go of buckets below `settled`, and of the oldest ones when there are too many.
    pub(crate) fn shrink(&mut self, settled: Seq) {
        while let Some(entry) = self.cached.first_entry() {
            if *entry.key() >= bucket_of(settled) && self.cached.len() <= Self::CACHED {
                break;
            }
            self.cached.pop_first();
        }
    }

    fn load(&mut self, store: &Store, head: Seq, number: u64) -> Result<&mut Bucket, EventLogError> {
        use std::collections::btree_map::Entry;
        match self.cached.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(read(store, head, number)?)),
        }
    }
}

fn read(store: &Store, head: Seq, number: u64) -> Result<Bucket, EventLogError> {
    let first = number * BUCKET;
    if first > head.0 {
        return Ok(Bucket::default());
    }
    let mut stored = store.bucket(number)?;
    let mut cursor = EventCursor::new(store);
    let mut slots = Vec::new();
    for seq in (first..(first + BUCKET).min(head.0 + 1)).map(Seq) {
        let stored = stored.events.remove(&seq);
        if stored.as_ref().is_some_and(|deliveries| !deliveries.is_empty()) {
            slots.push(Slot { changed: true, ..Slot::new(stored.unwrap_or_default()) });
            continue;
        }
        let header = cursor.header(seq)?;
        let slot = match (&header, stored) {
            (Some(header), None) => Slot::new(header.first_deliveries()),
            (_, stored) => Slot { changed: stored.is_some(), ..Slot::default() },
        };
        let quarantine = header.as_ref().map(|header| quarantine::status(store, &header.event)).transpose()?.flatten();
        slots.push(slot.bare(match (quarantine, header) {
            (Some(status), _) => status,
            (None, Some(header)) if header.event.repeat_of.is_some() => EventStatus::Repeat,
            (None, Some(header)) if !header.recipients.is_empty() => EventStatus::Dropped,
            (None, _) => EventStatus::Accepted,
        }));
    }
    Ok(Bucket { slots, parts: stored.parts, dirty: false })
}

fn place(seq: Seq) -> usize {
    usize::try_from(seq.0 % BUCKET).expect("a bucket is small")
}
