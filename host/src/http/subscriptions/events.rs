//! `GET /events`: pages of events, and their payloads.

use ::http::header::{CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::access::identify;
use super::parameters::Parameters;
use crate::event::EventId;
use crate::eventlog::Cursor;
use crate::http::admin::read::blocking;
use crate::http::answer::{NO_SNIFF, Response, with_body, with_json, without_content};
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route, RouteRequest};
use crate::subscribe::{Form, Gap, PageLimits, ReadEvents, Since};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/events", |request| Box::pin(list(request))).audience(Audience::Everybody),
    Route::get("/events/{id}/data", |request| Box::pin(data(request))).audience(Audience::Everybody),
];

/// Events of a page when nobody says how many.
pub(super) const PAGE: usize = 100;
/// Bytes of the payloads of a page.
pub(super) const PAGE_BYTES: usize = 4 << 20;

#[derive(Serialize)]
struct EventPage<'a> {
    /// CloudEvents.
    events: Vec<&'a RawValue>,
    cursor: Cursor,
    more: bool,
    gap: Option<Gap>,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    const KNOWN: &[&str] = &["channel", "kind", "subject", "since", "limit", "wait"];
    const EXPECTED: &str = "`channel`, `kind`, `subject`, `since`, `limit` or `wait`";
    let mut grant = identify(request.shared, request.context).await?;
    let Parameters { patterns, since, limit, wait, .. } = Parameters::read(request.query(), KNOWN, EXPECTED)?;
    grant.filter = grant.filter.and(patterns.into());
    let (since, limit) = (since.unwrap_or(Since::Latest), limit.unwrap_or(PAGE));
    let limits = PageLimits { events: limit, bytes: PAGE_BYTES, payload: PAGE_BYTES };
    let page = request.shared.services.subscriptions.read(grant, since, Form::CloudEvents, limits, wait).await?;
    let ReadEvents { events, cursor, more, gap } = page;
    Ok(with_json(StatusCode::OK, &EventPage { events: raw(&events), cursor, more, gap }))
}

/// Messages as the JSON that they are.
pub(super) fn raw(messages: &[Bytes]) -> Vec<&RawValue> {
    messages.iter().filter_map(|message| serde_json::from_slice(message).ok()).collect()
}

async fn data(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let grant = identify(request.shared, request.context).await?;
    let unknown = || HttpProblem::not_found("unknown_event", "Unknown event", "there is no such event");
    let id: EventId = request.id.parse().map_err(|_| unknown())?;
    let stored = blocking(request.shared, move |log| log.event(id)).await?;
    // What it may not read is not there.
    let stored = stored.filter(|stored| grant.filter.matches(&stored.event)).ok_or_else(unknown)?;
    if stored.event.data.is_empty() {
        // It is neither JSON nor anything else that its content type may say.
        return Ok(without_content());
    }
    let content_type = HeaderValue::from_str(&stored.event.content_type);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = with_body(StatusCode::OK, content_type, stored.event.data);
    // Somebody else's bytes: no browser shows them as a page of this origin.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}
