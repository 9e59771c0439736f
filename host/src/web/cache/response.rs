//! Responses to callers, made of stored ones (RFC 9111, section 4).

use std::time::Instant;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body as _;

use super::body::Body;
use super::fill::Reader;
use super::policy::validators;
use super::status::CacheStatus;
use super::stored::Head;
use crate::web::byte_range::{Requested, requested, unsatisfied};
use crate::web::conditions::{Validators, date, is_unchanged, range_applies};

/// Fields about a body, which a 304 does not have.
const OF_THE_BODY: [HeaderName; 5] = [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE];

/// The body to make a response of.
pub(crate) enum Content {
    Whole(Bytes),
    Filling(Reader),
}

/// The response to `request`: the whole, the part that it asks for, or that the caller has it already.
pub(crate) fn made_of<B>(
    head: &Head,
    content: Content,
    request: &Parts,
    status: CacheStatus,
    now: Instant,
) -> Response<Body<B>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.fields.clone();
    response.headers_mut().insert(AGE, HeaderValue::from(head.age(now).as_secs()));
    status.add_to(response.headers_mut());

    let current = validators(&head.fields, head.exchange.received_at);
    if head.status == StatusCode::OK && is_unchanged(&request.headers, current) {
        return not_modified(response);
    }
    match content {
        Content::Whole(bytes) if request.method == Method::HEAD => {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        Content::Filling(reader) if request.method == Method::HEAD => {
            if let Some(length) = reader.size_hint().exact() {
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
        Content::Whole(bytes) => {
            let is_part_possible = head.status == StatusCode::OK && range_applies(&request.headers, strict(head));
            let length = bytes.len() as u64;
            match if is_part_possible { requested(&request.headers, length) } else { Requested::Whole } {
                Requested::Whole => *response.body_mut() = Body::whole(bytes),
                Requested::Part(range) => {
                    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                    response.headers_mut().insert(CONTENT_RANGE, range.content_range(length));
                    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                    // Within a body in memory, so both fit.
                    let part = bytes.slice(range.first as usize..=range.last as usize);
                    *response.body_mut() = Body::Whole(Full::new(part));
                }
                Requested::Unsatisfiable => {
                    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                    OF_THE_BODY.iter().for_each(|name| drop(response.headers_mut().remove(name)));
                    response.headers_mut().insert(CONTENT_RANGE, unsatisfied(length));
                }
            }
        }
        Content::Filling(reader) => *response.body_mut() = Body::Filling(reader),
    }
    response
}

/// What `If-Range` is compared with: only what the backend said, because the time of a response proves nothing about its bytes.
fn strict(head: &Head) -> Validators<'_> {
    Validators { modified: date(&head.fields, &LAST_MODIFIED), ..validators(&head.fields, head.exchange.received_at) }
}

/// A response past the cache. If the caller's conditions were not sent on (`is_whole`), they are evaluated here.
pub(crate) fn passed<B>(
    response: Response<B>,
    request: &HeaderMap,
    is_whole: bool,
    status: CacheStatus,
) -> Response<Body<B>> {
    let mut response = response.map(Body::Passed);
    status.add_to(response.headers_mut());
    let fields = response.headers();
    let current =
        Validators { etag: fields.get(ETAG).map(HeaderValue::as_bytes), modified: date(fields, &LAST_MODIFIED) };
    if is_whole && response.status() == StatusCode::OK && is_unchanged(request, current) {
        *response.body_mut() = Body::empty();
        return not_modified(response);
    }
    response
}

fn not_modified<B>(mut response: Response<Body<B>>) -> Response<Body<B>> {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    OF_THE_BODY.iter().for_each(|name| drop(response.headers_mut().remove(name)));
    response
}
