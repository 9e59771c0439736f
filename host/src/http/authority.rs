//! Whom a request is addressed to. A name with a dot at its end is the same name.

use ::http::header::{HOST, HeaderMap};
use ::http::request::Parts;
use ::http::uri::Authority;
use ::http::{Uri, Version};

use super::refusal::Refusal;

/// The host and port that a request names, without a dot at the end of the name; `None` when they are missing, malformed or
/// ambiguous.
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return None;
    }
    let host = host.map(|host| parse_authority(host.as_bytes()));
    match (uri.authority(), host) {
        (Some(authority), None) => parse_authority(authority.as_str().as_bytes()),
        (Some(authority), Some(Some(host))) => {
            parse_authority(authority.as_str().as_bytes()).filter(|authority| *authority == host)
        }
        (None, Some(host)) => host,
        (_, None | Some(None)) => None,
    }
}

/// Parses a host and a port, without a dot at the end of the name; `None` when they are malformed or have a user.
pub(crate) fn parse_authority(text: &[u8]) -> Option<Authority> {
    let authority = Authority::try_from(text).ok().filter(|authority| !authority.as_str().contains('@'))?;
    let Some(name) = authority.host().strip_suffix('.').filter(|name| !name.is_empty()) else {
        return Some(authority);
    };
    let port = &authority.as_str()[authority.host().len()..];
    format!("{name}{port}").parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_at_the_end_makes_no_other_name() {
        for (text, expected) in [
            ("hooks.example.com", Some("hooks.example.com")),
            ("hooks.example.com.", Some("hooks.example.com")),
            ("hooks.example.com.:8080", Some("hooks.example.com:8080")),
            ("hooks.example.com..", Some("hooks.example.com.")),
            ("[::1]:8080", Some("[::1]:8080")),
            ("127.0.0.1.:8080", Some("127.0.0.1:8080")),
            (".", Some(".")),
            ("user@hooks.example.com.", None),
            ("a b", None),
        ] {
            let parsed = parse_authority(text.as_bytes());
            assert_eq!(parsed.as_ref().map(Authority::as_str), expected, "{text}");
        }
    }

    #[test]
    fn two_names_of_a_request_must_be_the_same() {
        let named = |uri: &str, host: &str| {
            let headers = [(HOST, host.parse().unwrap())].into_iter().collect();
            authority(&uri.parse().unwrap(), &headers).map(|authority| authority.to_string())
        };
        assert_eq!(named("http://a.example/", "a.example.").as_deref(), Some("a.example"));
        assert_eq!(named("http://a.example./", "A.example").as_deref(), Some("a.example"));
        assert_eq!(named("http://a.example/", "b.example"), None);
        assert_eq!(named("/", "a.example.").as_deref(), Some("a.example"));
    }
}
