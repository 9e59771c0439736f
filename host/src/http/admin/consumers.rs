//! `/admin/consumers`: named readers of the event log, what they have parked, and where they go on.

use std::time::Duration;

use ::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::query::{PAGE, each};
use crate::event::{ChannelName, Seq};
use crate::http::answer::{Response, with_json};
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::http::webhook::body::{self, BodyLimits};
use crate::subscribe::{ConsumerSpec, ConsumerStatus, Parked, Since, SubscribeError, Subscriptions};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/consumers", |request| Box::pin(list(request))),
    Route::get("/admin/consumers/{id}", |request| Box::pin(show(request))),
    Route::put("/admin/consumers/{id}", |request| Box::pin(put(request))),
    Route::delete("/admin/consumers/{id}", |request| Box::pin(delete(request))),
    Route::post("/admin/consumers/{id}/seek", |request| Box::pin(seek(request))),
    Route::get("/admin/consumers/{id}/parked", |request| Box::pin(parked(request))).with_query(),
    Route::post("/admin/consumers/{id}/parked/replay", |request| Box::pin(replay(request))).with_query(),
];

/// Bytes of a body, and how long it may take.
const LIMITS: BodyLimits = BodyLimits { max: 64 << 10, time: Duration::from_secs(10) };

#[derive(Clone, Debug, Serialize)]
struct ConsumerList {
    /// By name.
    consumers: Vec<ConsumerStatus>,
}

#[derive(Clone, Debug, Serialize)]
struct ParkedList {
    /// Oldest first.
    parked: Vec<Parked>,
    /// The `after` of the next page.
    next: Option<Seq>,
}

#[derive(Clone, Debug, Serialize)]
struct Replayed {
    replayed: usize,
}

/// Where a consumer goes on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seek {
    /// As `since` of a subscription.
    to: String,
    /// Also while somebody is connected.
    #[serde(default)]
    pub(crate) force: bool,
}

impl Seek {
    pub(crate) fn since(&self) -> Result<Since, Refusal> {
        self.to.parse().map_err(|error| Refusal::Malformed(format!("`to`: {error}")))
    }
}

/// Asks on a thread that may wait for the disk.
async fn ask<T: Send + 'static>(
    request: &RouteRequest<'_>,
    ask: impl FnOnce(&Subscriptions) -> Result<T, SubscribeError> + Send + 'static,
) -> Result<T, Refusal> {
    let subscriptions = request.shared.services.subscriptions.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&subscriptions)).await;
    Ok(asked.map_err(|error| Refusal::Internal(error.to_string()))??)
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let consumers = ask(&request, |subscriptions| Ok(subscriptions.consumers()?)).await?;
    Ok(with_json(StatusCode::OK, &ConsumerList { consumers }))
}

async fn show(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let name = request.id.to_owned();
    let consumer = ask(&request, move |subscriptions| subscriptions.consumer(&name)).await?;
    Ok(with_json(StatusCode::OK, &consumer))
}

async fn put(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    if request.id.parse::<ChannelName>().is_err() {
        return Err(Refusal::Malformed("the name of a consumer has 1 to 63 of `a-z`, `0-9` and `-`".to_owned()));
    }
    let spec: ConsumerSpec = read(&mut request).await?;
    if spec.idle_expiry_ms > 0 && request.shared.services.subscriptions.settings().consumers.contains_key(request.id) {
        let detail = "the configuration has it, so it never expires: leave out `idle_expiry_ms`";
        return Err(HttpProblem::conflict("consumer_configured", "Consumer configured", detail).into());
    }
    let is_new = request.shared.services.subscriptions.put_consumer(request.id, spec).await?;
    let name = request.id.to_owned();
    let consumer = ask(&request, move |subscriptions| subscriptions.consumer(&name)).await?;
    Ok(with_json(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &consumer))
}

async fn delete(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let subscriptions = &request.shared.services.subscriptions;
    if subscriptions.settings().consumers.contains_key(request.id) {
        let detail = "the configuration has it, and would make it again: remove it from gateway.toml first";
        return Err(HttpProblem::conflict("consumer_configured", "Consumer configured", detail).into());
    }
    subscriptions.delete_consumer(request.id).await?;
    Ok(with_json(StatusCode::OK, &serde_json::json!({"deleted": request.id})))
}

async fn seek(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let seek: Seek = read(&mut request).await?;
    let consumer = request.shared.services.subscriptions.seek(request.id, seek.since()?, seek.force).await?;
    Ok(with_json(StatusCode::OK, &consumer))
}

async fn parked(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let (mut after, mut limit) = (Seq(0), PAGE);
    each(request.query(), |parameter| {
        match &*parameter.name {
            "after" => after = Seq(parameter.read("the `next` of a page")?),
            "limit" => limit = parameter.limit()?,
            _ => return Err(parameter.bad("`after` or `limit`")),
        }
        Ok(())
    })?;
    let parked = request.shared.services.subscriptions.parked(request.id, after, limit).await?;
    let next = (parked.len() == limit).then(|| parked.last().map(|parked| parked.seq)).flatten();
    Ok(with_json(StatusCode::OK, &ParkedList { parked, next }))
}

async fn replay(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let mut only = None;
    each(request.query(), |parameter| match &*parameter.name {
        "seq" => {
            only = Some(Seq(parameter.read("the position of an event")?));
            Ok(())
        }
        _ => Err(parameter.bad("`seq`")),
    })?;
    let replayed = request.shared.services.subscriptions.replay_parked(request.id, only).await?;
    Ok(with_json(StatusCode::ACCEPTED, &Replayed { replayed }))
}

pub(crate) async fn read<T: for<'a> Deserialize<'a>>(request: &mut RouteRequest<'_>) -> Result<T, Refusal> {
    let (body, _share) = body::read(&mut *request.body, LIMITS, &request.context.live.body_budget).await?;
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(body).map_err(|error| Refusal::Malformed(format!("the body is not as expected: {error}")))
}
