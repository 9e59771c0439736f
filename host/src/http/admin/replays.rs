//! `/admin/replays`, and what begins a replay: of one event, of one delivery, of all deliveries that match.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::StatusCode;
use serde::Serialize;

use super::query::{BadParameter, DeliveryText, NAME, Parameter, each};
use super::read::{blocking, event_name, only};
use crate::event::{AgentName, ChannelName, DeliveryId, DeliveryState, EventId, Seq, Timestamp};
use crate::eventlog::{Batch, DeliveryFilter, Redelivery, RedeliveryTarget, Selection, Stored};
use crate::http::answer::{Response, with_json};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::replay::{Count, Outcomes, Replay, ReplayError, ReplayId, ReplayState, Settings};

/// Who asked, when the query does not say.
pub(super) const BY: &str = "admin API";
/// The longest name of who asked, in characters.
const MAX_BY: usize = 128;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/admin/events/{id}/replay", |request| Box::pin(replay_event(request))).with_query(),
    Route::post("/admin/deliveries/replay", |request| Box::pin(replay_deliveries(request))).with_query(),
    Route::post("/admin/deliveries/{id}/replay", |request| Box::pin(replay_delivery(request))).with_query(),
    Route::get("/admin/replays", |request| Box::pin(async move { Ok(answer(&request)) })),
    Route::get("/admin/replays/{id}", |request| Box::pin(show(request))),
    Route::post("/admin/replays/{id}/cancel", |request| Box::pin(cancel(request))),
];

/// How one event is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EventReplayQuery {
    /// To this agent; `None` means every agent of its routes.
    agent: Option<AgentName>,
    by: String,
}

/// Which deliveries are replayed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReplayQuery {
    /// Dead deliveries when it names no state.
    filter: DeliveryFilter,
    by: String,
    /// Deliveries in a second; `None` means as configured.
    rate: Option<u32>,
    /// Whether they are only counted.
    dry_run: bool,
}

/// `GET /admin/replays`.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayList {
    /// The latest first.
    pub replays: Vec<ReplayRow>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReplayRow {
    pub id: ReplayId,
    pub state: ReplayState,
    pub by: String,
    pub filter: FilterView,
    pub rate: u32,
    /// Deliveries that matched when it was asked for.
    pub matched: u64,
    /// Deliveries that it has added.
    pub replayed: u64,
    /// Deliveries that it left alone.
    pub skipped: u64,
    /// How far the added deliveries are, for one replay that is asked for; `None` if there are too many events to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Outcomes>,
    /// The next event that it scans.
    pub next: Seq,
    /// The last event that it scans.
    pub last: Seq,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub error: Option<String>,
}

/// Members that are left out do not restrict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilterView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// `POST /admin/deliveries/replay?dry_run=true`.
#[derive(Clone, Debug, Serialize)]
struct DryRun {
    /// Always true.
    pub dry_run: bool,
    pub matched: u64,
    pub by_agent: BTreeMap<AgentName, u64>,
    pub by_channel: BTreeMap<ChannelName, u64>,
    pub skipped: u64,
}

/// The new deliveries of an event.
#[derive(Clone, Debug, Serialize)]
struct Replayed {
    id: EventId,
    deliveries: Vec<String>,
}

async fn replay_event(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let RouteRequest { shared, id, .. } = request;
    let query = EventReplayQuery::parse(request.query())?;
    let name = event_name(id)?;
    let stored = only(blocking(shared, move |log| log.find(&name)).await?, id)?;
    if stored.event.quarantine.is_some() {
        return Err(quarantined().into());
    }
    if let Some(first) = stored.event.repeat_of {
        return Err(repeat(first).into());
    }
    let Stored { event, .. } = stored;
    let known = event.id;
    let mut recipients = shared.services.dispatch.route(&event.facts()).recipients;
    recipients.retain(|recipient| query.agent.as_ref().is_none_or(|only| *only == recipient.agent));
    if recipients.is_empty() {
        return Err(unrouted().into());
    }
    let redelivery =
        Redelivery { event: Arc::new(event), target: RedeliveryTarget::Recipients(recipients), by: query.by.clone() };
    let batch = Batch { redeliveries: vec![redelivery], ..Batch::default() };
    let deliveries = shared.services.log.commit(batch).await?.redelivered.concat();
    tracing::info!(event = %known, by = query.by, deliveries = deliveries.len(), "Event replayed");
    Ok(with_json(StatusCode::ACCEPTED, &Replayed::new(known, &deliveries)))
}

async fn replay_delivery(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let RouteRequest { shared, id, .. } = request;
    let by = parse_by(request.query())?;
    let DeliveryText(known) = id.parse().map_err(|()| unknown_delivery(id))?;
    let DeliveryId { seq, .. } = known;
    let found = blocking(shared, move |log| log.event(seq)).await?;
    let stored = found.ok_or_else(|| unknown_delivery(id))?;
    let event = stored.event.id;
    let new = shared.services.replays.redeliver(stored, known.index, &by).await.map_err(refusal)?;
    Ok(with_json(StatusCode::ACCEPTED, &Replayed::new(event, &[new])))
}

/// Counts the deliveries that match, or begins to replay them.
async fn replay_deliveries(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = ReplayQuery::parse(request.query())?;
    let replays = &request.shared.services.replays;
    if query.dry_run {
        let count = replays.count(&query.filter).await.map_err(refusal)?;
        return Ok(with_json(StatusCode::OK, &dry_run(count)));
    }
    let replay = replays.begin(&query.filter, query.by, query.rate).await.map_err(refusal)?;
    Ok(with_json(StatusCode::ACCEPTED, &row(replay)))
}

fn answer(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &list(request.shared.services.replays.list()))
}

async fn show(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let replays = &request.shared.services.replays;
    let found = replays.find(replay_id(request.id)?).map_err(refusal)?;
    // While it runs its progress is asked for often.
    let outcomes = match found.state {
        ReplayState::Running => None,
        _ => replays.outcomes(&found).await.map_err(refusal)?,
    };
    Ok(with_json(StatusCode::OK, &ReplayRow { outcomes, ..row(found) }))
}

async fn cancel(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let canceled = request.shared.services.replays.cancel(replay_id(request.id)?).await.map_err(refusal)?;
    Ok(with_json(StatusCode::OK, &row(canceled)))
}

fn replay_id(id: &str) -> Result<ReplayId, Refusal> {
    id.parse().map_err(|_| unknown_replay(id).into())
}

pub(super) fn refusal(error: ReplayError) -> Refusal {
    let text = error.to_string();
    let problem = match error {
        ReplayError::Log(error) => return error.into(),
        ReplayError::Busy => {
            HttpProblem::unavailable("overloaded", "Overloaded", "deliveries are being counted, try again later")
        }
        ReplayError::TooSlow { .. } => HttpProblem::unavailable(
            "too_many_deliveries",
            "Too many deliveries",
            "the deliveries could not be counted in time; ask for fewer with `since`, or try again later",
        )
        .internal(text),
        ReplayError::TooMany { .. } => HttpProblem::conflict("too_many_replays", "Too many replays", text),
        ReplayError::Open => HttpProblem::conflict("delivery_open", "Delivery open", text),
        ReplayError::Superseded => HttpProblem::conflict("delivery_superseded", "Delivery superseded", text),
        ReplayError::UnknownAgent(_) => HttpProblem::conflict("unknown_agent", "Unknown agent", text),
        ReplayError::ConfiguredAgent(_) => HttpProblem::conflict("configured_agent", "Configured agent", text),
        ReplayError::Unknown(id) => unknown_replay(&id.to_string()),
        ReplayError::UnknownDelivery => HttpProblem::not_found("unknown_delivery", "Unknown delivery", text),
    };
    problem.into()
}

fn unknown_delivery(id: &str) -> HttpProblem {
    HttpProblem::not_found("unknown_delivery", "Unknown delivery", format!("there is no delivery `{}`", shortened(id)))
}

fn unknown_replay(id: &str) -> HttpProblem {
    HttpProblem::not_found("unknown_replay", "Unknown replay", format!("there is no replay `{}`", shortened(id)))
}

fn quarantined() -> HttpProblem {
    let detail = "the event was put into quarantine: release it, or replay what it was released as";
    HttpProblem::conflict("quarantined", "In quarantine", detail)
}

fn repeat(first: EventId) -> HttpProblem {
    HttpProblem::conflict("repeat", "Repetition", format!("the event repeats `{first}`: replay that one"))
}

fn unrouted() -> HttpProblem {
    HttpProblem::conflict("unrouted", "No route", "the event matches no route any more, so it cannot be replayed")
}

pub fn list(replays: Vec<Replay>) -> ReplayList {
    ReplayList { replays: replays.into_iter().map(row).collect() }
}

fn row(replay: Replay) -> ReplayRow {
    let DeliveryFilter { events: Selection { channel, kind, since, until, .. }, state, agent } = replay.filter;
    ReplayRow {
        id: replay.id,
        state: replay.state,
        by: replay.by,
        filter: FilterView { channel, kind, state, agent, since, until },
        rate: replay.rate,
        matched: replay.total,
        replayed: replay.replayed,
        skipped: replay.skipped,
        outcomes: None,
        next: replay.next,
        last: replay.last,
        created_at: replay.created_at,
        ended_at: replay.ended_at,
        error: replay.error,
    }
}

fn dry_run(count: Count) -> DryRun {
    let Count { matched, by_agent, by_channel, skipped } = count;
    DryRun { dry_run: true, matched, by_agent, by_channel, skipped }
}

impl Replayed {
    fn new(id: EventId, deliveries: &[DeliveryId]) -> Self {
        Self { id, deliveries: deliveries.iter().map(|id| DeliveryText(*id).to_string()).collect() }
    }
}

impl EventReplayQuery {
    /// Reads `agent` and `by`.
    fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self { agent: None, by: BY.to_owned() };
        each(query, |parameter| {
            match &*parameter.name {
                "agent" => parsed.agent = Some(parameter.read(NAME)?),
                "by" => parsed.by = by(parameter)?,
                _ => return Err(parameter.bad("`agent` or `by`")),
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

/// Reads `by`.
pub(super) fn parse_by(query: &str) -> Result<String, BadParameter> {
    let mut by = BY.to_owned();
    each(query, |parameter| match &*parameter.name {
        "by" => {
            by = self::by(parameter)?;
            Ok(())
        }
        _ => Err(parameter.bad("`by`")),
    })?;
    Ok(by)
}

impl ReplayQuery {
    /// Reads `channel`, `kind`, `state` (or `status`, the same), `agent`, `since`, `until`, `by`, `rate` and `dry_run`.
    fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self { filter: DeliveryFilter::default(), by: BY.to_owned(), rate: None, dry_run: false };
        each(query, |parameter| {
            match &*parameter.name {
                "by" => parsed.by = by(parameter)?,
                "rate" => parsed.rate = Some(rate(parameter)?),
                "dry_run" => parsed.dry_run = parameter.read("`true` or `false`")?,
                _ if parameter.filter(&mut parsed.filter)? => {
                    if parsed.filter.state.is_some_and(|state| state.is_open()) {
                        return Err(parameter.bad("`dead` or `delivered`, because the others are still open"));
                    }
                }
                _ => {
                    return Err(parameter
                        .bad("`channel`, `kind`, `state`, `agent`, `since`, `until`, `by`, `rate` or `dry_run`"));
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

pub(super) fn by(parameter: &Parameter) -> Result<String, BadParameter> {
    let name = parameter.value();
    let is_name = !name.is_empty() && name.chars().count() <= MAX_BY && !name.chars().any(char::is_control);
    if is_name { Ok(name.to_owned()) } else { Err(parameter.bad("a name of 1 to 128 visible characters")) }
}

fn rate(parameter: &Parameter) -> Result<u32, BadParameter> {
    const RATE: &str = "a number of deliveries per second from 1 to 10000";
    let rate = parameter.read(RATE)?;
    if (1..=Settings::MAX_RATE).contains(&rate) { Ok(rate) } else { Err(parameter.bad(RATE)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::eventlog::EventLogError;
    use crate::http::problem::Hint;

    #[test]
    fn a_replay_says_what_how_and_for_whom() {
        let parsed = ReplayQuery::parse("status=delivered&agent=a&by=ann%40host&rate=10000&dry_run=true").unwrap();

        assert_eq!((parsed.filter.state, parsed.by.as_str()), (Some(DeliveryState::Delivered), "ann@host"));
        assert_eq!((parsed.rate, parsed.dry_run), (Some(10_000), true));
        assert_eq!(ReplayQuery::parse("").unwrap().by, "admin API");
        assert_eq!(EventReplayQuery::parse("agent=a").unwrap().by, "admin API");
        assert_eq!(parse_by("by=ann").unwrap(), "ann");
    }

    #[test]
    fn a_replay_that_makes_no_sense_is_refused() {
        for (query, name) in [
            ("state=pending", "state"),
            ("status=retrying", "status"),
            ("rate=0", "rate"),
            ("rate=10001", "rate"),
            ("dry_run=yes", "dry_run"),
            ("by=", "by"),
            ("by=a%0Ab", "by"),
            ("limit=5", "limit"),
        ] {
            assert_eq!(ReplayQuery::parse(query).unwrap_err().name, name);
        }
        assert_eq!(parse_by("agent=a").unwrap_err().name, "agent");
    }

    #[test]
    fn every_failure_of_a_replay_has_its_status_and_code() {
        for (error, status, code) in [
            (ReplayError::Busy, 503, "overloaded"),
            (ReplayError::TooSlow { within: Duration::from_secs(1) }, 503, "too_many_deliveries"),
            (ReplayError::TooMany { running: 8 }, 409, "too_many_replays"),
            (ReplayError::Open, 409, "delivery_open"),
            (ReplayError::Superseded, 409, "delivery_superseded"),
            (ReplayError::UnknownAgent("a".parse().unwrap()), 409, "unknown_agent"),
            (ReplayError::ConfiguredAgent("a".parse().unwrap()), 409, "configured_agent"),
            (ReplayError::Unknown(ReplayId(3)), 404, "unknown_replay"),
            (ReplayError::UnknownDelivery, 404, "unknown_delivery"),
            (ReplayError::Log(EventLogError::Closed), 503, "store_unavailable"),
        ] {
            let problem = HttpProblem::from(&refusal(error));

            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert_eq!(problem.hint == Hint::RetryLater, status == 503, "{code}");
        }
        for (problem, code) in [
            (unknown_delivery("x"), "unknown_delivery"),
            (unknown_replay("x"), "unknown_replay"),
            (unrouted(), "unrouted"),
        ] {
            assert_eq!(problem.code, code);
        }
    }
}
