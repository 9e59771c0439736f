use std::collections::BTreeMap;
use std::time::Duration;

use super::{Inner, ReplayError};
use crate::event::{AgentName, ChannelName, Seq};
use crate::eventlog::{DeliveryFilter, EventLog, EventLogError, Replayable};

/// How long a caller waits for another one's count.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a count may take: callers wait for a minute.
const LIMIT: Duration = Duration::from_secs(45);

/// What a replay would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Deliveries that would be made again.
    pub matched: u64,
    /// The same by agent.
    pub by_agent: BTreeMap<AgentName, u64>,
    /// The same by channel.
    pub by_channel: BTreeMap<ChannelName, u64>,
    /// Deliveries that would be left alone, because their agent is not configured any more.
    pub skipped: u64,
}

impl Inner {
    /// Counts what `filter` takes up to the event at `last`.
    pub(super) async fn count(&self, filter: &DeliveryFilter, last: Seq) -> Result<Count, ReplayError> {
        let turn = tokio::time::timeout(PATIENCE, self.counting.lock()).await;
        let _turn = turn.map_err(|_| ReplayError::Busy)?;
        let counted = tokio::time::timeout(LIMIT, self.count_all(filter, last)).await;
        counted.map_err(|_| ReplayError::TooSlow { within: LIMIT })?
    }

    async fn count_all(&self, filter: &DeliveryFilter, last: Seq) -> Result<Count, ReplayError> {
        let mut count = Count::default();
        let mut from = Some(Seq(1));
        while let Some(next) = from {
            let found = find(&self.log, filter, next, last, usize::MAX).await?;
            for candidate in found.items {
                if self.agents.contains(&candidate.agent) {
                    count.matched += 1;
                    *count.by_agent.entry(candidate.agent).or_default() += 1;
                    *count.by_channel.entry(candidate.channel).or_default() += 1;
                } else {
                    count.skipped += 1;
                }
            }
            from = found.next;
        }
        Ok(count)
    }
}

/// Reads on a thread that may wait for the disk.
pub(super) async fn find(
    log: &EventLog,
    filter: &DeliveryFilter,
    from: Seq,
    last: Seq,
    limit: usize,
) -> Result<Replayable, EventLogError> {
    let (log, filter) = (log.clone(), filter.clone());
    let read = tokio::task::spawn_blocking(move || log.replayable(&filter, from, last, limit));
    read.await.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
}
