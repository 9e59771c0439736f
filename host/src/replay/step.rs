//! One step of a replay: the next deliveries to repeat, oldest event first, and how far the replay has come then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::record::Replay;
use crate::event::{AgentName, DeliveryId, Event, Seq};
use crate::eventlog::{
    DeliverySelection, DeliveryStage, Order, Page, Query, Range, Redelivery, RedeliveryTarget, ScanLimits,
};

/// Bytes of the payloads of one step; a larger event is a step by itself.
const BYTES: usize = 4 << 20;

/// What to scan for the next step of `replay`, of at most `limit` deliveries.
pub(super) fn scan_of(replay: &Replay, limit: usize) -> (Query, Range, ScanLimits) {
    let query = Query { payloads: true, ..replay.filter.query(DeliveryStage::Repeatable) };
    let range = Range { first: replay.next, last: replay.last, order: Order::OldestFirst };
    (query, range, ScanLimits { bytes: BYTES, ..ScanLimits::items(limit) })
}

/// Whole events, the oldest first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    items: Vec<Item>,
    /// Where the next step begins; `None` at the end.
    pub(super) next: Option<Seq>,
}

#[derive(Debug, PartialEq, Eq)]
struct Item {
    id: DeliveryId,
    agent: AgentName,
    event: Arc<Event>,
}

impl Step {
    /// What was found with `selection`.
    pub(super) fn of(page: Page, selection: &DeliverySelection) -> Self {
        let Page { items, next, .. } = page;
        let items = items.into_iter().flat_map(|stored| {
            let (seq, event) = (stored.event.seq, Arc::new(stored.event));
            let matching = selection.matching(event.subject.as_deref(), &stored.deliveries);
            let item = |(index, delivery): (u32, &crate::event::Delivery)| Item {
                id: DeliveryId { seq, index },
                agent: delivery.agent.clone(),
                event: Arc::clone(&event),
            };
            matching.map(item).collect::<Vec<_>>()
        });
        Self { items: items.collect(), next }
    }

    /// Whether any delivery is to one of `agents`.
    pub(super) fn concerns(&self, agents: &BTreeSet<AgentName>) -> bool {
        self.items.iter().any(|item| agents.contains(&item.agent))
    }

    /// Leaves out the events from the first one on that would have more than `limit` open at one of `agents`. Returns
    /// whether anything is left.
    pub(super) fn fit(&mut self, agents: &BTreeSet<AgentName>, open: &BTreeMap<AgentName, u64>, limit: u64) -> bool {
        let mut open = open.clone();
        let too_many = self.items.iter().position(|item| {
            let count = open.entry(item.agent.clone()).or_default();
            *count += 1;
            *count > limit && agents.contains(&item.agent)
        });
        match too_many.map(|index| self.items[index].id.seq) {
            None => true,
            Some(seq) if seq == self.items[0].id.seq => false,
            Some(seq) => {
                self.items.retain(|item| item.id.seq < seq);
                self.next = Some(seq);
                true
            }
        }
    }

    /// The replay after the step, and the redeliveries that belong to it: those to `agents`.
    pub(super) fn apply(self, replay: Replay, agents: &BTreeSet<AgentName>) -> (Replay, Vec<Redelivery>) {
        let found = self.items.len();
        let known = self.items.into_iter().filter(|item| agents.contains(&item.agent));
        let repeat = |Item { id, event, .. }| {
            let target = RedeliveryTarget::Repeat { index: id.index, state: replay.filter.state };
            Redelivery { event, target, by: replay.by.clone() }
        };
        let redeliveries: Vec<_> = known.map(repeat).collect();
        let (replayed, skipped) = (redeliveries.len() as u64, (found - redeliveries.len()) as u64);
        (replay.stepped(replayed, skipped, self.next), redeliveries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Delivery, DeliveryState, Priority, Recipient, RequestId, Timestamp};
    use crate::eventlog::Stored;

    fn stored(seq: u64, agents: &[&str]) -> Stored {
        let now = Timestamp::from_millis(0);
        let event = Event {
            id: crate::event::EventId::new(now, Seq(seq), 0),
            seq: Seq(seq),
            channel: "github".parse().unwrap(),
            plugin: "github".parse().unwrap(),
            kind: "github.push".to_owned(),
            subject: None,
            time: now,
            verified_at: None,
            stored_at: now,
            content_type: String::new(),
            data: bytes::Bytes::new(),
            attributes: Vec::new(),
            headers: Vec::new(),
            request_id: RequestId::new(),
            delivery_id: None,
            traceparent: None,
            quarantine: None,
            repeat_of: None,
        };
        let delivery = |agent: &&str| Delivery {
            state: DeliveryState::Dead,
            ..Delivery::new(Recipient { agent: agent.parse().unwrap(), priority: Priority::Normal }, now)
        };
        Stored { event, deliveries: agents.iter().map(delivery).collect(), withheld: None, size: 0 }
    }

    fn step() -> Step {
        let items = vec![stored(1, &["a", "b"]), stored(2, &["b", "gone"]), stored(3, &["b"])];
        Step::of(Page { items, next: Some(Seq(9)), ..Page::default() }, &DeliverySelection::default())
    }

    fn shape(step: &Step) -> (Vec<u64>, u64) {
        (step.items.iter().map(|item| item.id.seq.0).collect(), step.next.unwrap().0)
    }

    #[test]
    fn a_step_waits_while_too_many_are_open() {
        let agents = ["a", "b"].into_iter().map(|name| name.parse().unwrap()).collect();
        for (open, fits, expected) in
            [(7, true, (vec![1, 1, 2, 2, 3], 9)), (9, true, (vec![1, 1], 2)), (10, false, (vec![1, 1, 2, 2, 3], 9))]
        {
            let mut step = step();
            let open = BTreeMap::from([("b".parse().unwrap(), open), ("gone".parse().unwrap(), 99)]);

            assert_eq!(step.fit(&agents, &open, 10), fits);

            assert_eq!(shape(&step), expected);
        }
    }

    #[test]
    fn deliveries_to_agents_that_are_gone_are_skipped() {
        let agents = ["a", "b"].into_iter().map(|name| name.parse().unwrap()).collect();
        let replay = Replay::new(Default::default(), "ann".to_owned(), 5, 5, Seq(1), Seq(20));

        let (replay, redeliveries) = step().apply(replay, &agents);

        assert_eq!((replay.replayed, replay.skipped, replay.next), (4, 1, Seq(9)));
        assert_eq!(redeliveries.len(), 4);
    }
}
