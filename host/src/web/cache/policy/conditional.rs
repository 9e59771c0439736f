//! Requests that validate, and what callers validate with (RFC 9111, section 4.3).

use std::time::SystemTime;

use http::header::{DATE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE};

use crate::web::conditions::{Validators, date};

/// Removes what would make the response something else than the whole.
pub(crate) fn without_conditions(request: &mut HeaderMap) {
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        request.remove(name);
    }
}

/// Makes the request one that validates a stored response, if that has something to validate it with.
pub(crate) fn make_conditional(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    without_conditions(request);
    for (condition, validator) in [(IF_NONE_MATCH, ETAG), (IF_MODIFIED_SINCE, LAST_MODIFIED)] {
        if let Some(value) = stored.get(validator) {
            request.insert(condition, value.clone());
        }
    }
    request.contains_key(IF_NONE_MATCH) || request.contains_key(IF_MODIFIED_SINCE)
}

/// What a caller's conditions are compared with. Without `Last-Modified` that is the time of the response (section 4.3.2).
pub(crate) fn validators(stored: &HeaderMap, received_at: SystemTime) -> Validators<'_> {
    let modified = date(stored, &LAST_MODIFIED).or_else(|| date(stored, &DATE)).unwrap_or(received_at);
    Validators { etag: stored.get(ETAG).map(http::HeaderValue::as_bytes), modified: Some(modified) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue};

    use super::*;

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_validation_has_the_stored_validators_and_nothing_of_the_caller() {
        for (stored, expected) in [
            (&[][..], &[("accept", "a")][..]),
            (&[("etag", "W/\"s\"")], &[("accept", "a"), ("if-none-match", "W/\"s\"")]),
            (&[("last-modified", EARLIER)], &[("accept", "a"), ("if-modified-since", EARLIER)]),
            (
                &[("etag", "\"s\""), ("last-modified", EARLIER)],
                &[("accept", "a"), ("if-none-match", "\"s\""), ("if-modified-since", EARLIER)],
            ),
        ] {
            let mut request = headers(&[
                ("accept", "a"),
                ("if-none-match", "\"c\""),
                ("if-modified-since", LATER),
                ("range", "bytes=0-1"),
                ("if-range", "\"c\""),
            ]);
            let validates = make_conditional(&mut request, &headers(stored));
            assert_eq!(request, headers(expected), "{stored:?}");
            assert_eq!(validates, !stored.is_empty(), "{stored:?}");
        }
    }

    #[test]
    fn the_time_of_a_response_stands_for_its_last_change() {
        let at = |text: &str| httpdate::parse_http_date(text).unwrap();
        let received = at(LATER) + Duration::from_secs(1);
        for (stored, expected) in [
            (&[("last-modified", EARLIER), ("date", LATER)][..], at(EARLIER)),
            (&[("date", LATER)], at(LATER)),
            (&[("last-modified", "x"), ("date", "y")], received),
        ] {
            assert_eq!(validators(&headers(stored), received).modified, Some(expected), "{stored:?}");
        }
    }
}
