//! Who may subscribe, and what it may read.

use ::http::header::{AUTHORIZATION, HeaderMap, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use ::http::{HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::caller;
use crate::event::Filter;
use crate::http::authority::{authority, parse_authority};
use crate::http::problem::{Hint, HttpProblem};
use crate::http::refusal::Refusal;
use crate::http::shared::{RequestContext, Shared};
use crate::subscribe::{Grant, Settings};

/// Headers that carry a key as `authorization: Bearer` does.
const KEYS: [HeaderName; 2] = [HeaderName::from_static("api-key"), HeaderName::from_static("x-api-key")];

/// Before a key among the subprotocols of a WebSocket, in base64url: browsers can send it nowhere else.
const BEARER: &str = "gateway.bearer.";

/// The subscriber that a request comes from.
///
/// # Errors
/// Its key is missing or wrong. Such attempts are counted, and refused when there are too many.
pub(super) async fn identify(shared: &Shared, context: &RequestContext) -> Result<Grant, Refusal> {
    let services = &shared.services;
    let settings = services.subscriptions.settings();
    let headers = with_bearer(&context.head.headers);
    let certificate = context.peer.certificate.as_deref();
    let mut refusal = None;
    for (name, subscriber) in &settings.subscribers {
        match caller::identify(&subscriber.callers, &headers, certificate, &services.key_sets).await {
            Ok(_) => {
                let filter = Filter::default().and(subscriber.grant.clone());
                let consumers = subscriber.consumers.clone();
                return Ok(Grant { subscriber: name.clone(), filter, consumers });
            }
            Err(error) => refusal = Some(error),
        }
    }
    count(shared, context, None)?;
    let detail = "expected the key of a subscriber, as `authorization: Bearer`, `api-key` or `x-api-key`";
    let problem = HttpProblem::new(::http::StatusCode::UNAUTHORIZED, "unknown_caller", "Unknown caller", detail);
    let problem = problem.hint(Hint::Authenticate);
    Err(refusal.map_or_else(|| problem.clone(), |error| problem.clone().internal(error)).into())
}

/// Counts an attempt.
pub(super) fn count(shared: &Shared, context: &RequestContext, subscriber: Option<&str>) -> Result<(), Refusal> {
    let counted = shared.services.subscriptions.attempt(context.client, subscriber);
    counted.map_err(|wait| Refusal::RateLimited { wait, status: ::http::StatusCode::TOO_MANY_REQUESTS })
}

/// The headers, with the key in the place where callers are looked for.
pub(super) fn with_bearer(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    if headers.contains_key(AUTHORIZATION) {
        return headers;
    }
    let in_header = KEYS.iter().find_map(|name| headers.get(name)).map(|key| key.as_bytes().to_vec());
    if let Some(key) = in_header.or_else(|| in_subprotocol(&headers))
        && let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", key.as_slice()].concat())
    {
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

fn in_subprotocol(headers: &HeaderMap) -> Option<Vec<u8>> {
    let key = subprotocols(headers).find_map(|name| name.strip_prefix(BEARER))?;
    URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).ok()
}

/// The subprotocols that a client offers, in its order.
pub(super) fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Checks that a request of a browser comes from a page that may subscribe, and returns the page's origin if it is another one.
///
/// # Errors
/// It comes from another page.
pub(crate) fn check_origin<'a>(
    settings: &Settings,
    context: &'a RequestContext,
) -> Result<Option<&'a HeaderValue>, Refusal> {
    let mut origins = context.head.headers.get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return Ok(None),
        (Some(origin), None) => origin,
        (Some(_), Some(_)) => return Err(Refusal::Forbidden("`origin` is given more than once")),
    };
    let text = origin.to_str().unwrap_or_default();
    let own = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let own = own.and_then(|own| parse_authority(own.as_bytes()));
    if own.is_some() && own == authority(&context.head.uri, &context.head.headers) {
        return Ok(None);
    }
    if settings.origins.iter().any(|known| known == text) {
        return Ok(Some(origin));
    }
    Err(Refusal::Forbidden("pages of this origin may not subscribe: `subscribe.origins` does not name it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_may_be() {
        for (name, value, expected) in [
            ("authorization", "Basic eA==", Some("Basic eA==")),
            ("api-key", "sesame", Some("Bearer sesame")),
            ("x-api-key", "sesame", Some("Bearer sesame")),
            ("sec-websocket-protocol", "gateway.v1, gateway.bearer.c2VzYW1l", Some("Bearer sesame")),
            ("sec-websocket-protocol", "gateway.v1, gateway.bearer.%", None),
            ("x-other", "sesame", None),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            let found = with_bearer(&headers);
            let found = found.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}
