//! Reads of what is durable, from any thread.

use std::sync::Arc;

use bytes::Bytes;

use super::EventLogError;
use super::engine::Direction;
use super::layout::key;
use super::layout::reader::{EventCursor, Store};
use super::layout::record::{self, EventHeader, corrupt};
use super::query::{DeliveryFilter, DeliveryPage, Filter, ListedDelivery, OpenDeliveries, Page, Stored};
use super::replay::{Candidate, Replayable, replayable};
use super::snapshot::Publisher;
use crate::event::{Delivery, DeliveryId, Event, EventId, Seq};

/// Reads what is durable, from any thread.
pub(crate) struct Reader {
    pub(crate) store: Store,
    pub(crate) publisher: Arc<Publisher>,
}

impl Reader {
    /// The most events that one call looks at.
    const LOOKED_AT: usize = 10_000;
    /// The most bytes of payloads that one call returns, unless the first is larger.
    const READ_BYTES: usize = 32 * 1024 * 1024;

    pub(crate) fn get(&self, seq: Seq) -> Result<Option<Stored>, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        match self.header(&mut cursor, seq)? {
            Some(header) => self.stored(&mut cursor, header),
            None => Ok(None),
        }
    }

    pub(crate) fn find(&self, id: EventId) -> Result<Option<Stored>, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        match self.header(&mut cursor, id.seq())?.filter(|header| header.event.id == id) {
            Some(header) => self.stored(&mut cursor, header),
            None => Ok(None),
        }
    }

    pub(crate) fn state(&self, owner: &str) -> Result<Vec<(String, Bytes)>, EventLogError> {
        let range = key::state_of(owner);
        let found = self.store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX)?;
        let entry = |(key, value): (Bytes, Bytes)| {
            let (_, name) = key::state_name(&key).ok_or_else(|| corrupt(&key, "no name in the key".to_owned()))?;
            Ok((name, record::decode(&key, &value)?))
        };
        found.into_iter().map(entry).collect()
    }

    pub(crate) fn read(&self, after: Seq, limit: usize) -> Result<Vec<Stored>, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        let mut next = self.publisher.floor().max(after.next());
        while next <= self.publisher.head() && items.len() < limit {
            let seq = next;
            let Some(header) = self.header(&mut cursor, seq)? else {
                next = self.after_gone(seq)?;
                continue;
            };
            next = seq.next();
            bytes = bytes
                .saturating_add(header.event.data.len().max(usize::try_from(header.overflow).unwrap_or(usize::MAX)));
            if bytes > Self::READ_BYTES && !items.is_empty() {
                break;
            }
            items.extend(self.stored(&mut cursor, header)?);
        }
        Ok(items)
    }

    pub(crate) fn list(&self, filter: &Filter, before: Option<Seq>, limit: usize) -> Result<Page, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        let mut items = Vec::new();
        let mut looked_at = 0;
        let mut next = self.last_before(before);
        while let Some(seq) = next {
            if items.len() >= limit || looked_at >= Self::LOOKED_AT {
                return Ok(Page { items, next: Some(seq.next()) });
            }
            looked_at += 1;
            let Some(header) = self.header(&mut cursor, seq)? else {
                next = self.before_gone(seq)?;
                continue;
            };
            next = self.last_before(Some(seq));
            if filter.events.takes(&header.event) {
                let Some(deliveries) = cursor.deliveries(&header)? else { continue };
                if filter.takes_status(&deliveries) {
                    items.push(Stored { event: without_data(header.event), deliveries });
                }
            }
        }
        Ok(Page { items, next: None })
    }

    pub(crate) fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<DeliveryPage, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        let mut page = DeliveryPage::default();
        let mut looked_at = 0;
        let from = before.map(|before| if before.index == 0 { before.seq } else { before.seq.next() });
        let mut next = self.last_before(from);
        while let Some(seq) = next {
            if looked_at >= Self::LOOKED_AT {
                page.next = Some(DeliveryId { seq: seq.next(), index: 0 });
                return Ok(page);
            }
            looked_at += 1;
            let Some(header) = self.header(&mut cursor, seq)? else {
                next = self.before_gone(seq)?;
                continue;
            };
            next = self.last_before(Some(seq));
            if !filter.events.takes(&header.event) {
                continue;
            }
            let deliveries = cursor.deliveries(&header)?.unwrap_or_default();
            let deliveries: Vec<(u32, Delivery)> = (0..).zip(deliveries).collect();
            for (index, delivery) in deliveries.into_iter().rev() {
                let id = DeliveryId { seq, index };
                if before.is_some_and(|before| id >= before) || !filter.takes(&delivery) {
                    continue;
                }
                if page.items.len() >= limit {
                    page.next = page.items.last().map(|item| item.id).or(before);
                    return Ok(page);
                }
                let Event { id: event, channel, kind, subject, .. } = header.event.clone();
                page.items.push(ListedDelivery { id, delivery, event, channel, kind, subject });
            }
        }
        Ok(page)
    }

    pub(crate) fn open_deliveries(
        &self,
        from: Seq,
        until: Seq,
        limit: usize,
        takes: impl Fn(&Delivery, Option<&str>) -> bool,
    ) -> Result<OpenDeliveries, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        let (floor, settled) = (self.publisher.floor(), self.publisher.settled());
        let end = until.min(self.publisher.head().next());
        let mut open = OpenDeliveries { end, ..OpenDeliveries::default() };
        let reopened = self.publisher.reopened();
        let first = from.max(floor);
        let mut below = reopened.range(first..settled.max(first)).copied().take_while(|seq| *seq < end);
        let mut above = first.max(settled);
        let mut looked_at = 0;
        while let Some(seq) = below.next().or((above < end).then_some(above)) {
            if open.items.len() >= limit || looked_at >= Self::LOOKED_AT {
                open.next = Some(seq);
                break;
            }
            looked_at += 1;
            let header = self.header(&mut cursor, seq)?;
            if seq == above {
                above = if header.is_some() { seq.next() } else { self.after_gone(seq)? };
            }
            let Some(header) = header else { continue };
            for (index, delivery) in (0..).zip(cursor.deliveries(&header)?.unwrap_or_default()) {
                if delivery.state.is_open() && takes(&delivery, header.event.subject.as_deref()) {
                    open.items.push((DeliveryId { seq, index }, delivery, header.event.subject.clone()));
                }
            }
        }
        Ok(open)
    }

    pub(crate) fn replayable(
        &self,
        filter: &DeliveryFilter,
        from: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Replayable, EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        let mut found = Replayable::default();
        let mut next = from.max(self.publisher.floor());
        let mut looked_at = 0;
        while next <= to {
            let seq = next;
            if found.items.len() >= limit || looked_at >= Self::LOOKED_AT {
                found.next = Some(seq);
                break;
            }
            looked_at += 1;
            let Some(header) = self.header(&mut cursor, seq)? else {
                next = self.after_gone(seq)?;
                continue;
            };
            next = seq.next();
            if !filter.events.takes(&header.event) {
                continue;
            }
            let deliveries = cursor.deliveries(&header)?.unwrap_or_default();
            let bytes = header.event.data.len().max(usize::try_from(header.overflow).unwrap_or(usize::MAX));
            for (index, delivery) in replayable(&deliveries, filter) {
                let (id, channel) = (DeliveryId { seq, index }, header.event.channel.clone());
                found.items.push(Candidate { id, agent: delivery.agent.clone(), channel, bytes });
            }
        }
        Ok(found)
    }

    /// The last position below `before` that may be held.
    fn last_before(&self, before: Option<Seq>) -> Option<Seq> {
        let last = before.map_or(u64::MAX, |before| before.0.saturating_sub(1)).min(self.publisher.head().0);
        Some(Seq(last)).filter(|last| *last >= self.publisher.floor() && *last > Seq(0))
    }

    /// The position after the removed ones around `seq`.
    fn after_gone(&self, seq: Seq) -> Result<Seq, EventLogError> {
        Ok(self.store.tombstone_at(seq)?.map_or(seq, |(_, gone)| gone.last).next())
    }

    /// The position before the removed ones around `seq`.
    fn before_gone(&self, seq: Seq) -> Result<Option<Seq>, EventLogError> {
        Ok(self.last_before(Some(self.store.tombstone_at(seq)?.map_or(seq, |(first, _)| first))))
    }

    fn header(&self, cursor: &mut EventCursor<'_>, seq: Seq) -> Result<Option<EventHeader>, EventLogError> {
        if seq < self.publisher.floor() || seq > self.publisher.head() {
            return Ok(None);
        }
        let found = cursor.header(seq)?;
        if found.is_none() {
            self.store.expect_tombstone(seq)?;
        }
        Ok(found)
    }

    /// The whole event; none when it was removed meanwhile.
    fn stored(&self, cursor: &mut EventCursor<'_>, mut header: EventHeader) -> Result<Option<Stored>, EventLogError> {
        match self.store.payload(&header) {
            Ok(data) => header.event.data = data,
            Err(_) if EventCursor::new(&self.store).header(header.event.seq)?.is_none() => return Ok(None),
            Err(error) => return Err(error),
        }
        let deliveries = cursor.deliveries(&header)?;
        Ok(deliveries.map(|deliveries| Stored { event: header.event, deliveries }))
    }
}

fn without_data(mut event: Event) -> Event {
    event.data = bytes::Bytes::new();
    event
}
