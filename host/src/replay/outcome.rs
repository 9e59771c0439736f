//! What became of the deliveries that a replay has added.

use std::time::Duration;

use serde::Serialize;

use super::count::scan;
use super::error::ReplayError;
use super::record::Replay;
use crate::event::{Delivery, DeliveryState, Seq, Timestamp};
use crate::eventlog::{DeliverySelection, EventLog, Order, Query, Range, ScanLimits};

/// How long a look at them may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The last deliveries are committed after the end that is stored with them: how long that may take.
const COMMIT: Duration = Duration::from_secs(10);

/// Deliveries that a replay has added, by how far they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Without an attempt.
    pub queued: u64,
    pub retrying: u64,
    pub delivered: u64,
    pub dead: u64,
}

impl Outcomes {
    fn add(&mut self, delivery: &Delivery) {
        match delivery.state {
            DeliveryState::Pending => self.queued += 1,
            DeliveryState::Retrying => self.retrying += 1,
            DeliveryState::Delivered => self.delivered += 1,
            DeliveryState::Dead | DeliveryState::Replayed => self.dead += 1,
        }
    }

    /// Looks through the events of the replay; `None` if that takes too long.
    pub(super) async fn of(log: &EventLog, replay: &Replay) -> Result<Option<Self>, ReplayError> {
        match tokio::time::timeout(LIMIT, Self::count(log, replay)).await {
            Ok(counted) => counted.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn count(log: &EventLog, replay: &Replay) -> Result<Self, ReplayError> {
        let selection = DeliverySelection { agent: replay.filter.agent.clone(), ..DeliverySelection::default() };
        let query =
            Query { events: replay.filter.events.clone(), deliveries: Some(selection.clone()), ..Query::default() };
        let (mut outcomes, mut from) = (Self::default(), Some(Seq(1)));
        while let Some(first) = from {
            let range = Range { first, last: replay.last, order: Order::OldestFirst };
            let page = scan(log, query.clone(), range, ScanLimits::items(ScanLimits::PAGE)).await?;
            let added = page.deliveries(&selection).filter(|(_, delivery, _)| is_of(replay, delivery));
            added.for_each(|(_, delivery, _)| outcomes.add(delivery));
            from = page.next;
        }
        Ok(outcomes)
    }
}

/// Whether the replay has added the delivery: somebody else's, and those at other times, are not its own.
fn is_of(replay: &Replay, delivery: &Delivery) -> bool {
    let until = replay.ended_at.unwrap_or_else(Timestamp::now).after(COMMIT);
    delivery.replayed_by.as_deref() == Some(&*replay.by) && (replay.created_at..=until).contains(&delivery.created_at)
}
