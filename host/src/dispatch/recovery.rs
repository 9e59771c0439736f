//! The scan of the log for agents that start: finds the first open delivery of each.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::{AgentName, Level, Seq};
use crate::eventlog::{DeliverySelection, EventLog, EventLogError, Page, Query, Range, ScanLimits};

use super::agent::Agent;
use super::context::Agents;

/// How long to wait before the log is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The progress of the scan. One pass serves all agents, and they start with what it has found so far.
pub(super) struct Recovery {
    /// The scan has passed all positions before this one.
    position: AtomicU64,
}

impl Recovery {
    pub(super) fn new() -> Self {
        Self { position: AtomicU64::new(0) }
    }

    /// Agents may read the positions before this one.
    pub(super) fn position(&self) -> Seq {
        Seq(self.position.load(Ordering::Acquire))
    }

    /// Scans the log once, and sets where each of the agents that `start` is behind. `configured` are all agents.
    pub(super) async fn run(
        self: Arc<Self>,
        start: Vec<Arc<Agent>>,
        configured: Arc<Agents>,
        log: EventLog,
        stop: CancellationToken,
    ) {
        let mut told = HashSet::new();
        let mut strangers = BTreeMap::<AgentName, u64>::new();
        let mut from = Seq(0);
        let open = DeliverySelection::open();
        loop {
            let page = tokio::select! {
                () = stop.cancelled() => return,
                page = read(&log, from) => page,
            };
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!("Open deliveries cannot be read now: {error}");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(AGAIN) => continue,
                    }
                }
            };
            for (id, delivery, _) in page.deliveries(&open) {
                let level = Level::of(delivery);
                match start.iter().find(|agent| agent.name == delivery.agent) {
                    Some(agent) if told.insert((&agent.name, level)) => agent.inbox.fall_behind(level, id.seq),
                    Some(_) => {}
                    None if configured.contains_key(&delivery.agent) => {}
                    None => *strangers.entry(delivery.agent.clone()).or_default() += 1,
                }
            }
            let position = page.next.map_or(u64::MAX, |next| next.0);
            self.position.store(position, Ordering::Release);
            start.iter().filter(|agent| agent.inbox.is_behind()).for_each(|agent| agent.inbox.lag.notify_one());
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        for (agent, deliveries) in strangers {
            tracing::warn!(
                %agent,
                deliveries,
                "Deliveries wait for an agent that is not configured, and keep their events; \
                 if it does not come back, `gateway deliveries cancel --agent {agent}` ends them"
            );
        }
    }
}

async fn read(log: &EventLog, from: Seq) -> Result<Page, EventLogError> {
    let log = log.clone();
    let read = tokio::task::spawn_blocking(move || {
        let query = Query { deliveries: Some(DeliverySelection::open()), ..Query::default() };
        log.scan(&query, Range::up_from(from), ScanLimits::items(ScanLimits::PAGE))
    });
    read.await.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
}
