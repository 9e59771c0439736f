//! `GET /subscribe`: a WebSocket or a stream of server-sent events.

use std::sync::Arc;

use ::http::header::{ACCEPT, HeaderMap, UPGRADE};
use ::http::{Method, StatusCode};

use super::access::{check_origin, count, identify};
use super::parameters::Parameters;
use super::{sse, websocket};
use crate::http::answer::Response;
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route};
use crate::http::shared::{RequestContext, Shared};
use crate::subscribe::{Asked, Form, Grant};

pub(crate) const ROUTES: &[Route] = &[Route::get("/subscribe", |request| {
    Box::pin(async move { open(request.shared, request.context, Form::Gateway).await })
})
.audience(Audience::Everybody)];

const KNOWN: &[&str] = &["channel", "kind", "subject", "since", "consumer", "on_gap", "ticket"];
const EXPECTED: &str = "`channel`, `kind`, `subject`, `since`, `consumer`, `on_gap` or `ticket`; a key belongs into a header, where no log shows it";

pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// The way that a client wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    WebSocket,
    Sse,
}

/// Lets a subscriber in. `form` is that of the path.
pub(super) async fn open(shared: &Arc<Shared>, context: &RequestContext, form: Form) -> Result<Response, Refusal> {
    let way = way(context)?;
    let settings = shared.services.subscriptions.settings();
    let origin = check_origin(&settings, context)?;
    let opened = let_in(shared, context, form, way).await;
    match way {
        Way::WebSocket => opened,
        Way::Sse => {
            let response = match opened {
                // Any other answer would end a browser's subscription for good (HTML Living Standard, section 9.2.3).
                Err(refusal) if is_transient(&refusal) => sse::come_back(&context.head),
                opened => opened?,
            };
            Ok(sse::with_origin(response, origin))
        }
    }
}

async fn let_in(shared: &Arc<Shared>, context: &RequestContext, form: Form, way: Way) -> Result<Response, Refusal> {
    let query = context.head.uri.query().unwrap_or_default();
    let parameters = Parameters::read(query, KNOWN, EXPECTED)?;
    let subscriptions = &shared.services.subscriptions;
    let (grant, ticket) = match &parameters.ticket {
        Some(ticket) => match subscriptions.redeem(ticket) {
            Some(ticket) => (ticket.grant.clone(), Some(ticket)),
            None => {
                count(shared, context, None)?;
                return Err(Refusal::Forbidden("the ticket is unknown, used up or too old"));
            }
        },
        None => (identify(shared, context).await?, None),
    };
    let opened = match count(shared, context, Some(&grant.subscriber)) {
        Ok(()) => serve(shared, context, parameters, grant, form, way).await,
        Err(refusal) => Err(refusal),
    };
    // A browser comes back with the same address.
    if let (Some(ticket), Err(refusal)) = (ticket, &opened)
        && is_transient(refusal)
    {
        subscriptions.give_back(ticket);
    }
    opened
}

/// Whether the same may be granted later.
fn is_transient(refusal: &Refusal) -> bool {
    let status = HttpProblem::from(refusal).status;
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

async fn serve(
    shared: &Arc<Shared>,
    context: &RequestContext,
    parameters: Parameters,
    grant: Grant,
    form: Form,
    way: Way,
) -> Result<Response, Refusal> {
    check_leaving(shared)?;
    let Parameters { patterns, since, consumer, on_gap, .. } = parameters;
    let transport = if way == Way::WebSocket { "websocket" } else { "sse" };
    let mut asked = Asked { grant, patterns, since, consumer, on_gap, form, transport, remote: context.client };
    match way {
        Way::WebSocket => {
            let handshake = websocket::Handshake::of(context, form)?;
            asked.form = handshake.form;
            let session = shared.services.subscriptions.open(asked).await?;
            let max_message = shared.services.subscriptions.settings().limits.max_message;
            Ok(handshake.accept(session, max_message))
        }
        Way::Sse => {
            // A browser repeats the address with its first `since`, and knows better by then.
            if let Some(since) = sse::last_event_id(&context.head.headers)? {
                asked.since = Some(since);
            }
            let session = shared.services.subscriptions.open(asked).await?;
            Ok(sse::stream(session, &context.head))
        }
    }
}

/// Lets nobody in who would have to leave at once.
pub(super) fn check_leaving(shared: &Shared) -> Result<(), Refusal> {
    if !shared.leaving.is_cancelled() {
        return Ok(());
    }
    Err(HttpProblem::unavailable("leaving", "Leaving", "the gateway is about to end, try again later").into())
}

/// The same session for an operator, who may read everything.
pub(crate) async fn open_for_operator(shared: &Arc<Shared>, context: &RequestContext) -> Result<Response, Refusal> {
    let way = way(context)?;
    let query = context.head.uri.query().unwrap_or_default();
    let parameters = Parameters::read(query, &KNOWN[..KNOWN.len() - 1], EXPECTED)?;
    let grant =
        Grant { subscriber: "operator".to_owned(), filter: Default::default(), consumers: vec!["*".to_owned()] };
    serve(shared, context, parameters, grant, Form::Gateway, way).await
}

fn way(context: &RequestContext) -> Result<Way, Refusal> {
    let head = &context.head;
    if head.method != Method::GET {
        return Err(Refusal::Method(vec![Method::GET]));
    }
    if head.headers.contains_key(UPGRADE) {
        return Ok(Way::WebSocket);
    }
    if accepted(&head.headers).any(|range| range == EVENT_STREAM) {
        return Ok(Way::Sse);
    }
    let detail = "expected `upgrade: websocket`, or `accept: text/event-stream`";
    Err(HttpProblem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "Not acceptable", detail).into())
}

/// The media types that a client takes, in lower case and without parameters.
pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let essence = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ranges.flat_map(|value| value.split(',')).map(essence)
}
