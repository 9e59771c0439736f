//! Responses and the headers that all of them share.

use ::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use hyper::body::Body;
use serde::Serialize;

use super::payload::Payload;

/// The response to a request.
pub(crate) type Response = ::http::Response<Payload>;

/// Names the request in every response.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The connection ends with the response.
pub(crate) const CLOSE: HeaderValue = HeaderValue::from_static("close");

pub(crate) const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// `body` as JSON.
pub(crate) fn with_json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(256);
    serde_json::to_writer(&mut text, body).expect("the values have text keys, and writing to memory does not fail");
    text.push(b'\n');
    with_body(status, JSON, Bytes::from(text))
}

/// `json`, which is JSON already.
pub(crate) fn with_json_text(status: StatusCode, json: impl Into<Bytes>) -> Response {
    with_body(status, JSON, json.into())
}

pub(crate) fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Payload::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(crate) fn without_content() -> Response {
    let mut response = Response::new(Payload::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A response whose body is made while it is sent.
pub(crate) fn with_payload(content_type: &'static str, payload: Payload) -> Response {
    let mut response = Response::new(payload);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Removes the body and keeps its length, as `HEAD` wants it.
pub(crate) fn without_body(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Payload::whole(Bytes::new());
}

/// Keeps responses of the admin API out of caches, and browsers from guessing their type.
pub(crate) fn protect(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
}
