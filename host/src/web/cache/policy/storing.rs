//! Which responses are stored (RFC 9111, section 3).

use http::header::{AUTHORIZATION, COOKIE, ETAG, HeaderMap, LAST_MODIFIED, SET_COOKIE, VARY};
use http::{Method, StatusCode};

use super::cache_control::{Directives, Seconds};
use super::vary::names;

/// Final status codes without a meaning that a cache would have to know more of: not 206, 304, 401, 407, 412, 416, 426.
const KNOWN: [u16; 23] =
    [200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 406, 410, 414, 421, 451, 500, 501, 502, 503, 504];

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unstorable {
    Method,
    Status,
    NoStore,
    Private,
    Vary,
    SetCookie,
    Authorization,
    Cookie,
    /// It does not say how long it is fresh.
    NoLifetime,
    /// Nobody could use it, because it is never fresh and cannot be validated.
    Useless,
}

/// A request and its response, as the rules see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads<'a> {
    pub(crate) method: &'a Method,
    pub(crate) request: &'a HeaderMap,
    pub(crate) status: StatusCode,
    pub(crate) response: &'a HeaderMap,
}

/// Whether a response with these `stated` directives may be stored. `fresh` says whether it is fresh, `None` that it does not
/// say how long it is.
pub(crate) fn may_store(
    heads: Heads<'_>,
    asked: &Directives,
    stated: &Directives,
    fresh: Option<bool>,
) -> Result<(), Unstorable> {
    let Heads { method, request, status, response } = heads;
    if method != Method::GET {
        return Err(Unstorable::Method);
    }
    if !KNOWN.contains(&status.as_u16()) {
        return Err(Unstorable::Status);
    }
    // A response that says `must-understand` has `no-store` for caches that do not know the directive (section 5.2.2.3).
    if asked.no_store || (stated.no_store && !stated.must_understand) {
        return Err(Unstorable::NoStore);
    }
    if stated.private {
        return Err(Unstorable::Private);
    }
    if response.contains_key(VARY) && names(response).is_none() {
        return Err(Unstorable::Vary);
    }
    if response.contains_key(SET_COOKIE) {
        return Err(Unstorable::SetCookie);
    }
    let for_all = stated.public || stated.s_maxage != Seconds::Absent;
    if request.contains_key(AUTHORIZATION) && !for_all && !stated.must_revalidate {
        return Err(Unstorable::Authorization);
    }
    if request.contains_key(COOKIE) && !for_all {
        return Err(Unstorable::Cookie);
    }
    let fresh = fresh.ok_or(Unstorable::NoLifetime)?;
    let outlives = stated.stale_while_revalidate != Seconds::Absent || stated.stale_if_error != Seconds::Absent;
    let validates = response.contains_key(ETAG) || response.contains_key(LAST_MODIFIED);
    if (!fresh || stated.no_cache) && !validates && (!outlives || stated.no_cache) {
        return Err(Unstorable::Useless);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::super::cache_control::directives;
    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn headers(fields: Fields) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn stored(method: &Method, request: Fields, status: u16, response: Fields, fresh: bool) -> Result<(), Unstorable> {
        let (request, response) = (headers(request), headers(response));
        let (asked, stated) = (directives(&request), directives(&response));
        let says = stated.max_age != Seconds::Absent || stated.s_maxage != Seconds::Absent;
        let says = says || response.contains_key("expires");
        let status = StatusCode::from_u16(status).unwrap();
        let heads = Heads { method, request: &request, status, response: &response };
        may_store(heads, &asked, &stated, says.then_some(fresh))
    }

    #[test]
    fn only_what_may_be_shared_is_stored() {
        use Unstorable::{Authorization, Cookie, NoLifetime, NoStore, Private, SetCookie, Vary};

        const FRESH: Fields = &[("cache-control", "max-age=9")];
        const CREDENTIALS: Fields = &[("authorization", "Basic x")];
        const COOKIES: Fields = &[("cookie", "a=b")];
        for (request, response, expected) in [
            (&[][..], FRESH, Ok(())),
            (&[], &[("expires", "tomorrow")], Ok(())),
            (&[], &[], Err(NoLifetime)),
            (&[], &[("last-modified", "yesterday"), ("etag", "\"a\"")], Err(NoLifetime)),
            (&[], &[("cache-control", "public")], Err(NoLifetime)),
            (&[("cache-control", "no-store")], FRESH, Err(NoStore)),
            (&[("cache-control", "no-cache, max-age=0")], FRESH, Ok(())),
            (&[], &[("cache-control", "max-age=9, no-store")], Err(NoStore)),
            (&[], &[("cache-control", "max-age=9, no-store, must-understand")], Ok(())),
            (&[], &[("cache-control", "max-age=9, private")], Err(Private)),
            (&[], &[("cache-control", "max-age=9, private=\"x\"")], Err(Private)),
            (&[], &[("cache-control", "max-age=9, private, public")], Err(Private)),
            (&[], &[("cache-control", "max-age=9"), ("vary", "accept")], Ok(())),
            (&[], &[("cache-control", "max-age=9"), ("vary", "*")], Err(Vary)),
            (&[], &[("cache-control", "max-age=9"), ("vary", "accept"), ("vary", "a, *")], Err(Vary)),
            (&[], &[("cache-control", "max-age=9"), ("vary", "a b")], Err(Vary)),
            (&[], &[("cache-control", "max-age=9, public"), ("set-cookie", "a=b")], Err(SetCookie)),
            (CREDENTIALS, FRESH, Err(Authorization)),
            (CREDENTIALS, &[("cache-control", "max-age=9, public")], Ok(())),
            (CREDENTIALS, &[("cache-control", "s-maxage=9")], Ok(())),
            (CREDENTIALS, &[("cache-control", "max-age=9, must-revalidate")], Ok(())),
            (CREDENTIALS, &[("cache-control", "max-age=9, proxy-revalidate")], Err(Authorization)),
            (COOKIES, FRESH, Err(Cookie)),
            (COOKIES, &[("cache-control", "max-age=9, public")], Ok(())),
            (COOKIES, &[("cache-control", "s-maxage=9")], Ok(())),
            (COOKIES, &[("cache-control", "max-age=9, must-revalidate")], Err(Cookie)),
        ] {
            assert_eq!(stored(&Method::GET, request, 200, response, true), expected, "{request:?} {response:?}");
        }
    }

    #[test]
    fn what_nobody_could_use_is_not_stored() {
        const TAG: (&str, &str) = ("etag", "\"a\"");
        for (response, fresh, expected) in [
            (&[("cache-control", "max-age=0")][..], false, Err(Unstorable::Useless)),
            (&[("cache-control", "max-age=0"), TAG], false, Ok(())),
            (&[("cache-control", "max-age=0"), ("last-modified", "x")], false, Ok(())),
            (&[("cache-control", "max-age=0, stale-if-error=9")], false, Ok(())),
            (&[("cache-control", "max-age=0, stale-while-revalidate=9")], false, Ok(())),
            (&[("cache-control", "max-age=9, no-cache")], true, Err(Unstorable::Useless)),
            (&[("cache-control", "max-age=9, no-cache, stale-if-error=9")], true, Err(Unstorable::Useless)),
            (&[("cache-control", "max-age=9, no-cache"), TAG], true, Ok(())),
        ] {
            assert_eq!(stored(&Method::GET, &[], 200, response, fresh), expected, "{response:?}");
        }
    }

    #[test]
    fn only_responses_to_get_with_a_known_status_are_stored() {
        const FRESH: Fields = &[("cache-control", "max-age=9, public")];
        for (status, known) in [
            (200, true),
            (203, true),
            (204, true),
            (206, false),
            (299, false),
            (301, true),
            (302, true),
            (304, false),
            (308, true),
            (401, false),
            (404, true),
            (410, true),
            (412, false),
            (416, false),
            (499, false),
            (503, true),
            (599, false),
        ] {
            let expected = if known { Ok(()) } else { Err(Unstorable::Status) };
            assert_eq!(stored(&Method::GET, &[], status, FRESH, true), expected, "{status}");
        }
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            assert_eq!(stored(&method, &[], 200, FRESH, true), Err(Unstorable::Method), "{method}");
        }
    }

    #[test]
    fn must_understand_does_not_lift_no_store_of_an_unknown_status() {
        const BOTH: Fields = &[("cache-control", "max-age=9, no-store, must-understand")];
        assert_eq!(stored(&Method::GET, &[], 299, BOTH, true), Err(Unstorable::Status));
    }
}
