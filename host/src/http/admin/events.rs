//! `/admin/events`

use std::time::Duration;

use ::http::StatusCode;
use serde::{Serialize, Serializer};

use super::query::{BadParameter, CURSOR, DeliveryText, PAGE, each};
use super::read::{blocking, event_name, json, only, read};
use crate::dispatch::{Explanation, Hold};
use crate::event::{
    AgentName, Attempt, ChannelName, Delivery, DeliveryId, DeliveryState, Event, EventId, EventStatus, Facts, Outcome,
    Payload, PluginName, Priority, RequestId, Seq, Timestamp,
};
use crate::eventlog::{EventLog, EventLogError, Note, Place, Query, Range, Released, ScanLimits, Search, Stored};
use crate::http::answer::{Response, with_json_text};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/events", |request| Box::pin(list(request))).with_query(),
    Route::get("/admin/events/{id}", |request| Box::pin(show(request))),
];

/// Which events are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsQuery {
    pub limit: usize,
    /// Events before this position.
    pub before: Option<Seq>,
    pub filter: Query,
}

/// `GET /admin/events`.
#[derive(Clone, Debug, Serialize)]
pub struct EventsPage {
    /// Newest first.
    pub events: Vec<EventRow>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
    /// How far a search has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searched: Option<Searched>,
}

/// What one request of a search has looked at.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Searched {
    pub events: u64,
    /// When the last of them was received: later ones are done with.
    pub back_to: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize)]
pub struct EventRow {
    pub id: EventId,
    pub seq: Seq,
    pub channel: ChannelName,
    pub kind: String,
    pub subject: Option<String>,
    pub status: EventStatus,
    pub received_at: Timestamp,
    pub delivery_id: Option<String>,
    /// Where the text of a search is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_in: Option<Place>,
}

/// `GET /admin/events/{id}`.
#[derive(Clone, Debug, Serialize)]
pub struct EventDetail<'a> {
    pub id: EventId,
    pub seq: Seq,
    pub channel: &'a ChannelName,
    pub plugin: &'a PluginName,
    pub kind: &'a str,
    pub subject: Option<&'a str>,
    pub status: EventStatus,
    /// When it is told if it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    /// Why it was put into quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<&'a str>,
    /// The event that told what this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_of: Option<EventId>,
    /// What ended its quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Released>,
    pub received_at: Timestamp,
    pub verified_at: Option<Timestamp>,
    pub stored_at: Timestamp,
    pub request_id: RequestId,
    /// What its provider calls the delivery.
    pub delivery_id: Option<&'a str>,
    pub content_type: &'a str,
    #[serde(serialize_with = "as_object")]
    pub attributes: &'a [(String, String)],
    /// In order; names may repeat.
    pub headers: &'a [(String, String)],
    /// JSON as it is, other text as a string; `None` for other bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<Payload<'a>>,
    pub deliveries: Vec<DeliveryView<'a>>,
    /// Why no route takes it, as the routes are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrouted: Option<String>,
    /// In the order in which it happened.
    pub timeline: Vec<Moment<'a>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DeliveryView<'a> {
    pub id: String,
    pub agent: &'a AgentName,
    pub state: DeliveryState,
    pub priority: Priority,
    /// Who asked for the replay; `None` for a delivery that came with the event.
    pub replayed_by: Option<&'a str>,
    pub created_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
    /// What holds it besides, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Hold>,
    pub attempts_made: u32,
    /// The latest ones, oldest first.
    pub attempts: Vec<AttemptView<'a>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct AttemptView<'a> {
    pub number: u32,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub duration_ms: u64,
    pub outcome: Outcome,
    pub code: Option<&'a str>,
    pub message: Option<&'a str>,
}

/// One thing that happened to the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment<'a> {
    pub at: Timestamp,
    /// `received`, `verified`, `stored`, `repeat`, `note`, `replayed`, `omitted`, `attempt`, `cancelled`, `delivered` or `dead`.
    pub what: &'static str,
    /// The event that is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a AgentName>,
    /// Who asked for a replay, or which processor has noted something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The numbers of the first and the last attempt that are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What may be searched for: [`Search::MAX`].
const TEXT: &str = "a text of 1 to 256 characters";

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = EventsQuery::parse(request.query())?;
    read(request.shared, move |log| page(log, &query)).await
}

async fn show(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let name = event_name(request.id)?;
    let stored = only(blocking(request.shared, move |log| log.find(&name)).await?, request.id)?;
    let dispatch = request.shared.services.dispatch.clone();
    let (holds, explains) = (dispatch.clone(), dispatch);
    let detail = move |stored: &Stored, released, note: Option<Note>| {
        let detail = explained(stored, &|agent| holds.hold(agent), &|facts| explains.explain(facts));
        json(&EventDetail { released, ..detail }.with(note.as_ref()))
    };
    let text = move |log: &EventLog| {
        let seq = stored.event.seq;
        Ok(detail(&stored, log.release(seq)?, log.note(seq)?))
    };
    // A payload can be large, and its JSON larger.
    let text = blocking(request.shared, text).await?;
    Ok(with_json_text(StatusCode::OK, text))
}

impl Default for EventsQuery {
    fn default() -> Self {
        Self { limit: PAGE, before: None, filter: Query::default() }
    }
}

impl EventsQuery {
    /// Reads `limit`, `cursor`, `q`, `channel`, `kind`, `status`, `since` and `until`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self::default();
        each(query, |parameter| {
            match &*parameter.name {
                "limit" => parsed.limit = parameter.limit()?,
                "cursor" => parsed.before = Some(Seq(parameter.read(CURSOR)?)),
                "q" => parsed.filter.search = Some(Search::new(parameter.value()).ok_or_else(|| parameter.bad(TEXT))?),
                "status" => parsed.filter.status = Some(parameter.status()?),
                _ if parameter.select(&mut parsed.filter.events)? => {}
                _ => {
                    return Err(
                        parameter.bad("`limit`, `cursor`, `q`, `channel`, `kind`, `status`, `since` or `until`")
                    );
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

/// A page of events. May wait for the disk.
///
/// # Errors
/// Those of [`EventLog::scan`].
pub fn page(log: &EventLog, query: &EventsQuery) -> Result<EventsPage, EventLogError> {
    let found = log.scan(&query.filter, Range::down_from(query.before), ScanLimits::items(query.limit))?;
    let search = query.filter.search.as_ref();
    let row = |stored: Stored| EventRow {
        found_in: search.map(|search| search.in_header(&stored.event).unwrap_or(Place::Data)),
        status: stored.status(),
        id: stored.event.id,
        seq: stored.event.seq,
        channel: stored.event.channel,
        kind: stored.event.kind,
        subject: stored.event.subject,
        received_at: stored.event.time,
        delivery_id: stored.event.delivery_id,
    };
    Ok(EventsPage {
        events: found.items.into_iter().map(row).collect(),
        next: found.next.map(|seq| seq.next().to_string()),
        searched: search.map(|_| Searched { events: found.progress.events, back_to: found.progress.last }),
    })
}

/// The event with everything that the log holds of it, and what `explain` says of its routes as they are now.
pub fn explained<'a>(
    stored: &'a Stored,
    hold: &dyn Fn(&AgentName) -> Option<Hold>,
    explain: &dyn Fn(&Facts<'_>) -> Explanation,
) -> EventDetail<'a> {
    let is_unrouted = stored.status() == EventStatus::Accepted;
    let unrouted = is_unrouted.then(|| explain(&stored.event.facts()).of_unrouted());
    EventDetail { unrouted, ..detail(stored, hold) }
}

/// The event with everything that the log holds of it.
///
/// `hold` knows what holds the deliveries of an agent.
pub fn detail<'a>(stored: &'a Stored, hold: &dyn Fn(&AgentName) -> Option<Hold>) -> EventDetail<'a> {
    let Stored { event, deliveries, .. } = stored;
    let view = |(index, delivery): (u32, &'a Delivery)| DeliveryView {
        state: Delivery::state_at(deliveries, index as usize).unwrap_or(delivery.state),
        held: Some(&delivery.agent).filter(|_| delivery.state.is_open()).and_then(hold),
        ..delivery_view(event.seq, index, delivery)
    };
    let (data, data_base64) = match event.payload() {
        payload @ Payload::Base64(_) => (None, Some(payload)),
        payload => (Some(payload), None),
    };
    EventDetail {
        id: event.id,
        seq: event.seq,
        channel: &event.channel,
        plugin: &event.plugin,
        kind: &event.kind,
        subject: event.subject.as_deref(),
        status: stored.status(),
        held_until: stored.held_until(),
        quarantine: event.quarantine.as_deref(),
        repeat_of: event.repeat_of,
        released: None,
        received_at: event.time,
        verified_at: event.verified_at,
        stored_at: event.stored_at,
        request_id: event.request_id,
        delivery_id: event.delivery_id.as_deref(),
        content_type: &event.content_type,
        attributes: &event.attributes,
        headers: &event.headers,
        data,
        data_base64,
        deliveries: (0..).zip(deliveries).map(view).collect(),
        unrouted: None,
        timeline: timeline(event, deliveries),
    }
}

impl<'a> EventDetail<'a> {
    /// The same with what a processor has noted.
    fn with(mut self, note: Option<&'a Note>) -> Self {
        let noted =
            |note: &'a Note| Moment { by: Some(&note.by), message: Some(&note.text), ..moment(note.at, "note") };
        self.timeline.extend(note.map(noted));
        self.timeline.sort_by_key(|moment| moment.at);
        self
    }
}

fn delivery_view(seq: Seq, index: u32, delivery: &Delivery) -> DeliveryView<'_> {
    DeliveryView {
        id: DeliveryText(DeliveryId { seq, index }).to_string(),
        agent: &delivery.agent,
        state: delivery.state,
        priority: delivery.priority,
        replayed_by: delivery.replayed_by.as_deref(),
        created_at: delivery.created_at,
        next_attempt_at: delivery.next_attempt_at,
        held: None,
        attempts_made: delivery.attempts_made,
        attempts: delivery.attempts.iter().map(attempt_view).collect(),
    }
}

fn attempt_view(attempt: &Attempt) -> AttemptView<'_> {
    AttemptView {
        number: attempt.number,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        duration_ms: millis(attempt.ended_at.since(attempt.started_at)),
        outcome: attempt.outcome,
        code: not_empty(&attempt.code),
        message: not_empty(&attempt.message),
    }
}

fn timeline<'a>(event: &Event, deliveries: &'a [Delivery]) -> Vec<Moment<'a>> {
    let verified = event.verified_at.map(|at| moment(at, "verified"));
    let mut moments = vec![moment(event.time, "received")];
    moments.extend(verified);
    moments.push(moment(event.stored_at, "stored"));
    moments.extend(event.repeat_of.map(|first| Moment { of: Some(first), ..moment(event.stored_at, "repeat") }));
    for delivery in deliveries {
        let agent = Some(&delivery.agent);
        if let Some(by) = &delivery.replayed_by {
            moments.push(Moment { agent, by: Some(by), ..moment(delivery.created_at, "replayed") });
        }
        if let Some(first) = delivery.attempts.first().filter(|first| first.number > 1) {
            let attempts = Some([1, first.number - 1]);
            moments.push(Moment { agent, attempts, ..moment(first.started_at, "omitted") });
        }
        for attempt in &delivery.attempts {
            if attempt.code == Attempt::CANCELLED {
                let message = not_empty(&attempt.message);
                moments.push(Moment { agent, message, ..moment(attempt.started_at, "cancelled") });
                continue;
            }
            moments.push(Moment {
                agent,
                attempt: Some(attempt.number),
                outcome: Some(attempt.outcome),
                code: not_empty(&attempt.code),
                message: not_empty(&attempt.message),
                duration_ms: Some(millis(attempt.ended_at.since(attempt.started_at))),
                ..moment(attempt.started_at, "attempt")
            });
        }
        if let (false, Some(last)) = (delivery.state.is_open(), delivery.attempts.last()) {
            moments.push(Moment { agent, ..moment(last.ended_at, delivery.state.as_str()) });
        }
    }
    // Stable: what happened within one millisecond keeps its order.
    moments.sort_by_key(|moment| moment.at);
    moments
}

fn moment<'a>(at: Timestamp, what: &'static str) -> Moment<'a> {
    Moment {
        at,
        what,
        of: None,
        agent: None,
        by: None,
        attempt: None,
        attempts: None,
        outcome: None,
        code: None,
        message: None,
        duration_ms: None,
    }
}

fn not_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn as_object<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::Recipient;
    use crate::eventlog::Selection;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn attempt(number: u32, started: i64, outcome: Outcome) -> Attempt {
        let code = if outcome == Outcome::Delivered { "" } else { "timeout" };
        Attempt {
            number,
            term: Attempt::FIRST_TERM,
            started_at: at(started),
            ended_at: at(started + 5),
            outcome,
            code: code.to_owned(),
            message: code.to_owned(),
        }
    }

    fn stored() -> Stored {
        let event = Event {
            id: EventId::new(at(1000), Seq(7), 1),
            seq: Seq(7),
            channel: "github".parse().unwrap(),
            plugin: "github".parse().unwrap(),
            kind: "github.push".to_owned(),
            subject: None,
            time: at(1000),
            verified_at: Some(at(1001)),
            stored_at: at(1003),
            content_type: "application/json".to_owned(),
            data: Bytes::from_static(b"{\"a\":1}"),
            attributes: vec![("severity".to_owned(), "high".to_owned())],
            headers: vec![("x-github-event".to_owned(), "push".to_owned())],
            request_id: RequestId::new(),
            delivery_id: None,
            traceparent: None,
            quarantine: None,
            repeat_of: None,
        };
        let recipient = |agent: &str| Recipient { agent: agent.parse().unwrap(), priority: Priority::Normal };
        let mut first = Delivery::new(recipient("a"), at(1003));
        first.record(attempt(1, 1010, Outcome::Retry), Some(at(2000)));
        first.record(attempt(2, 2000, Outcome::Dead), None);
        let mut second = Delivery::new(recipient("b"), at(1003));
        second.record(attempt(1, 1004, Outcome::Delivered), None);
        let third = Delivery { replayed_by: Some("me".to_owned()), ..Delivery::new(recipient("a"), at(5000)) };
        Stored { event, deliveries: vec![first, second, third], withheld: None, size: 7 }
    }

    #[test]
    fn the_timeline_is_in_order() {
        let stored = stored();

        let detail = detail(&stored, &|_| None);

        let listed: Vec<_> = detail
            .timeline
            .iter()
            .map(|moment| (moment.at.as_millis(), moment.what, moment.agent.map_or("", AgentName::as_str)))
            .collect();
        assert_eq!(
            listed,
            [
                (1000, "received", ""),
                (1001, "verified", ""),
                (1003, "stored", ""),
                (1004, "attempt", "b"),
                (1009, "delivered", "b"),
                (1010, "attempt", "a"),
                (2000, "attempt", "a"),
                (2005, "dead", "a"),
                (5000, "replayed", "a"),
            ]
        );
    }

    #[test]
    fn the_timeline_says_what_is_repeated_and_what_a_processor_has_noted() {
        let mut stored = stored();
        let first = EventId::new(at(900), Seq(6), 1);
        (stored.event.repeat_of, stored.deliveries) = (Some(first), Vec::new());
        let note = Note { by: "alert".to_owned(), at: at(1002), text: "repeat 1 of incident 3".to_owned() };

        let detail = detail(&stored, &|_| None).with(Some(&note));

        let listed: Vec<_> = detail.timeline[2..].iter().map(|moment| (moment.what, moment.of, moment.by)).collect();
        assert_eq!(listed, [("note", None, Some("alert")), ("stored", None, None), ("repeat", Some(first), None)]);
        let json = serde_json::to_value(&detail).unwrap();
        assert_eq!(
            (&json["repeat_of"], &json["timeline"][4]["of"]),
            (&first.to_string().into(), &first.to_string().into())
        );
        assert_eq!(json["timeline"][2]["message"], "repeat 1 of incident 3");
    }

    #[test]
    fn the_timeline_names_the_attempts_that_are_not_kept() {
        let mut stored = stored();
        let open = &mut stored.deliveries[2];
        let made = Delivery::ATTEMPTS_KEPT as u32 + 12;
        for number in 1..=made {
            open.record(attempt(number, 5000 + i64::from(number) * 10, Outcome::Retry), None);
        }

        let timeline = detail(&stored, &|_| None).timeline;

        let place = timeline.iter().position(|moment| moment.what == "omitted").unwrap();
        assert_eq!(timeline[place].attempts, Some([1, 12]));
        assert_eq!((timeline[place - 1].what, timeline[place + 1].attempt), ("replayed", Some(13)));
        assert_eq!(timeline.last().unwrap().attempt, Some(made));
        assert_eq!(serde_json::to_value(&timeline[place]).unwrap()["attempts"], serde_json::json!([1, 12]));
    }

    #[test]
    fn the_detail_of_an_event_is_readable_json() {
        let stored = stored();

        let json = serde_json::to_value(detail(&stored, &|_| None)).unwrap();

        assert_eq!(json["status"], "pending");
        assert_eq!(json["data"], serde_json::json!({"a": 1}));
        assert!(json.get("data_base64").is_none());
        assert_eq!(json["attributes"], serde_json::json!({"severity": "high"}));
        assert_eq!(json["headers"], serde_json::json!([["x-github-event", "push"]]));
        assert_eq!(json["deliveries"][0]["id"], "7.0");
        assert_eq!(json["deliveries"][0]["attempts"][1]["code"], "timeout");
        assert_eq!(json["deliveries"][1]["attempts"][0]["duration_ms"], 5);
        assert_eq!(json["timeline"][3]["outcome"], "delivered");
        assert!(json["timeline"][0].get("outcome").is_none());
        assert_eq!(json["timeline"][8]["by"], "me");
    }

    #[test]
    fn every_parameter_is_understood() {
        let events = Selection {
            channel: Some("github".parse().unwrap()),
            kind: Some("github.push*".to_owned()),
            subject: None,
            since: Some(Timestamp::from_millis(1_700_000_000_000)),
            until: Some(Timestamp::from_millis(1_700_000_001_500)),
        };
        let text = "limit=7&cursor=42&channel=github&kind=github.push%2A&status=dead\
                    &since=2023-11-14T22:13:20Z&until=2023-11-14T22:13:21.5%2B00:00";
        let expected = EventsQuery {
            limit: 7,
            before: Some(Seq(42)),
            filter: Query { events, status: Some(EventStatus::Dead), ..Query::default() },
        };
        assert_eq!(EventsQuery::parse(text).unwrap(), expected);
        assert_eq!(EventsQuery::parse("").unwrap(), EventsQuery::default());
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (query, expected) in [
            ("limit=0", "`limit`: expected a number from 1 to 500, found `0`"),
            ("limit=501", "`limit`: expected a number from 1 to 500, found `501`"),
            ("limit=", "`limit`: expected a number from 1 to 500, found `nothing`"),
            ("limit=5&limit=6", "`limit`: expected it once, found `6`"),
            ("cursor=x", "`cursor`: expected the `next` of a page, found `x`"),
            ("channel=Git", "`channel`: expected a name of `a-z`, `0-9` and `-`, found `Git`"),
            (
                "status=done",
                "`status`: expected `accepted`, `pending`, `dead`, `delivered`, `held`, `dropped`, `quarantined`, `released` or `repeat`, found `done`",
            ),
            ("since=yesterday", "`since`: expected a time such as `2026-01-31T12:00:00Z`, found `yesterday`"),
            ("q=", "`q`: expected a text of 1 to 256 characters, found `nothing`"),
            ("kind=", "`kind`: expected a kind, or the beginning of one and `*`, found `nothing`"),
            (
                "sort=up",
                "`sort`: expected `limit`, `cursor`, `q`, `channel`, `kind`, `status`, `since` or `until`, found `up`",
            ),
        ] {
            assert_eq!(EventsQuery::parse(query).unwrap_err().to_string(), expected);
        }
    }
}
