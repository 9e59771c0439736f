//! `/consumers/{name}`: pulling events and settling them.

use std::time::Duration;

use ::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::access::identify;
use super::events::{PAGE, raw};
use super::parameters::Parameters;
use crate::event::EventId;
use crate::eventlog::Cursor;
use crate::http::admin::consumers::{self, Seek};
use crate::http::answer::{Response, with_json};
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route, RouteRequest};
use crate::http::webhook::body::{self, BodyLimits};
use crate::subscribe::{Ack, Lease, Nack, Pulled, Settling};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/consumers/{id}/events", |request| Box::pin(pull(request))).audience(Audience::Everybody),
    Route::post("/consumers/{id}/ack", |request| Box::pin(settle(request, What::Ack))).audience(Audience::Everybody),
    Route::post("/consumers/{id}/nack", |request| Box::pin(settle(request, What::Nack))).audience(Audience::Everybody),
    Route::post("/consumers/{id}/extend", |request| Box::pin(settle(request, What::Extend)))
        .audience(Audience::Everybody),
    Route::post("/consumers/{id}/seek", |request| Box::pin(seek(request))).audience(Audience::Everybody),
];

/// Bytes of a settlement.
const MAX_BODY: usize = 256 << 10;
/// How long its body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
enum What {
    Ack,
    Nack,
    Extend,
}

#[derive(Serialize)]
struct PulledEvents<'a> {
    lease: Lease,
    /// Messages as on a connection.
    messages: Vec<&'a RawValue>,
    /// Everything up to it is settled.
    cursor: Cursor,
}

#[derive(Serialize)]
struct Settled {
    cursor: Cursor,
    /// Events after the cursor.
    ids: Vec<EventId>,
}

#[derive(Deserialize)]
struct Settlement<T> {
    lease: String,
    #[serde(flatten)]
    what: T,
}

#[derive(Deserialize)]
struct Nothing {}

async fn pull(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    const KNOWN: &[&str] = &["limit", "wait", "lease"];
    let grant = identify(request.shared, request.context).await?;
    let Parameters { limit, wait, lease, .. } = Parameters::read(request.query(), KNOWN, "`limit`, `wait` or `lease`")?;
    let subscriptions = &request.shared.services.subscriptions;
    let pulled = subscriptions.pull(grant, request.id, lease, limit.unwrap_or(PAGE), wait).await?;
    let Pulled { lease, messages, cursor } = pulled;
    Ok(with_json(StatusCode::OK, &PulledEvents { lease, messages: raw(&messages), cursor }))
}

async fn settle(request: RouteRequest<'_>, what: What) -> Result<Response, Refusal> {
    let RouteRequest { shared, context, id, body } = request;
    let grant = identify(shared, context).await?;
    let limits = BodyLimits { max: MAX_BODY, time: BODY_TIME };
    let (body, _share) = body::read(body, limits, &context.live.body_budget).await?;
    let (lease, settling) = match what {
        What::Ack => read(&body, Settling::Ack as fn(Ack) -> Settling)?,
        What::Nack => read(&body, Settling::Nack as fn(Nack) -> Settling)?,
        What::Extend => read(&body, |Nothing {}| Settling::Extend)?,
    };
    let (cursor, confirmed) = shared.services.subscriptions.settle(&grant, id, lease, &settling).await?;
    Ok(with_json(StatusCode::OK, &Settled { cursor, ids: confirmed.ids }))
}

async fn seek(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let grant = identify(request.shared, request.context).await?;
    let seek: Seek = consumers::read(&mut request).await?;
    let subscriptions = &request.shared.services.subscriptions;
    let cursor = subscriptions.seek_own(&grant, request.id, seek.since()?, seek.force).await?;
    Ok(with_json(StatusCode::OK, &Settled { cursor, ids: Vec::new() }))
}

fn read<T: for<'a> Deserialize<'a>>(body: &[u8], settling: fn(T) -> Settling) -> Result<(Lease, Settling), Refusal> {
    let settlement: Settlement<T> = serde_json::from_slice(body)
        .map_err(|error| Refusal::Malformed(format!("the body is not as expected: {error}")))?;
    Ok((settlement.lease.parse()?, settling(settlement.what)))
}
