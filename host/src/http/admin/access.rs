//! Who may use the admin API.

use ::http::header::{AUTHORIZATION, FORWARDED, HeaderMap, ORIGIN, VIA};
use ::http::request::Parts;
use ::http::uri::Authority;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::verify::Secret;

use crate::http::authority::{authority, parse_authority};
use crate::http::refusal::Refusal;
use crate::http::server::peer::Peer;

/// Refuses a caller that may not use the admin API.
///
/// With a token, every caller that sends it may. Without one, only programs on this machine may, if they connect directly and
/// under a name of this machine. A proxy that identifies itself is refused, and so is a web page with a rebound name; a silent
/// proxy on this machine cannot be told from any other program.
pub(crate) fn check(token: Option<&Secret>, peer: &Peer, head: &Parts) -> Result<(), Refusal> {
    let headers = &head.headers;
    let authority = authority(&head.uri, headers);
    match token {
        Some(token) if has_token(token, headers) => {}
        Some(_) => return Err(Refusal::Unauthorized),
        None => check_local(peer, authority.as_ref(), headers)?,
    }
    if !head.method.is_safe() && !is_same_origin(authority.as_ref(), headers) {
        return Err(Refusal::Forbidden("the request comes from a page of another origin"));
    }
    Ok(())
}

fn has_token(token: &Secret, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some((scheme, given)) = value.as_bytes().split_at_checked("bearer ".len()) else { return false };
    // Digests have one length, so the time does not even show the length of the token.
    scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(Sha256::digest(given).ct_eq(&Sha256::digest(token.expose())))
}

fn check_local(peer: &Peer, authority: Option<&Authority>, headers: &HeaderMap) -> Result<(), Refusal> {
    let is_loopback = |address: std::net::SocketAddr| address.ip().to_canonical().is_loopback();
    if !is_loopback(peer.local) || !is_loopback(peer.remote) {
        return Err(Refusal::Forbidden("without a token the admin API answers only callers on the same machine"));
    }
    let forwarded = |name: &str| name.starts_with("x-forwarded-");
    if headers.contains_key(FORWARDED)
        || headers.contains_key(VIA)
        || headers.keys().any(|name| forwarded(name.as_str()))
    {
        return Err(Refusal::Forbidden("without a token the admin API answers no request from a proxy"));
    }
    let default = if peer.is_encrypted { 443 } else { 80 };
    let named = authority.is_some_and(|authority| {
        names_loopback(authority.host()) && authority.port_u16().unwrap_or(default) == peer.local.port()
    });
    if named { Ok(()) } else { Err(Refusal::Forbidden("`host` does not name the loopback address of this machine")) }
}

fn names_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether no page sent the request, or a page of this very origin.
fn is_same_origin(authority: Option<&Authority>, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next(), authority) {
        (None, ..) => true,
        (Some(origin), None, Some(authority)) => {
            let origin = origin.to_str().unwrap_or_default();
            let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            own.and_then(|own| parse_authority(own.as_bytes())).is_some_and(|own| own == *authority)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ::http::{Method, Request};

    use super::*;
    use crate::http::server::peer::Origin;

    const HERE: &str = "127.0.0.1:8080";

    fn decide(
        token: Option<&str>,
        ends: (&str, &str),
        method: Method,
        headers: &[(&'static str, &str)],
    ) -> &'static str {
        let token = token.map(|token| Secret::new(token.as_bytes().to_vec()).unwrap());
        let peer = Peer {
            local: ends.0.parse().unwrap(),
            remote: ends.1.parse().unwrap(),
            origin: Origin::Named,
            is_encrypted: false,
            certificate: None,
        };
        let mut request = Request::builder().method(method).uri("/admin/stats");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        match check(token.as_ref(), &peer, &head) {
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
            (LOCAL, &[("host", "localhost.:8080")], "answered"),
            (LOCAL, &[("host", "localhost..:8080")], "403"),
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
    fn requests_that_change_something_are_not_accepted_from_foreign_pages() {
        for (origin, expected) in [
            (&[][..], "answered"),
            (&["http://127.0.0.1:8080"], "answered"),
            (&["http://127.0.0.1:8080/"], "403"),
            (&["http://user@127.0.0.1:8080"], "403"),
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
