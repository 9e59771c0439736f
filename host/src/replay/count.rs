//! What a replay would redeliver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::error::ReplayError;
use super::settings::Rules;
use crate::event::{AgentName, ChannelName, Seq};
use crate::eventlog::{DeliveryFilter, DeliveryStage, EventLog, EventLogError, Order, Page, Query, Range, ScanLimits};

/// How long a caller waits for another one's count.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a count may take: callers wait for a minute.
const LIMIT: Duration = Duration::from_secs(45);

/// What a replay would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Deliveries that would be redelivered.
    pub matched: u64,
    pub by_agent: BTreeMap<AgentName, u64>,
    pub by_channel: BTreeMap<ChannelName, u64>,
    /// Deliveries that would be left alone, because their agent is not configured any more.
    pub skipped: u64,
}

/// Counts for one caller at a time: it reads the whole log.
pub(super) struct Counter {
    log: EventLog,
    rules: Arc<ArcSwap<Rules>>,
    turn: Mutex<()>,
}

impl Counter {
    pub(super) fn new(log: EventLog, rules: Arc<ArcSwap<Rules>>) -> Self {
        Self { log, rules, turn: Mutex::default() }
    }

    /// Counts what `filter` matches up to the event at `last`.
    pub(super) async fn count(&self, filter: &DeliveryFilter, last: Seq) -> Result<Count, ReplayError> {
        let turn = tokio::time::timeout(PATIENCE, self.turn.lock()).await;
        let _turn = turn.map_err(|_| ReplayError::Busy)?;
        let counted = tokio::time::timeout(LIMIT, self.count_all(filter, last)).await;
        counted.map_err(|_| ReplayError::TooSlow { within: LIMIT })?
    }

    async fn count_all(&self, filter: &DeliveryFilter, last: Seq) -> Result<Count, ReplayError> {
        let mut count = Count::default();
        let query = filter.query(DeliveryStage::Repeatable);
        let selection = query.deliveries.clone().unwrap_or_default();
        let rules = self.rules.load_full();
        let mut from = Some(Seq(1));
        while let Some(first) = from {
            let range = Range { first, last, order: Order::OldestFirst };
            let page = scan(&self.log, query.clone(), range, ScanLimits::items(ScanLimits::PAGE)).await?;
            for (_, delivery, stored) in page.deliveries(&selection) {
                if rules.agents.contains(&delivery.agent) {
                    count.matched += 1;
                    *count.by_agent.entry(delivery.agent.clone()).or_default() += 1;
                    *count.by_channel.entry(stored.event.channel.clone()).or_default() += 1;
                } else {
                    count.skipped += 1;
                }
            }
            from = page.next;
        }
        Ok(count)
    }
}

/// Scans on a thread that may wait for the disk.
pub(super) async fn scan(
    log: &EventLog,
    query: Query,
    range: Range,
    limits: ScanLimits,
) -> Result<Page, EventLogError> {
    let log = log.clone();
    let read = tokio::task::spawn_blocking(move || log.scan(&query, range, limits));
    read.await.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
}
