//! Which fields of a response are stored (RFC 9111, section 3.1), and what a 304 changes (sections 3.2 and 4.3.4).

use std::time::SystemTime;

use http::header::{
    AGE, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::web::conditions::weakly_equal;

/// Fields that are about a connection, or made for each response.
const NOT_STORED: [HeaderName; 13] = [
    AGE,
    CONNECTION,
    CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields about the stored body, which a 304 does not have.
const OF_THE_BODY: [HeaderName; 2] = [CONTENT_ENCODING, CONTENT_RANGE];

/// The fields of `response` that are stored. Without `Date` it is that of its arrival (RFC 9110, section 6.6.1).
pub(crate) fn stored_fields(response: &HeaderMap, received_at: SystemTime) -> HeaderMap {
    let mut fields = kept(response);
    if !fields.contains_key(DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(received_at))
    {
        fields.insert(DATE, date);
    }
    fields
}

/// Without what is about the connection.
fn kept(response: &HeaderMap) -> HeaderMap {
    let mut fields = response.clone();
    for line in response.get_all(CONNECTION) {
        for name in line.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                fields.remove(name);
            }
        }
    }
    for name in NOT_STORED {
        fields.remove(name);
    }
    fields
}

/// The `stored` fields after a 304.
pub(crate) fn updated(stored: &HeaderMap, not_modified: &HeaderMap) -> HeaderMap {
    let mut news = kept(not_modified);
    for name in OF_THE_BODY {
        news.remove(name);
    }
    let mut fields = stored.clone();
    for name in news.keys() {
        fields.remove(name);
        for value in news.get_all(name) {
            fields.append(name.clone(), value.clone());
        }
    }
    fields
}

/// Whether a 304 is about the stored response: one with another `ETag` is about something else.
pub(crate) fn confirms(not_modified: &HeaderMap, stored: &HeaderMap) -> bool {
    match (not_modified.get(ETAG), stored.get(ETAG)) {
        (Some(confirmed), Some(stored)) => confirmed == stored || weakly_equal(confirmed.as_bytes(), stored.as_bytes()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn fields_of_a_connection_are_not_stored() {
        let response = headers(&[
            ("connection", "close, X-Named"),
            ("x-named", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("age", "7"),
            ("content-length", "3"),
            ("set-cookie", "a=b"),
            ("content-type", "text/plain"),
            ("x-other", "1"),
            ("x-other", "2"),
        ]);
        let kept: [(&str, &str); 3] = [("content-type", "text/plain"), ("x-other", "1"), ("x-other", "2")];
        let arrival = ("date", "Thu, 01 Jan 1970 00:00:00 GMT");
        let expected = headers(&[&kept[..], &[arrival]].concat());
        assert_eq!(stored_fields(&response, SystemTime::UNIX_EPOCH), expected);

        let dated = headers(&[("date", "yesterday")]);
        assert_eq!(stored_fields(&dated, SystemTime::UNIX_EPOCH), dated);
    }

    #[test]
    fn a_304_changes_fields_but_those_of_the_body() {
        let stored = headers(&[
            ("content-encoding", "gzip"),
            ("content-type", "text/plain"),
            ("x-list", "1"),
            ("x-list", "2"),
            ("x-old", "1"),
        ]);
        let not_modified = headers(&[
            ("content-encoding", "br"),
            ("content-length", "100"),
            ("content-range", "bytes 0-1/2"),
            ("content-type", "text/html"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("x-list", "3"),
            ("x-new", "1"),
            ("x-new", "2"),
        ]);
        let expected = headers(&[
            ("content-encoding", "gzip"),
            ("content-type", "text/html"),
            ("x-list", "3"),
            ("x-new", "1"),
            ("x-new", "2"),
            ("x-old", "1"),
        ]);
        assert_eq!(updated(&stored, &not_modified), expected);
    }

    #[test]
    fn a_304_with_another_tag_is_about_something_else() {
        for (confirmed, stored, expected) in [
            (None, None, true),
            (None, Some("\"a\""), true),
            (Some("\"a\""), None, true),
            (Some("\"a\""), Some("\"a\""), true),
            (Some("W/\"a\""), Some("\"a\""), true),
            (Some("a"), Some("a"), true),
            (Some("\"b\""), Some("\"a\""), false),
            (Some("a"), Some("\"a\""), false),
        ] {
            let tagged =
                |tag: Option<&'static str>| headers(&tag.map(|tag| ("etag", tag)).into_iter().collect::<Vec<_>>());
            assert_eq!(confirms(&tagged(confirmed), &tagged(stored)), expected, "{confirmed:?} {stored:?}");
        }
    }
}
