//! Preconditions of requests (RFC 9110, section 13).

use std::time::{Duration, SystemTime};

use http::Method;
use http::header::{HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};

/// The validators of what is there now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The value of `ETag`.
    pub(crate) etag: Option<&'a [u8]>,
    pub(crate) modified: Option<SystemTime>,
}

/// What the preconditions of a request lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates all preconditions but `If-Range`, in the order of section 13.2.2.
pub(crate) fn evaluate(method: &Method, headers: &HeaderMap, current: Validators<'_>) -> Verdict {
    let holds = if headers.contains_key(IF_MATCH) {
        current.etag.is_some_and(|etag| listed(headers, &IF_MATCH, etag, strongly_equal))
    } else {
        match (date(headers, &IF_UNMODIFIED_SINCE), current.modified) {
            (Some(limit), Some(modified)) => whole_seconds(modified) <= limit,
            _ => true,
        }
    };
    if !holds {
        return Verdict::Failed;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match (is_unchanged(headers, current), reads) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) if headers.contains_key(IF_NONE_MATCH) => Verdict::Failed,
        (true, false) => Verdict::Proceed,
    }
}

/// Whether the caller has `current` already, by `If-None-Match`, or without it by `If-Modified-Since`.
pub(crate) fn is_unchanged(headers: &HeaderMap, current: Validators<'_>) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return listed(headers, &IF_NONE_MATCH, current.etag.unwrap_or_default(), weakly_equal);
    }
    match (date(headers, &IF_MODIFIED_SINCE), current.modified) {
        (Some(since), Some(modified)) => whole_seconds(modified) <= since,
        _ => false,
    }
}

/// Whether the `Range` of the request applies to `current`: the caller has other parts of just this.
pub(crate) fn range_applies(headers: &HeaderMap, current: Validators<'_>) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else { return true };
    match current.etag {
        Some(etag) if strongly_equal(condition.as_bytes(), etag) => true,
        _ => match (date(headers, &IF_RANGE), current.modified) {
            (Some(at), Some(modified)) => whole_seconds(modified) == at,
            _ => false,
        },
    }
}

/// Whether `etag` is one of those in the field `name`; `*` is every one.
fn listed(headers: &HeaderMap, name: &HeaderName, etag: &[u8], equal: fn(&[u8], &[u8]) -> bool) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.as_bytes().trim_ascii() == b"*" || EntityTags(line.as_bytes()).any(|listed| equal(listed, etag))
    })
}

/// The entity tags of a list. It ends at what is none.
struct EntityTags<'a>(&'a [u8]);

impl<'a> Iterator for EntityTags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.0 {
            self.0 = rest;
        }
        let opaque = self.0.strip_prefix(b"W/").unwrap_or(self.0);
        let prefix = self.0.len() - opaque.len();
        let inner = opaque.strip_prefix(b"\"")?;
        let end = prefix + 2 + inner.iter().position(|byte| *byte == b'"')?;
        let (tag, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(tag)
    }
}

pub(crate) fn weakly_equal(one: &[u8], other: &[u8]) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    is_tag(one) && opaque(one) == opaque(other)
}

fn strongly_equal(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(b"\"") && is_tag(one) && one == other
}

fn is_tag(text: &[u8]) -> bool {
    let opaque = text.strip_prefix(b"W/").unwrap_or(text);
    opaque.len() >= 2 && opaque.starts_with(b"\"") && opaque.ends_with(b"\"")
}

/// The time in the field `name`; `None` when it is missing or no HTTP date.
pub(crate) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// HTTP dates have no fractions of seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OLDER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEWER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn current(etag: Option<&'static str>) -> Validators<'static> {
        // With a fraction that no date of a request has.
        let modified = httpdate::parse_http_date(SAME).unwrap() + Duration::from_millis(500);
        Validators { etag: etag.map(str::as_bytes), modified: Some(modified) }
    }

    #[test]
    fn preconditions_are_evaluated_in_order() {
        use Verdict::{Failed, NotModified, Proceed};

        for (fields, expected) in [
            (&[][..], Proceed),
            (&[("if-none-match", r#""a""#)], NotModified),
            (&[("if-none-match", r#"W/"a""#)], NotModified),
            (&[("if-none-match", r#""b", "a""#)], NotModified),
            (&[("if-none-match", r#""b,"a""#)], Proceed),
            (&[("if-none-match", r#""b"  ,,W/"a""#)], NotModified),
            (&[("if-none-match", r#""b""#), ("if-none-match", r#""a""#)], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "a")], Proceed),
            (&[("if-none-match", "")], Proceed),
            (&[("if-none-match", r#""b""#)], Proceed),
            (&[("if-none-match", r#""b""#), ("if-modified-since", SAME)], Proceed),
            (&[("if-none-match", r#""a""#), ("if-modified-since", OLDER)], NotModified),
            (&[("if-modified-since", OLDER)], Proceed),
            (&[("if-modified-since", SAME)], NotModified),
            (&[("if-modified-since", NEWER)], NotModified),
            (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            (&[("if-modified-since", "Sun Nov  6 08:49:37 1994")], NotModified),
            (&[("if-modified-since", "yesterday")], Proceed),
            (&[("if-match", r#""a""#)], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", r#"W/"a""#)], Failed),
            (&[("if-match", r#""b""#)], Failed),
            (&[("if-match", r#""b""#), ("if-none-match", r#""a""#)], Failed),
            (&[("if-match", r#""a""#), ("if-none-match", r#""a""#)], NotModified),
            (&[("if-match", r#""a""#), ("if-unmodified-since", OLDER)], Proceed),
            (&[("if-unmodified-since", OLDER)], Failed),
            (&[("if-unmodified-since", SAME)], Proceed),
            (&[("if-unmodified-since", "yesterday")], Proceed),
        ] {
            let found = evaluate(&Method::GET, &headers(fields), current(Some(r#""a""#)));
            assert_eq!(found, expected, "{fields:?}");
        }
    }

    #[test]
    fn a_weak_tag_does_not_match_strongly() {
        let weak = current(Some(r#"W/"a""#));
        for (fields, expected) in [
            (&[("if-match", r#"W/"a""#)][..], Verdict::Failed),
            (&[("if-none-match", r#"W/"a""#)], Verdict::NotModified),
            (&[("if-none-match", r#""a""#)], Verdict::NotModified),
        ] {
            assert_eq!(evaluate(&Method::GET, &headers(fields), weak), expected, "{fields:?}");
        }
    }

    #[test]
    fn methods_that_write_fail_where_reading_ones_are_not_modified() {
        let current = current(Some(r#""a""#));
        for (fields, expected) in [
            (&[("if-none-match", "*")][..], Verdict::Failed),
            (&[("if-none-match", r#""b""#)], Verdict::Proceed),
            (&[("if-modified-since", NEWER)], Verdict::Proceed),
        ] {
            assert_eq!(evaluate(&Method::PUT, &headers(fields), current), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_range_applies_to_just_what_the_caller_has() {
        let strong = current(Some(r#""a""#));
        let weak = current(Some(r#"W/"a""#));
        for (validators, condition, expected) in [
            (strong, None, true),
            (strong, Some(r#""a""#), true),
            (strong, Some(r#""b""#), false),
            (weak, Some(r#"W/"a""#), false),
            (strong, Some(SAME), true),
            (strong, Some(NEWER), false),
            (strong, Some("a"), false),
        ] {
            let fields: Vec<_> = condition.iter().map(|value| ("if-range", *value)).collect();
            assert_eq!(range_applies(&headers(&fields), validators), expected, "{condition:?}");
        }
    }
}
