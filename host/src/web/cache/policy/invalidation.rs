//! What a response makes outdated (RFC 9111, sections 4.3.5 and 4.4).

use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, ETAG, HeaderMap, LAST_MODIFIED, LOCATION};
use http::{Method, StatusCode};
use url::Url;

/// Whether a request with this method may change something. Unknown methods may.
pub(crate) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// The addresses whose stored responses are outdated after an unsafe request to `target` was answered like this: the target, and
/// what `Location` and `Content-Location` name at the same origin.
pub(crate) fn outdated(target: &str, status: StatusCode, response: &HeaderMap) -> Vec<String> {
    if !status.is_success() && !status.is_redirection() {
        return Vec::new();
    }
    let mut all = vec![target.to_owned()];
    let Ok(base) = Url::parse(target) else { return all };
    for name in [LOCATION, CONTENT_LOCATION] {
        let named = response.get(name).and_then(|value| value.to_str().ok()).and_then(|value| base.join(value).ok());
        if let Some(mut url) = named.filter(|url| url.origin() == base.origin()) {
            url.set_fragment(None);
            all.push(url.into());
        }
    }
    all
}

/// Whether the response to a `HEAD` shows that the stored response to a `GET`, with a body of `length` bytes, is outdated.
pub(crate) fn contradicts(status: StatusCode, head: &HeaderMap, stored: &HeaderMap, length: usize) -> bool {
    if status != StatusCode::OK {
        return false;
    }
    let differs = |name| matches!((head.get(&name), stored.get(&name)), (Some(new), Some(old)) if new != old);
    let is_other_length = head
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .is_some_and(|stated| stated != length);
    differs(ETAG) || differs(LAST_MODIFIED) || is_other_length
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn methods_that_are_not_known_to_be_safe_are_unsafe() {
        for (method, expected) in [
            ("GET", false),
            ("HEAD", false),
            ("OPTIONS", false),
            ("POST", true),
            ("PUT", true),
            ("PATCH", true),
            ("DELETE", true),
            ("M-SEARCH", true),
            ("get", true),
        ] {
            assert_eq!(is_unsafe(&method.parse().unwrap()), expected, "{method}");
        }
    }

    #[test]
    fn an_answered_change_makes_its_target_and_what_it_names_outdated() {
        const TARGET: &str = "http://h:81/a/b?c";
        for (status, fields, expected) in [
            (200, &[][..], &[TARGET][..]),
            (204, &[], &[TARGET]),
            (303, &[], &[TARGET]),
            (400, &[("location", "/d")], &[]),
            (500, &[], &[]),
            (201, &[("location", "/d?e")], &[TARGET, "http://h:81/d?e"]),
            (201, &[("location", "d#f")], &[TARGET, "http://h:81/a/d"]),
            (201, &[("location", "HTTP://H:81/d")], &[TARGET, "http://h:81/d"]),
            (201, &[("location", "//other/d")], &[TARGET]),
            (201, &[("location", "https://h:81/d")], &[TARGET]),
            (201, &[("location", "http://h/d")], &[TARGET]),
            (201, &[("location", "http://[")], &[TARGET]),
            (200, &[("content-location", "/d")], &[TARGET, "http://h:81/d"]),
            (201, &[("location", "/d"), ("content-location", "/e")], &[TARGET, "http://h:81/d", "http://h:81/e"]),
        ] {
            let found = outdated(TARGET, StatusCode::from_u16(status).unwrap(), &headers(fields));
            assert_eq!(found, expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn the_response_to_head_can_show_that_what_is_stored_is_outdated() {
        let stored = headers(&[("etag", "\"a\""), ("x", "1")]);
        for (status, fields, expected) in [
            (200, &[("etag", "\"a\"")][..], false),
            (200, &[("etag", "\"b\"")], true),
            (200, &[("last-modified", "today")], false),
            (200, &[("content-length", "3")], false),
            (200, &[("content-length", "4")], true),
            (200, &[("x", "2")], false),
            (404, &[("content-length", "4")], false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(contradicts(status, &headers(fields), &stored, 3), expected, "{status} {fields:?}");
        }
    }
}
