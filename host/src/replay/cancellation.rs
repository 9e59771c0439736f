//! Open deliveries to an agent that left the configuration: nothing will ever deliver them, so an operator can end them.
//!
//! A cancelled delivery is dead. Its event is then subject to retention, and can be replayed once the agent is back.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::count::scan;
use super::error::ReplayError;
use crate::event::{AgentName, Attempt, ChannelName, Delivery, Outcome, Seq, Timestamp};
use crate::eventlog::{
    Batch, DeliverySelection, DeliveryStage, EndedDelivery, EventLog, FinishedAttempt, Page, Query, Range, ScanLimits,
};

/// How long one request may go on; its caller asks again for the rest.
const LIMIT: Duration = Duration::from_secs(10);

/// What one request has cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    pub deliveries: u64,
    /// Whether there may be more, because the time of the request was over.
    pub more: bool,
}

/// Cancels for one caller at a time, so that no delivery is cancelled twice.
#[derive(Default)]
pub(super) struct Cancellation {
    turn: Mutex<()>,
}

impl Cancellation {
    /// Counts the open deliveries to `agent`.
    pub(super) async fn count(&self, log: &EventLog, agent: &AgentName) -> Result<u64, ReplayError> {
        let (mut count, mut from) = (0, Some(Seq(1)));
        while let Some(first) = from {
            let page = open_page(log, agent, first).await?;
            count += page.deliveries(&open(agent)).count() as u64;
            from = page.next;
        }
        Ok(count)
    }

    /// Cancels open deliveries to `agent`, oldest event first, for the operator `by`.
    pub(super) async fn run(&self, log: &EventLog, agent: &AgentName, by: &str) -> Result<Cancelled, ReplayError> {
        let _turn = self.turn.lock().await;
        let begun = Instant::now();
        let (mut cancelled, mut from) = (Cancelled::default(), Some(Seq(1)));
        while let Some(first) = from {
            if begun.elapsed() > LIMIT {
                cancelled.more = true;
                break;
            }
            let page = open_page(log, agent, first).await?;
            let now = Timestamp::now();
            let attempts: Vec<_> = page
                .deliveries(&open(agent))
                .map(|(delivery, found, _)| FinishedAttempt {
                    delivery,
                    attempt: cancelling(found, by, now),
                    next_attempt_at: None,
                })
                .collect();
            let values = page
                .deliveries(&open(agent))
                .filter(|(_, _, stored)| stored.event.channel.as_str() == ChannelName::ALERTS)
                .map(|(id, ..)| EndedDelivery { id, is_accepted: false, said: None }.kept())
                .collect();
            cancelled.deliveries += attempts.len() as u64;
            log.commit(Batch { attempts, values, ..Batch::default() }).await?;
            from = page.next;
        }
        Ok(cancelled)
    }
}

fn open(agent: &AgentName) -> DeliverySelection {
    DeliverySelection { agent: Some(agent.clone()), stage: DeliveryStage::Open, ..DeliverySelection::default() }
}

/// The deliveries of one commit.
async fn open_page(log: &EventLog, agent: &AgentName, from: Seq) -> Result<Page, ReplayError> {
    let query = Query { deliveries: Some(open(agent)), ..Query::default() };
    Ok(scan(log, query, Range::up_from(from), ScanLimits::items(ScanLimits::PAGE)).await?)
}

/// The end of a delivery that is not attempted any more. It counts as no attempt.
fn cancelling(delivery: &Delivery, by: &str, now: Timestamp) -> Attempt {
    Attempt {
        number: delivery.attempts_made,
        term: Attempt::FIRST_TERM,
        started_at: now,
        ended_at: now,
        outcome: Outcome::Dead,
        code: Attempt::CANCELLED.to_owned(),
        message: format!("cancelled by {by}"),
    }
}
