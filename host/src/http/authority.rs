//! Whom a request is addressed to.

use ::http::header::{HOST, HeaderMap};
use ::http::request::Parts;
use ::http::uri::Authority;
use ::http::{Uri, Version};

use super::refusal::Refusal;

/// The host and port that a request names; `None` when they are missing, malformed or ambiguous.
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

/// Whether the request names one of these hosts; an empty list admits any.
pub(crate) fn is_addressed_to(hosts: &[String], head: &Parts) -> bool {
    let named = || authority(&head.uri, &head.headers);
    hosts.is_empty() || named().is_some_and(|named| hosts.iter().any(|host| host.eq_ignore_ascii_case(named.host())))
}

/// One `Host`, as HTTP/1.1 asks for (RFC 9112, section 3.2): with two, two readers could disagree about the request.
pub(crate) fn check_host(head: &Parts) -> Result<(), Refusal> {
    match (head.headers.get_all(HOST).iter().count(), head.version) {
        (0, Version::HTTP_11) => Err(Refusal::Host("`host` is missing")),
        (0 | 1, _) => Ok(()),
        _ => Err(Refusal::Host("`host` is given more than once")),
    }
}
