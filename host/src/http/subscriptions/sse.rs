//! Streams of server-sent events as answers.

use ::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, HeaderMap, VARY};
use ::http::request::Parts;
use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::http::answer::{Response, with_payload};
use crate::http::payload::Payload;
use crate::http::refusal::Refusal;
use crate::http::server::activity::Endless;
use crate::subscribe::{McpStream, McpSubscription, Session, Since, Sse};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How long a client that cannot be let in now waits before it comes back, in milliseconds: so long, and up to twice as long.
const PAUSE: u32 = 5000;

/// The answer whose body is the session.
pub(super) fn stream(session: Session, head: &Parts) -> Response {
    respond(Payload::Stream(Sse::stream(session, gone(head)).boxed()))
}

/// The same, in the words of MCP.
pub(super) fn notifications(session: Session, subscription: McpSubscription, head: &Parts) -> Response {
    respond(Payload::Stream(McpStream::stream(session, gone(head), subscription).boxed()))
}

/// Waits until the client is gone.
fn gone(head: &Parts) -> impl Future<Output = ()> + Send + 'static {
    let endless = Endless::begin(head);
    async move {
        match endless {
            Some(endless) => endless.caller_left().await,
            None => std::future::pending().await,
        }
    }
}

fn respond(payload: Payload) -> Response {
    let mut response = with_payload("text/event-stream", payload);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// An answer that ends at once, for what may succeed later.
pub(super) fn come_back(head: &Parts) -> Response {
    let wait = PAUSE + getrandom::u32().unwrap_or_default() % PAUSE;
    // An empty line sets the id of the next attempt: without an id here a client would begin again (section 9.2.6).
    let id = match last_event_id(&head.headers) {
        Ok(Some(Since::After(cursor))) => format!("id: {cursor}\n"),
        _ => String::new(),
    };
    respond(Payload::whole(Bytes::from(format!("retry: {wait}\n{id}\n"))))
}

/// Lets the page of another origin read the answer.
pub(super) fn with_origin(mut response: Response, origin: Option<&HeaderValue>) -> Response {
    if let Some(origin) = origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    response
}

/// Where a client left off.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<Since>, Refusal> {
    let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let cursor = id.to_str().ok().and_then(|id| id.parse().ok());
    match cursor {
        Some(cursor) => Ok(Some(Since::After(cursor))),
        None => Err(Refusal::Malformed("`last-event-id` is not a cursor".to_owned())),
    }
}
