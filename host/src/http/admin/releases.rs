//! `/admin/events/{id}/release`: the end of a quarantine.

use ::http::StatusCode;
use serde::Serialize;

use super::read::{blocking, event_name, only};
use super::replays::parse_by;
use crate::event::{Event, EventId, EventStatus, Facts, RELEASED_FROM};
use crate::eventlog::{Batch, EventLogError, NewEvent, Release};
use crate::http::answer::{Response, with_json};
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/admin/events/{id}/release", |request| Box::pin(release(request))).with_query()];

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
        return Err(not_quarantined(status).into());
    }
    let (services, id) = (&request.shared.services, stored.event.id);
    let (mut event, schemas) = (told(stored.event), services.catalog.schemas().clone());
    let tagged = move || {
        let mismatch = schemas.tag(&mut event).map(|mismatch| mismatch.summary());
        (event, mismatch)
    };
    let (mut event, mismatch) = blocking(request.shared, move |_| Ok(tagged())).await?;
    let facts = Facts {
        channel: &event.channel,
        kind: &event.kind,
        subject: event.subject.as_deref(),
        attributes: &event.attributes,
        data: &event.data,
    };
    event.recipients = services.dispatch.route(&facts).recipients;
    let deliveries = event.recipients.len();
    let releases = vec![Release { seq: id.seq(), by: by.clone(), event }];
    let committed = match services.log.commit(Batch { releases, ..Batch::default() }).await {
        // Somebody else was faster.
        Err(EventLogError::Conflict(_)) => return Err(not_quarantined(EventStatus::Released).into()),
        committed => committed?,
    };
    let released_as = committed.released.first().map_or(id, |event| event.id);
    tracing::info!(event = %id, by, released_as = %released_as, deliveries, "Event released");
    let report = ReleaseReport { id, released_as, deliveries, mismatch };
    Ok(with_json(StatusCode::OK, &report))
}

fn not_quarantined(status: EventStatus) -> HttpProblem {
    let detail = format!("the event is {status}, expected one in quarantine");
    HttpProblem::conflict("not_quarantined", "Not in quarantine", detail)
}

/// What is told in the place of an event in quarantine: the same, received when it was.
fn told(event: Event) -> NewEvent {
    let mut attributes = event.attributes;
    attributes.retain(|(name, _)| name != RELEASED_FROM);
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
        keep_repeat: false,
        repeat_of: None,
        recipients: Vec::new(),
    }
}
