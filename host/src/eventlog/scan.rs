//! Reads of what is durable, from any thread.

use std::sync::Arc;

use bytes::Bytes;

use super::EventLogError;
use super::batch::Space;
use super::layout::block::EventHeader;
use super::layout::reader::{EventCursor, Store};
use super::quarantine;
use super::query::{EventKey, Order, Page, Query, Range, ScanLimits, SkipReason, Skipped, Stored, Withheld};
use super::snapshot::{Publisher, Snapshot};
use crate::event::{Delivery, EventStatus, Seq, Timestamp};

pub(crate) struct Reader {
    pub(crate) store: Store,
    pub(crate) publisher: Arc<Publisher>,
}

impl Reader {
    pub(crate) fn event(&self, key: EventKey) -> Result<Option<Stored>, EventLogError> {
        let seq = match key {
            EventKey::Seq(seq) => seq,
            EventKey::Id(id) => id.seq(),
        };
        let (floor, head) = self.publisher.read(|snapshot| (snapshot.floor, snapshot.head));
        if seq < floor || seq > head {
            return Ok(None);
        }
        let mut cursor = EventCursor::new(&self.store);
        let Some(header) = cursor.header(seq)? else {
            self.store.expect_tombstone(seq)?;
            return Ok(None);
        };
        if let EventKey::Id(id) = key
            && id != header.event.id
        {
            return Ok(None);
        }
        let Some(deliveries) = cursor.deliveries(&header)? else { return Ok(None) };
        let held = |seq| self.publisher.read(|snapshot| snapshot.held.get(&seq).copied());
        let withheld = self.withheld(&header, &deliveries, held)?;
        self.stored(header, deliveries, withheld, true)
    }

    pub(crate) fn value(&self, space: &Space, key: &str) -> Result<Option<Bytes>, EventLogError> {
        self.store.value(space.as_str(), key)
    }

    pub(crate) fn values(
        &self,
        space: &Space,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, EventLogError> {
        self.store.values(space.as_str(), prefix, limit)
    }

    pub(crate) fn scan(&self, query: &Query, range: Range, limits: ScanLimits) -> Result<Page, EventLogError> {
        let snapshot = self.publisher.snapshot();
        let mut positions = Positions::new(query, range, &snapshot);
        let mut cursor = EventCursor::new(&self.store);
        let mut page = Page { head: snapshot.head, ..Page::default() };
        let (mut matched, mut scanned, mut bytes, mut searched) = (0, 0, 0_usize, 0_usize);
        while let Some(seq) = positions.current() {
            if matched >= limits.items || scanned >= limits.scanned {
                page.next = Some(seq);
                break;
            }
            scanned += 1;
            let Some(header) = cursor.header(seq)? else {
                let skipped = self.skipped(seq)?;
                page.skip(positions.jump(skipped), range.order);
                continue;
            };
            positions.step(seq);
            page.progress.events += 1;
            page.progress.last = Some(header.event.time);
            let is_read = query.filter.as_ref().is_none_or(|filter| filter.matches(&header.event));
            if !is_read || !query.events.matches(&header.event) {
                continue;
            }
            let Some(deliveries) = cursor.deliveries(&header)? else { continue };
            let withheld = self.withheld(&header, &deliveries, |seq| snapshot.held.get(&seq).copied())?;
            let count = query.matches(header.event.subject.as_deref(), withheld, &deliveries);
            if count == 0 {
                continue;
            }
            if let Some(search) = &query.search
                && search.in_header(&header.event).is_none()
            {
                searched = searched.saturating_add(size(&header));
                if searched > limits.bytes && page.progress.events > 1 {
                    page.progress.events -= 1;
                    page.next = Some(seq);
                    break;
                }
                if !self.payload(&header)?.is_some_and(|data| search.is_in(&data)) {
                    continue;
                }
            }
            bytes = bytes.saturating_add(size(&header));
            if query.payloads && bytes > limits.bytes && !page.items.is_empty() {
                page.next = Some(seq);
                break;
            }
            matched += count;
            page.items.extend(self.stored(header, deliveries, withheld, query.payloads)?);
        }
        Ok(page)
    }

    /// The range of positions around `seq`, which has no event any more.
    fn skipped(&self, seq: Seq) -> Result<Skipped, EventLogError> {
        let Some((first, tombstone)) = self.store.tombstone_at(seq)? else {
            self.store.expect_tombstone(seq)?;
            return Ok(Skipped { first: seq, last: seq, reason: SkipReason::Retention });
        };
        let reason = if tombstone.lost { SkipReason::Damage } else { SkipReason::Retention };
        Ok(Skipped { first, last: tombstone.last, reason })
    }

    /// Whether and why nobody is told of an event: it was stored without the deliveries that it was to have. `held` knows until when the
    /// event at a position is held.
    fn withheld(
        &self,
        header: &EventHeader,
        deliveries: &[Delivery],
        held: impl FnOnce(Seq) -> Option<Timestamp>,
    ) -> Result<Option<Withheld>, EventLogError> {
        if !deliveries.is_empty() {
            return Ok(None);
        }
        if let Some(status) = quarantine::status(&self.store, &header.event)? {
            let is_released = status == EventStatus::Released;
            return Ok(Some(if is_released { Withheld::Released } else { Withheld::Quarantined }));
        }
        if header.event.repeat_of.is_some() {
            return Ok(Some(Withheld::Repeat));
        }
        let held = held(header.event.seq).map(Withheld::Until);
        Ok(held.or_else(|| (!header.recipients.is_empty()).then_some(Withheld::Dropped)))
    }

    /// The payload of an event. `None` if it was removed meanwhile.
    fn payload(&self, header: &EventHeader) -> Result<Option<Bytes>, EventLogError> {
        match self.store.payload(header) {
            Ok(data) => Ok(Some(data)),
            Err(_) if EventCursor::new(&self.store).header(header.event.seq)?.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The event of `header`. `None` if it was removed meanwhile.
    fn stored(
        &self,
        mut header: EventHeader,
        deliveries: Vec<Delivery>,
        withheld: Option<Withheld>,
        payload: bool,
    ) -> Result<Option<Stored>, EventLogError> {
        let size = size(&header);
        header.event.data = if payload {
            let Some(data) = self.payload(&header)? else { return Ok(None) };
            data
        } else {
            // What is in the block would keep all of it in memory.
            Bytes::new()
        };
        Ok(Some(Stored { event: header.event, deliveries, withheld, size }))
    }
}

/// Bytes of the payload.
fn size(header: &EventHeader) -> usize {
    header.event.data.len().max(usize::try_from(header.overflow).unwrap_or(usize::MAX))
}

/// The positions of a scan, one after the other.
struct Positions {
    first: Seq,
    last: Seq,
    order: Order,
    next: Option<Seq>,
    /// Positions below the low-water mark that are open again, for a scan of open deliveries. The next one is at the end.
    reopened: Vec<Seq>,
}

impl Positions {
    fn new(query: &Query, range: Range, snapshot: &Snapshot) -> Self {
        // Whoever reads on has to know what is gone, also before the first event. A list ends there.
        let lowest = match range.order {
            Order::OldestFirst => Seq(1),
            Order::NewestFirst => snapshot.floor,
        };
        let (mut first, last) = (range.first.max(lowest), range.last.min(snapshot.head));
        let mut reopened = Vec::new();
        if query.is_of_open() && range.order == Order::OldestFirst && first < snapshot.settled {
            reopened.extend(snapshot.reopened.range(first..snapshot.settled).filter(|seq| **seq <= last));
            reopened.reverse();
            first = snapshot.settled;
        }
        let start = match range.order {
            Order::OldestFirst => first,
            Order::NewestFirst => last,
        };
        let next = Some(start).filter(|_| first <= last);
        Self { first, last, order: range.order, next, reopened }
    }

    fn current(&self) -> Option<Seq> {
        self.reopened.last().copied().or(self.next)
    }

    /// Goes on behind `seq`, the current position.
    fn step(&mut self, seq: Seq) {
        self.go_behind(seq, seq);
    }

    /// Goes on behind a range around the current position that has no events. Returns the part of it in the scan.
    fn jump(&mut self, skipped: Skipped) -> Skipped {
        let Skipped { first, last, reason } = skipped;
        let part = Skipped { first: first.max(self.first.min(last)), last: last.min(self.last), reason };
        self.go_behind(first, last);
        part
    }

    fn go_behind(&mut self, first: Seq, last: Seq) {
        if self.reopened.pop().is_some() {
            return;
        }
        self.next = match self.order {
            Order::OldestFirst => Some(last.next()).filter(|next| *next <= self.last),
            Order::NewestFirst => Some(Seq(first.0.saturating_sub(1))).filter(|next| *next >= self.first),
        };
    }
}

impl Page {
    /// Notes a range without events; one record for neighbours of one kind.
    fn skip(&mut self, skipped: Skipped, order: Order) {
        match (self.skipped.last_mut(), order) {
            (Some(before), Order::OldestFirst)
                if before.reason == skipped.reason && before.last.next() == skipped.first =>
            {
                before.last = skipped.last;
            }
            (Some(before), Order::NewestFirst)
                if before.reason == skipped.reason && skipped.last.next() == before.first =>
            {
                before.first = skipped.first;
            }
            _ => self.skipped.push(skipped),
        }
    }
}
