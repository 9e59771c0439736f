//! `/admin/deliveries`

use std::cmp::Reverse;

use serde::Serialize;

use super::query::{BadParameter, DeliveryText, PAGE, each};
use super::read::read;
use crate::dispatch::Hold;
use crate::event::{
    AgentName, ChannelName, Delivery, DeliveryId, DeliveryState, Event, EventId, Priority, Seq, Timestamp,
};
use crate::eventlog::{DeliveryFilter, DeliveryStage, EventLog, EventLogError, Order, Range, ScanLimits, Stored};
use crate::http::answer::Response;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[Route::get("/admin/deliveries", |request| Box::pin(list(request))).with_query()];

/// Which deliveries are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveriesQuery {
    pub limit: usize,
    /// Deliveries before this one.
    pub before: Option<DeliveryId>,
    pub filter: DeliveryFilter,
}

/// `GET /admin/deliveries`.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveriesPage {
    /// Newest event first.
    pub deliveries: Vec<DeliveryRow>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRow {
    pub id: String,
    pub event: EventId,
    pub seq: Seq,
    pub channel: ChannelName,
    pub kind: String,
    pub subject: Option<String>,
    pub agent: AgentName,
    pub state: DeliveryState,
    pub priority: Priority,
    /// Who asked for the replay; `None` for a delivery that came with the event.
    pub replayed_by: Option<String>,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
    /// What holds it besides, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Hold>,
    /// Why the latest attempt failed.
    pub code: Option<String>,
    pub message: Option<String>,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = DeliveriesQuery::parse(request.query())?;
    let dispatch = request.shared.services.dispatch.clone();
    read(request.shared, move |log| page(log, &query, &|agent| dispatch.hold(agent))).await
}

impl Default for DeliveriesQuery {
    fn default() -> Self {
        Self { limit: PAGE, before: None, filter: DeliveryFilter::default() }
    }
}

impl DeliveriesQuery {
    /// Reads `limit`, `cursor`, `channel`, `kind`, `state` (or `status`, the same), `agent`, `since` and `until`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self::default();
        each(query, |parameter| {
            match &*parameter.name {
                "limit" => parsed.limit = parameter.limit()?,
                "cursor" => parsed.before = Some(parameter.delivery()?),
                _ if parameter.filter(&mut parsed.filter)? => {}
                _ => {
                    return Err(
                        parameter.bad("`limit`, `cursor`, `channel`, `kind`, `state`, `agent`, `since` or `until`")
                    );
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

/// A page of deliveries; `hold` knows what holds those of an agent. May wait for the disk.
///
/// # Errors
/// Those of [`EventLog::scan`].
pub fn page(
    log: &EventLog,
    query: &DeliveriesQuery,
    hold: &dyn Fn(&AgentName) -> Option<Hold>,
) -> Result<DeliveriesPage, EventLogError> {
    let DeliveriesQuery { before, limit, ref filter } = *query;
    // The event of the cursor may have more deliveries before it.
    let last = before.map_or(Seq(u64::MAX), |id| if id.index == 0 { Seq(id.seq.0.saturating_sub(1)) } else { id.seq });
    let range = Range { first: Seq(1), last, order: Order::NewestFirst };
    let query = filter.query(DeliveryStage::Any);
    let scanned = log.scan(&query, range, ScanLimits::items(limit))?;
    let selection = query.deliveries.unwrap_or_default();
    let mut found: Vec<_> =
        scanned.deliveries(&selection).filter(|(id, ..)| before.is_none_or(|before| *id < before)).collect();
    found.sort_by_key(|(id, ..)| Reverse(*id));
    let is_cut = found.len() > limit;
    found.truncate(limit);
    let next = if is_cut {
        found.last().map(|(id, ..)| *id)
    } else {
        scanned.next.map(|seq| DeliveryId { seq: seq.next(), index: 0 })
    };
    let row = |(id, delivery, stored): (DeliveryId, &Delivery, &Stored)| DeliveryRow {
        state: Delivery::state_at(&stored.deliveries, id.index as usize).unwrap_or(delivery.state),
        held: Some(&delivery.agent).filter(|_| delivery.state.is_open()).and_then(hold),
        ..row(id, delivery, &stored.event)
    };
    let deliveries = found.into_iter().map(row).collect();
    Ok(DeliveriesPage { deliveries, next: next.map(|id| DeliveryText(id).to_string()) })
}

fn row(id: DeliveryId, delivery: &Delivery, event: &Event) -> DeliveryRow {
    let failure = delivery.attempts.last().filter(|attempt| !attempt.code.is_empty());
    DeliveryRow {
        id: DeliveryText(id).to_string(),
        event: event.id,
        seq: id.seq,
        channel: event.channel.clone(),
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        state: delivery.state,
        replayed_by: delivery.replayed_by.clone(),
        priority: delivery.priority,
        attempts: delivery.attempts_made,
        created_at: delivery.created_at,
        next_attempt_at: delivery.next_attempt_at,
        held: None,
        code: failure.map(|attempt| attempt.code.clone()),
        message: failure.map(|attempt| attempt.message.clone()),
        agent: delivery.agent.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::Selection;

    #[test]
    fn every_parameter_is_understood() {
        let events = Selection {
            channel: Some("github".parse().unwrap()),
            kind: Some("github.push*".to_owned()),
            subject: None,
            since: Some(Timestamp::from_millis(1_700_000_000_000)),
            until: Some(Timestamp::from_millis(1_700_000_001_500)),
        };
        let expected = DeliveriesQuery {
            limit: 500,
            before: Some(DeliveryId { seq: Seq(4), index: 2 }),
            filter: DeliveryFilter {
                events,
                state: Some(DeliveryState::Retrying),
                agent: Some("stub".parse().unwrap()),
            },
        };
        for state in ["state", "status"] {
            let text = format!(
                "limit=500&cursor=4.2&{state}=retrying&agent=stub&channel=github&kind=github.push%2A\
                 &since=2023-11-14T22:13:20Z&until=2023-11-14T22:13:21.5%2B00:00"
            );
            assert_eq!(DeliveriesQuery::parse(&text).unwrap(), expected);
        }
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (query, name) in [("cursor=4", "cursor"), ("state=done", "state"), ("state=dead&status=dead", "status")] {
            assert_eq!(DeliveriesQuery::parse(query).unwrap_err().name, name);
        }
    }
}
