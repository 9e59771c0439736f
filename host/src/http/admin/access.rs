//! Who may use the admin API.

use ::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, ORIGIN, VIA};
use ::http::uri::Authority;
use ::http::{Method, Uri};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::verify::Secret;

use crate::http::refusal::Refusal;
use crate::http::server::connection::Ends;

/// Refuses a caller that may not use the admin API.
///
/// With a token: whoever has it. Without one: programs on this machine that came here directly and under a name of this
/// machine. A proxy that says it is one is refused, and so is a web page with a rebound name; a proxy on this machine that
/// says nothing cannot be told from a program.
pub(crate) fn check(
    token: Option<&Secret>,
    ends: &Ends,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let authority = authority(uri, headers);
    match token {
        Some(token) if has_token(token, headers) => {}
        Some(_) => return Err(Refusal::Unauthorized),
        None => check_local(ends, authority.as_ref(), headers)?,
    }
    if !method.is_safe() && !is_same_origin(authority.as_ref(), headers) {
        return Err(Refusal::Forbidden("the request comes from a page of another origin"));
    }
    Ok(())
}

fn has_token(token: &Secret, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some((scheme, given)) = value.as_bytes().split_at_checked("bearer ".len()) else { return false };
    // Digests are of one length, so that not even the token's length shows in the time.
    scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(Sha256::digest(given).ct_eq(&Sha256::digest(token.expose())))
}

fn check_local(ends: &Ends, authority: Option<&Authority>, headers: &HeaderMap) -> Result<(), Refusal> {
    let is_loopback = |address: std::net::SocketAddr| address.ip().to_canonical().is_loopback();
    if !is_loopback(ends.local) || !is_loopback(ends.peer) {
        return Err(Refusal::Forbidden("without a token the admin API answers only callers on the same machine"));
    }
    let forwarded = |name: &str| name.starts_with("x-forwarded-");
    if headers.contains_key(FORWARDED)
        || headers.contains_key(VIA)
        || headers.keys().any(|name| forwarded(name.as_str()))
    {
        return Err(Refusal::Forbidden("without a token the admin API answers no request that a proxy passed on"));
    }
    let default = if ends.is_encrypted { 443 } else { 80 };
    let named = authority.is_some_and(|authority| {
        names_loopback(authority.host()) && authority.port_u16().unwrap_or(default) == ends.local.port()
    });
    if named { Ok(()) } else { Err(Refusal::Forbidden("`host` does not name this machine's loopback address")) }
}

/// Whom the request is addressed to; none when that is missing, malformed or ambiguous.
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return None;
    }
    let host = host.map(|host| Authority::try_from(host.as_bytes()));
    let authority = match (uri.authority(), host) {
        (Some(authority), None) => authority.clone(),
        (Some(authority), Some(Ok(host))) if host == *authority => host,
        (None, Some(Ok(host))) => host,
        _ => return None,
    };
    (!authority.as_str().contains('@')).then_some(authority)
}

fn names_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether no page, or one of this very origin, sent the request.
fn is_same_origin(authority: Option<&Authority>, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next(), authority) {
        (None, ..) => true,
        (Some(origin), None, Some(authority)) => {
            let origin = origin.to_str().unwrap_or_default();
            let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            own.is_some_and(|own| own.eq_ignore_ascii_case(authority.as_str()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;
    use crate::http::server::connection::Origin;

    const HERE: &str = "127.0.0.1:8080";

    fn decide(
        token: Option<&str>,
        ends: (&str, &str),
        method: Method,
        headers: &[(&'static str, &str)],
    ) -> &'static str {
        let token = token.map(|token| Secret::new(token.as_bytes().to_vec()).unwrap());
        let ends = Ends {
            local: ends.0.parse().unwrap(),
            peer: ends.1.parse().unwrap(),
            origin: Origin::Named,
            is_encrypted: false,
            certificate: None,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        match check(token.as_ref(), &ends, &method, &Uri::from_static("/admin/stats"), &map) {
            Ok(()) => "answered",
            Err(Refusal::Unauthorized) => "401",
            Err(Refusal::Forbidden(_)) => "403",
            Err(_) => "something else",
        }
    }

    #[test]
    fn without_a_token_only_this_machine_is_answered() {
        const LOCAL: (&str, &str) = (HERE, "127.0.0.1:50000");
        for (ends, headers, expected) in [
            (LOCAL, &[("host", HERE)][..], "answered"),
            (LOCAL, &[("host", "localhost:8080")], "answered"),
            (LOCAL, &[("host", "LOCALHOST:8080")], "answered"),
            (("[::1]:8080", "[::1]:50000"), &[("host", "[::1]:8080")], "answered"),
            (("[::ffff:127.0.0.1]:8080", "[::ffff:127.0.0.1]:9"), &[("host", HERE)], "answered"),
            (("127.0.0.1:80", "127.0.0.1:9"), &[("host", "localhost")], "answered"),
            (LOCAL, &[], "403"),
            (LOCAL, &[("host", "localhost")], "403"),
            (LOCAL, &[("host", "localhost:8081")], "403"),
            (LOCAL, &[("host", "evil.example:8080")], "403"),
            (LOCAL, &[("host", "localhost.evil.example:8080")], "403"),
            (LOCAL, &[("host", "127.0.0.1@evil.example:8080")], "403"),
            (LOCAL, &[("host", "user@127.0.0.1:8080")], "403"),
            (LOCAL, &[("host", HERE), ("host", HERE)], "403"),
            (LOCAL, &[("host", HERE), ("forwarded", "for=1.2.3.4")], "403"),
            (LOCAL, &[("host", HERE), ("x-forwarded-for", "127.0.0.1")], "403"),
            (LOCAL, &[("host", HERE), ("x-forwarded-host", HERE)], "403"),
            (LOCAL, &[("host", HERE), ("via", "1.1 proxy")], "403"),
            ((HERE, "10.0.0.1:50000"), &[("host", HERE)], "403"),
            (("10.0.0.2:8080", "127.0.0.1:50000"), &[("host", HERE)], "403"),
        ] {
            assert_eq!(decide(None, ends, Method::GET, headers), expected, "{ends:?} {headers:?}");
        }
    }

    #[test]
    fn with_a_token_whoever_has_it_is_answered() {
        const REMOTE: (&str, &str) = ("10.0.0.2:8080", "10.0.0.1:50000");
        for (headers, expected) in [
            (&[("authorization", "Bearer sesame")][..], "answered"),
            (&[("authorization", "bearer sesame"), ("x-forwarded-for", "1.2.3.4")], "answered"),
            (&[], "401"),
            (&[("authorization", "Bearer sesam")], "401"),
            (&[("authorization", "Bearer sesame ")], "401"),
            (&[("authorization", "Bearer")], "401"),
            (&[("authorization", "Basic sesame")], "401"),
            (&[("authorization", "Bearer sesame"), ("authorization", "Bearer sesame")], "401"),
        ] {
            assert_eq!(decide(Some("sesame"), REMOTE, Method::GET, headers), expected, "{headers:?}");
        }
        assert_eq!(decide(Some("sesame"), (HERE, HERE), Method::GET, &[("host", HERE)]), "401");
    }

    #[test]
    fn what_changes_something_is_not_taken_from_foreign_pages() {
        for (origin, expected) in [
            (&[][..], "answered"),
            (&["http://127.0.0.1:8080"], "answered"),
            (&["http://localhost:8080"], "403"),
            (&["http://127.0.0.1:9090"], "403"),
            (&["https://evil.example"], "403"),
            (&["null"], "403"),
            (&["http://127.0.0.1:8080", "https://evil.example"], "403"),
        ] {
            let headers: Vec<_> =
                [("host", HERE)].into_iter().chain(origin.iter().map(|origin| ("origin", *origin))).collect();

            assert_eq!(decide(None, (HERE, "127.0.0.1:9"), Method::POST, &headers), expected, "{origin:?}");
            assert_eq!(decide(None, (HERE, "127.0.0.1:9"), Method::GET, &headers), "answered", "{origin:?}");
        }
    }
}
