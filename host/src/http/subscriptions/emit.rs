//! `POST /events`: events that services emit, as CloudEvents (HTTP binding: structured, binary and batched mode).

use std::sync::Arc;

use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use serde::Serialize;

use super::access::with_bearer;
use crate::caller;
use crate::event::{EmittedEvent, EventId, RequestId, Seq};
use crate::http::admin::query::each;
use crate::http::answer::{Response, with_json};
use crate::http::problem::{Hint, HttpProblem};
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route, RouteRequest};
use crate::http::shared::{RequestContext, Shared};
use crate::http::webhook::body::{self, BodyLimits};
use crate::ingest::{Channel, Outcome, ReceivedEvent};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/events", |request| Box::pin(emit(request))).audience(Audience::Everybody)];

/// Events of a batch.
const BATCH: usize = 500;

#[derive(Serialize)]
struct Emitted<'a> {
    request_id: RequestId,
    events: Vec<EmittedRow<'a>>,
}

#[derive(Serialize)]
struct EmittedRow<'a> {
    id: EventId,
    seq: Seq,
    kind: &'a str,
    status: &'static str,
}

impl<'a> EmittedRow<'a> {
    fn of(event: &'a ReceivedEvent) -> Self {
        Self { id: event.id, seq: event.id.seq(), kind: &event.kind, status: event.outcome.as_str() }
    }
}

async fn emit(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let mut wanted = None;
    each(request.query(), |parameter| match &*parameter.name {
        "channel" => {
            wanted = Some(parameter.text("the name of a channel")?);
            Ok(())
        }
        _ => Err(parameter.bad("`channel`")),
    })?;
    let RouteRequest { shared, context, body, .. } = request;
    let channel = channel(shared, context, wanted.as_deref()).await?;
    let live = &context.live;
    let _place = live.admission.enter().await?;
    let limits = BodyLimits { max: live.settings.max_body, time: live.settings.body_timeout };
    let (body, _share) = body::read(body, limits, &live.body_budget).await?;
    let events = read(&context.head.headers, body)?;
    if events.is_empty() {
        return Err(Refusal::Malformed("expected at least one event".to_owned()));
    }
    let received = shared.services.ingest.emit(&channel, events, context.id).await?;
    let is_new = received.events.iter().any(|event| event.outcome != Outcome::Duplicate);
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let events = received.events.iter().map(EmittedRow::of).collect();
    Ok(with_json(status, &Emitted { request_id: context.id, events }))
}

/// The channel to which the caller emits: the one that it names, or the only one that it may.
async fn channel(
    shared: &Arc<Shared>,
    context: &RequestContext,
    wanted: Option<&str>,
) -> Result<Arc<Channel>, Refusal> {
    let headers = with_bearer(&context.head.headers);
    let certificate = context.peer.certificate.as_deref();
    let mut allowed = Vec::new();
    for channel in shared.services.ingest.emitters() {
        let access = channel.access();
        let from_here = access.from.as_ref().is_none_or(|from| from.contains(context.client));
        let known = caller::identify(&access.callers, &headers, certificate, &shared.services.key_sets).await;
        if from_here && known.is_ok_and(|known| known.is_some()) {
            allowed.push(channel);
        }
    }
    if allowed.is_empty() {
        super::access::count(shared, context, None)?;
        let detail = "expected the key of a caller that may emit, as `authorization: Bearer`, `api-key` or `x-api-key`";
        let problem = HttpProblem::new(StatusCode::UNAUTHORIZED, "unknown_caller", "Unknown caller", detail);
        return Err(problem.hint(Hint::Authenticate).into());
    }
    let chosen = match wanted {
        Some(wanted) => allowed.into_iter().find(|channel| channel.name().as_str() == wanted),
        None if allowed.len() == 1 => allowed.pop(),
        None => {
            let detail = "the caller may emit to several channels: name one in the query, as `channel`";
            return Err(Refusal::Malformed(detail.to_owned()));
        }
    };
    let channel = chosen.ok_or(Refusal::Forbidden("the caller may not emit to this channel"))?;
    if let Some(standing) = channel.bucket().map(caller::Bucket::take).filter(caller::Standing::is_exceeded) {
        return Err(Refusal::RateLimited { wait: standing.wait, status: StatusCode::TOO_MANY_REQUESTS });
    }
    Ok(channel)
}

/// The events of a request.
fn read(headers: &HeaderMap, body: Bytes) -> Result<Vec<EmittedEvent>, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let events = match &*essence {
        "application/cloudevents+json" => EmittedEvent::read(&body).map(|event| vec![event]),
        "application/cloudevents-batch+json" => EmittedEvent::read_batch(&body, BATCH),
        _ if headers.contains_key("ce-specversion") => {
            let attributes = headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().strip_prefix("ce-")?, value.to_str().ok()?)));
            EmittedEvent::of_headers(attributes, content_type, body).map(|event| vec![event])
        }
        _ => {
            let detail = "expected a CloudEvent: `content-type: application/cloudevents+json` or \
                          `application/cloudevents-batch+json`, or headers `ce-*` beside the data";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(
                HttpProblem::new(status, "content_type_not_supported", "Content type not supported", detail).into()
            );
        }
    };
    events.map_err(Refusal::Malformed)
}
