//! Redeliveries within a commit, and how many of them are open.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::commit::{CommitBuilder, News};
use crate::event::{AgentName, Delivery, DeliveryId, Recipient, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::batch::{NewDelivery, Redelivery, RedeliveryTarget};
use crate::eventlog::engine::Op;
use crate::eventlog::layout::meta::OPEN_REPLAYS;
use crate::eventlog::layout::reader::{EventCursor, Store};
use crate::eventlog::layout::{key, record};
use crate::eventlog::query::{DeliverySelection, DeliveryStage};

/// How many redeliveries are not settled, by agent. Readers get it as it is, so it is replaced while somebody has it.
#[derive(Default)]
pub(super) struct OpenRedeliveries {
    by_agent: Arc<BTreeMap<AgentName, u64>>,
    is_changed: bool,
}

impl OpenRedeliveries {
    pub(super) fn load(store: &Store) -> Result<Self, EventLogError> {
        let by_agent = store.read(&key::meta(OPEN_REPLAYS))?.unwrap_or_default();
        Ok(Self { by_agent: Arc::new(by_agent), is_changed: false })
    }

    pub(super) fn open(&self) -> Arc<BTreeMap<AgentName, u64>> {
        Arc::clone(&self.by_agent)
    }

    /// Notes to whom redeliveries of an event were open before and after a change.
    pub(super) fn note(&mut self, before: Vec<AgentName>, after: Vec<AgentName>) {
        if before == after {
            return;
        }
        let open = Arc::make_mut(&mut self.by_agent);
        for agent in after {
            *open.entry(agent).or_default() += 1;
        }
        for agent in before {
            if let Some(count) = open.get_mut(&agent) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&agent);
                }
            }
        }
        self.is_changed = true;
    }

    pub(super) fn write(&mut self, ops: &mut Vec<Op>) {
        if std::mem::take(&mut self.is_changed) {
            let key = key::meta(OPEN_REPLAYS);
            let value = record::encode(&key, &*self.by_agent);
            ops.push(Op::Put(key, value));
        }
    }
}

impl CommitBuilder {
    /// Who gets each of `redeliveries`.
    pub(super) fn check_redeliveries(
        &mut self,
        redeliveries: &[Redelivery],
    ) -> Result<Vec<Vec<Recipient>>, EventLogError> {
        let mut repeated = HashSet::new();
        let recipients = redeliveries.iter().map(|redelivery| {
            let seq = redelivery.event.seq;
            match &redelivery.target {
                RedeliveryTarget::Recipients(recipients) => {
                    self.check_is_held(redelivery)?;
                    Ok(recipients.clone())
                }
                RedeliveryTarget::Repeat { index, state } => {
                    let slot = self.slot(seq)?;
                    let deliveries = slot.map(|slot| slot.deliveries.as_slice()).unwrap_or_default();
                    let Some(delivery) = deliveries.get(*index as usize) else { return Err(EventLogError::NotFound) };
                    let repeatable = DeliverySelection {
                        state: *state,
                        stage: DeliveryStage::Repeatable,
                        ..DeliverySelection::default()
                    };
                    let is_repeatable = repeatable.matching(None, deliveries).any(|(place, _)| place == *index);
                    if !is_repeatable || !repeated.insert((seq, delivery.agent.clone())) {
                        return Err(EventLogError::Conflict(format!("delivery {seq}.{index}")));
                    }
                    Ok(vec![Recipient { agent: delivery.agent.clone(), priority: delivery.priority }])
                }
            }
        });
        recipients.collect()
    }

    fn check_is_held(&self, redelivery: &Redelivery) -> Result<(), EventLogError> {
        let event = &redelivery.event;
        let header = EventCursor::new(&self.store).header(event.seq)?;
        let is_held = self.state.holds(event.seq) && header.is_some_and(|header| header.event.id == event.id);
        if is_held { Ok(()) } else { Err(EventLogError::NotFound) }
    }

    pub(super) fn redeliver(
        &mut self,
        redelivery: Redelivery,
        recipients: Vec<Recipient>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, EventLogError> {
        let Redelivery { event, by, .. } = redelivery;
        let mut added = Vec::with_capacity(recipients.len());
        self.change(event.seq, |deliveries| {
            for recipient in recipients {
                let index = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
                let Recipient { agent, priority } = recipient.clone();
                deliveries.push(Delivery { replayed_by: Some(by.clone()), ..Delivery::new(recipient, now) });
                let id = DeliveryId { seq: event.seq, index };
                added.push(NewDelivery { id, agent, priority, replay: true });
            }
        })?;
        let ids = added.iter().map(|new| new.id).collect();
        self.commit.news.push(News { event, deliveries: added, is_appended: false });
        Ok(ids)
    }
}
