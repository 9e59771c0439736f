//! Requests about the address of a channel: senders look whether it answers before they send events. Nothing is verified for
//! them, stored, or shown to the plugin.

use ::http::header::ALLOW;
use ::http::request::Parts;
use ::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;

use crate::http::answer::Response;
use crate::http::payload::Payload;
use crate::http::problem::allow;
use crate::ingest::ReadyChannel;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Any rate. A channel with a limit answers 429 or 503 above it.
const ANY_RATE: HeaderValue = HeaderValue::from_static("*");

/// The response to such a request; `None` for any other.
pub(crate) fn handshake(channel: &ReadyChannel, head: &Parts) -> Option<Response> {
    let takes = |method: &Method| channel.methods().contains(method);
    match head.method {
        // Trello and Mandrill do this before they save an address.
        Method::HEAD if takes(&Method::POST) => Some(empty()),
        Method::OPTIONS if takes(&Method::POST) => grant(channel, head),
        Method::GET if channel.is_probe(head.uri.query().unwrap_or_default()) => Some(empty()),
        _ => None,
    }
}

/// The permission to send events (CloudEvents HTTP webhooks, section 4.2). The origin named here only announces itself: its
/// events are verified like any others.
fn grant(channel: &ReadyChannel, head: &Parts) -> Option<Response> {
    let mut origins = head.headers.get_all(REQUEST_ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
    let mut response = empty();
    let headers = response.headers_mut();
    headers.insert(ALLOWED_ORIGIN, origin.clone());
    headers.insert(ALLOWED_RATE, ANY_RATE);
    headers.insert(ALLOW, allow(&channel.answered_methods()));
    Some(response)
}

fn empty() -> Response {
    let mut response = Response::new(Payload::whole(Bytes::new()));
    *response.status_mut() = StatusCode::OK;
    response
}
