//! Which requests the cache has nothing to do with.

use http::Method;
use http::header::{HeaderMap, IF_MATCH, IF_UNMODIFIED_SINCE};

/// Whether a request goes to the backend as it is, whatever is stored. `If-Match` and `If-Unmodified-Since` are for origins
/// only (RFC 9111, section 4.3.2).
pub(crate) fn passes(method: &Method, headers: &HeaderMap) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
        || headers.contains_key(IF_MATCH)
        || headers.contains_key(IF_UNMODIFIED_SINCE)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_reads_without_preconditions_for_origins_are_for_the_cache() {
        for (method, field, expected) in [
            (Method::GET, None, false),
            (Method::HEAD, None, false),
            (Method::POST, None, true),
            (Method::OPTIONS, None, true),
            (Method::GET, Some("if-none-match"), false),
            (Method::GET, Some("range"), false),
            (Method::GET, Some("if-match"), true),
            (Method::GET, Some("if-unmodified-since"), true),
        ] {
            let value = |name| (HeaderName::from_static(name), HeaderValue::from_static("\"a\""));
            assert_eq!(passes(&method, &field.map(value).into_iter().collect()), expected, "{method} {field:?}");
        }
    }
}
