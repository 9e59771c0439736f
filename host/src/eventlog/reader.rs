use std::sync::Arc;

use super::published::Published;
use super::query::{DeliveryFilter, DeliveryPage, Filter, ListedDelivery, OpenDeliveries, Page, Stored};
use super::record::{Facts, corrupt};
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
            Some(facts) => self.stored(&mut walk, facts).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn find(&self, id: EventId) -> Result<Option<Stored>, EventLogError> {
        let mut walk = Walk::new(&self.store);
        match self.facts(&mut walk, id.seq())?.filter(|facts| facts.event.id == id) {
            Some(facts) => self.stored(&mut walk, facts).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn read(&self, after: Seq, limit: usize) -> Result<Vec<Stored>, EventLogError> {
        let mut walk = Walk::new(&self.store);
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        let first = self.published.floor().0.max(after.0.saturating_add(1));
        for seq in (first..=self.published.head().0).map(Seq) {
            if items.len() >= limit {
                break;
            }
            let Some(facts) = self.facts(&mut walk, seq)? else { continue };
            bytes =
                bytes.saturating_add(facts.event.data.len().max(usize::try_from(facts.apart).unwrap_or(usize::MAX)));
            if bytes > Self::READ_BYTES && !items.is_empty() {
                break;
            }
            items.push(self.stored(&mut walk, facts)?);
        }
        Ok(items)
    }

    pub(crate) fn list(&self, filter: &Filter, before: Option<Seq>, limit: usize) -> Result<Page, EventLogError> {
        let mut walk = Walk::new(&self.store);
        let mut items = Vec::new();
        for (looked_at, seq) in self.downwards(before).enumerate() {
            if items.len() >= limit || looked_at >= Self::LOOKED_AT {
                return Ok(Page { items, next: Some(seq.next()) });
            }
            let Some(facts) = self.facts(&mut walk, seq)? else { continue };
            if filter.events.takes(&facts.event) {
                let deliveries = walk.deliveries(&facts)?;
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
        let from = before.map(|before| if before.index == 0 { before.seq } else { before.seq.next() });
        for (looked_at, seq) in self.downwards(from).enumerate() {
            if looked_at >= Self::LOOKED_AT {
                page.next = Some(DeliveryId { seq: seq.next(), index: 0 });
                return Ok(page);
            }
            let Some(facts) = self.facts(&mut walk, seq)?.filter(|facts| filter.events.takes(&facts.event)) else {
                continue;
            };
            let deliveries: Vec<(u32, Delivery)> = (0..).zip(walk.deliveries(&facts)?).collect();
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
        let below = reopened.range(first..settled.max(first)).copied().take_while(|seq| *seq < end);
        let above = (first.max(settled).0..end.0).map(Seq);
        for (looked_at, seq) in below.chain(above).enumerate() {
            if open.items.len() >= limit || looked_at >= Self::LOOKED_AT {
                open.next = Some(seq);
                break;
            }
            let Some(facts) = self.facts(&mut walk, seq)? else { continue };
            for (index, delivery) in (0..).zip(walk.deliveries(&facts)?) {
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
        let first = from.max(self.published.floor()).0;
        for (looked_at, seq) in (first..=to.0).map(Seq).enumerate() {
            if found.items.len() >= limit || looked_at >= Self::LOOKED_AT {
                found.next = Some(seq);
                break;
            }
            let Some(facts) = self.facts(&mut walk, seq)?.filter(|facts| filter.events.takes(&facts.event)) else {
                continue;
            };
            let deliveries = walk.deliveries(&facts)?;
            let bytes = facts.event.data.len().max(usize::try_from(facts.apart).unwrap_or(usize::MAX));
            for (index, delivery) in replayable(&deliveries, filter) {
                let (id, channel) = (DeliveryId { seq, index }, facts.event.channel.clone());
                found.items.push(Candidate { id, agent: delivery.agent.clone(), channel, bytes });
            }
        }
        Ok(found)
    }

    /// The positions below `before`, the highest first.
    fn downwards(&self, before: Option<Seq>) -> impl Iterator<Item = Seq> + use<> {
        let last = before.map_or(u64::MAX, |before| before.0.saturating_sub(1)).min(self.published.head().0);
        (self.published.floor().0..=last).rev().map(Seq)
    }

    fn facts(&self, walk: &mut Walk<'_>, seq: Seq) -> Result<Option<Facts>, EventLogError> {
        if seq < self.published.floor() || seq > self.published.head() {
            return Ok(None);
        }
        match walk.facts(seq)? {
            // With a capacity it may have been dropped just now.
            None if self.store.engine.capacity().is_none() => {
                Err(corrupt(&key::block(seq), format!("event {seq} is missing")))
            }
            found => Ok(found),
        }
    }

    fn stored(&self, walk: &mut Walk<'_>, mut facts: Facts) -> Result<Stored, EventLogError> {
        facts.event.data = self.store.payload(&facts)?;
        let deliveries = walk.deliveries(&facts)?;
        Ok(Stored { event: facts.event, deliveries })
    }
}

fn without_data(mut event: Event) -> Event {
    event.data = bytes::Bytes::new();
    event
}
