use std::sync::Arc;

use bytes::Bytes;

use super::engine::Direction;
use super::published::Published;
use super::query::{DeliveryFilter, DeliveryPage, Filter, ListedDelivery, OpenDeliveries, Page, Stored};
use super::record::{self, Facts, corrupt};
use super::replay::{Candidate, Replayable, replayable};
use super::store::{Store, Walk};
use super::{EventLogError, key};
use crate::event::{Delivery, DeliveryId, Event, EventId, Seq};

/// Reads what is durable, from any thread.
pub(crate) struct Reader {
    pub(crate) store: Store,
    pub(crate) published: Arc<Published>,
}

impl Reader {
    /// The most events that one call looks at.
    const LOOKED_AT: usize = 10_000;
    /// The most bytes of payloads that one call returns, unless the first is larger.
    const READ_BYTES: usize = 32 * 1024 * 1024;

    pub(crate) fn get(&self, seq: Seq) -> Result<Option<Stored>, EventLogError> {
        let mut walk = Walk::new(&self.store);
        match self.facts(&mut walk, seq)? {
            Some(facts) => self.stored(&mut walk, facts),
            None => Ok(None),
        }
    }

    pub(crate) fn find(&self, id: EventId) -> Result<Option<Stored>, EventLogError> {
        let mut walk = Walk::new(&self.store);
        match self.facts(&mut walk, id.seq())?.filter(|facts| facts.event.id == id) {
            Some(facts) => self.stored(&mut walk, facts),
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
        let mut walk = Walk::new(&self.store);
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        let mut next = self.published.floor().max(after.next());
        while next <= self.published.head() && items.len() < limit {
            let seq = next;
            let Some(facts) = self.facts(&mut walk, seq)? else {
                next = self.after_gone(seq)?;
                continue;
            };
            next = seq.next();
            bytes =
                bytes.saturating_add(facts.event.data.len().max(usize::try_from(facts.apart).unwrap_or(usize::MAX)));
            if bytes > Self::READ_BYTES && !items.is_empty() {
                break;
            }
            items.extend(self.stored(&mut walk, facts)?);
        }
        Ok(items)
    }

    pub(crate) fn list(&self, filter: &Filter, before: Option<Seq>, limit: usize) -> Result<Page, EventLogError> {
        let mut walk = Walk::new(&self.store);
        let mut items = Vec::new();
        let mut looked_at = 0;
        let mut next = self.last_before(before);
        while let Some(seq) = next {
            if items.len() >= limit || looked_at >= Self::LOOKED_AT {
                return Ok(Page { items, next: Some(seq.next()) });
            }
            looked_at += 1;
            let Some(facts) = self.facts(&mut walk, seq)? else {
                next = self.before_gone(seq)?;
                continue;
            };
            next = self.last_before(Some(seq));
            if filter.events.takes(&facts.event) {
                let Some(deliveries) = walk.deliveries(&facts)? else { continue };
                if filter.takes_status(&deliveries) {
                    items.push(Stored { event: without_data(facts.event), deliveries });
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
        let mut walk = Walk::new(&self.store);
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
            let Some(facts) = self.facts(&mut walk, seq)? else {
                next = self.before_gone(seq)?;
                continue;
            };
            next = self.last_before(Some(seq));
            if !filter.events.takes(&facts.event) {
                continue;
            }
            let deliveries = walk.deliveries(&facts)?.unwrap_or_default();
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
                let Event { id: event, channel, kind, subject, .. } = facts.event.clone();
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
        let mut walk = Walk::new(&self.store);
        let (floor, settled) = (self.published.floor(), self.published.settled());
        let end = until.min(self.published.head().next());
        let mut open = OpenDeliveries { end, ..OpenDeliveries::default() };
        let reopened = self.published.reopened();
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
            let facts = self.facts(&mut walk, seq)?;
            if seq == above {
                above = if facts.is_some() { seq.next() } else { self.after_gone(seq)? };
            }
            let Some(facts) = facts else { continue };
            for (index, delivery) in (0..).zip(walk.deliveries(&facts)?.unwrap_or_default()) {
                if delivery.state.is_open() && takes(&delivery, facts.event.subject.as_deref()) {
                    open.items.push((DeliveryId { seq, index }, delivery, facts.event.subject.clone()));
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
        let mut walk = Walk::new(&self.store);
        let mut found = Replayable::default();
        let mut next = from.max(self.published.floor());
        let mut looked_at = 0;
        while next <= to {
            let seq = next;
            if found.items.len() >= limit || looked_at >= Self::LOOKED_AT {
                found.next = Some(seq);
                break;
            }
            looked_at += 1;
            let Some(facts) = self.facts(&mut walk, seq)? else {
                next = self.after_gone(seq)?;
                continue;
            };
            next = seq.next();
            if !filter.events.takes(&facts.event) {
                continue;
            }
            let deliveries = walk.deliveries(&facts)?.unwrap_or_default();
            let bytes = facts.event.data.len().max(usize::try_from(facts.apart).unwrap_or(usize::MAX));
            for (index, delivery) in replayable(&deliveries, filter) {
                let (id, channel) = (DeliveryId { seq, index }, facts.event.channel.clone());
                found.items.push(Candidate { id, agent: delivery.agent.clone(), channel, bytes });
            }
        }
        Ok(found)
    }

    /// The last position below `before` that may be held.
    fn last_before(&self, before: Option<Seq>) -> Option<Seq> {
        let last = before.map_or(u64::MAX, |before| before.0.saturating_sub(1)).min(self.published.head().0);
        Some(Seq(last)).filter(|last| *last >= self.published.floor() && *last > Seq(0))
    }

    /// The position after the removed ones around `seq`.
    fn after_gone(&self, seq: Seq) -> Result<Seq, EventLogError> {
        Ok(self.store.gone_at(seq)?.map_or(seq, |(_, gone)| gone.last).next())
    }

    /// The position before the removed ones around `seq`.
    fn before_gone(&self, seq: Seq) -> Result<Option<Seq>, EventLogError> {
        Ok(self.last_before(Some(self.store.gone_at(seq)?.map_or(seq, |(first, _)| first))))
    }

    fn facts(&self, walk: &mut Walk<'_>, seq: Seq) -> Result<Option<Facts>, EventLogError> {
        if seq < self.published.floor() || seq > self.published.head() {
            return Ok(None);
        }
        let found = walk.facts(seq)?;
        // With a capacity it may have been dropped just now.
        if found.is_none() && self.store.engine.capacity().is_none() {
            self.store.expect_gone(seq)?;
        }
        Ok(found)
    }

    /// The whole event; none when it was removed meanwhile.
    fn stored(&self, walk: &mut Walk<'_>, mut facts: Facts) -> Result<Option<Stored>, EventLogError> {
        match self.store.payload(&facts) {
            Ok(data) => facts.event.data = data,
            Err(_) if Walk::new(&self.store).facts(facts.event.seq)?.is_none() => return Ok(None),
            Err(error) => return Err(error),
        }
        let deliveries = walk.deliveries(&facts)?;
        Ok(deliveries.map(|deliveries| Stored { event: facts.event, deliveries }))
    }
}

fn without_data(mut event: Event) -> Event {
    event.data = bytes::Bytes::new();
    event
}
