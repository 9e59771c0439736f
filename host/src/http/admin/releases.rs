//! `/admin/events/{id}/release`: the end of a quarantine.

use ::http::StatusCode;
use serde::Serialize;

use super::read::{blocking, event_name, only};
use super::replays::parse_by;
use crate::event::{Event, EventId, EventStatus, Facts};
use crate::eventlog::{Batch, NewEvent, Release};
use crate::http::answer::{Response, with_json};
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/admin/events/{id}/release", |request| Box::pin(release(request))).with_query()];

/// The attribute with the id of the event that was in quarantine.
const RELEASED_FROM: &str = "releasedfrom";

#[derive(Serialize)]
struct ReleaseReport {
    id: EventId,
    /// What is told in its place.
    released_as: EventId,
    /// How many agents get it.
    deliveries: usize,
    /// Why it still does not match the schema of its kind.
    mismatch: Option<String>,
}

async fn release(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let name = event_name(request.id)?;
    let stored = only(blocking(request.shared, move |log| log.find(&name)).await?, request.id)?;
    let status = stored.status();
    if status != EventStatus::Quarantined {
        let detail = format!("the event is {status}, expected one in quarantine");
        return Err(HttpProblem::conflict("not_quarantined", "Not in quarantine", detail).into());
    }
    let (services, id) = (&request.shared.services, stored.event.id);
    let mut event = told(stored.event);
    let mismatch = services.catalog.schemas().tag(&mut event).map(|mismatch| mismatch.summary());
    let facts = Facts {
        channel: &event.channel,
        kind: &event.kind,
        subject: event.subject.as_deref(),
        attributes: &event.attributes,
        data: &event.data,
    };
    event.recipients = services.dispatch.route(&facts).recipients;
    let deliveries = event.recipients.len();
    let releases = vec![Release { seq: id.seq(), by, event }];
    let committed = services.log.commit(Batch { releases, ..Batch::default() }).await?;
    let released_as = committed.released.first().map_or(id, |event| event.id);
    let report = ReleaseReport { id, released_as, deliveries, mismatch };
    Ok(with_json(StatusCode::OK, &report))
}

/// What is told in the place of an event in quarantine: the same, received when it was.
fn told(event: Event) -> NewEvent {
    let mut attributes = event.attributes;
    attributes.push((RELEASED_FROM.to_owned(), event.id.to_string()));
    NewEvent {
        channel: event.channel,
        plugin: event.plugin,
        kind: event.kind,
        subject: event.subject,
        time: event.time,
        verified_at: event.verified_at,
        content_type: event.content_type,
        data: event.data,
        attributes,
        headers: event.headers,
        request_id: event.request_id,
        delivery_id: event.delivery_id,
        traceparent: event.traceparent,
        identity: None,
        statement: None,
        is_imported: true,
        quarantine: None,
        recipients: Vec::new(),
    }
}
