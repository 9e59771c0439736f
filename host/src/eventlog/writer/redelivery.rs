//! Redeliveries within a commit.

use std::collections::HashSet;

use super::commit::{CommitBuilder, News};
use crate::event::{Delivery, DeliveryId, Recipient, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::batch::{NewDelivery, Redelivery, RedeliveryTarget};
use crate::eventlog::layout::reader::EventCursor;
use crate::eventlog::query::{DeliverySelection, DeliveryStage};

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
        match header.filter(|header| self.state.holds(event.seq) && header.event.id == event.id) {
            None => Err(EventLogError::NotFound),
            // Also after a release: its copy has the deliveries then.
            Some(header) if header.event.quarantine.is_some() => {
                Err(EventLogError::Conflict(format!("event {}, which was put into quarantine", event.seq)))
            }
            Some(header) if header.event.repeat_of.is_some() => {
                Err(EventLogError::Conflict(format!("event {}, which is a repetition", event.seq)))
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn redeliver(
        &mut self,
        redelivery: Redelivery,
        recipients: Vec<Recipient>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, EventLogError> {
        let Redelivery { event, by, .. } = redelivery;
        let mut added = Vec::with_capacity(recipients.len());
        self.tell_early(event.seq, now);
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
