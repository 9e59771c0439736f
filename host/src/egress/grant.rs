//! Destinations that the operator allows.

use std::net::IpAddr;
use std::str::FromStr;

use http::Method;
use url::{Host, Url};

/// A destination that the operator allows: an entry of `allow_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// A name or an address, in canonical form.
    pub host: Host<String>,
    /// `None` means the default port of the scheme.
    pub port: Option<u16>,
    /// `http` or `https`; `None` means both.
    pub scheme: Option<String>,
    /// The path must start with this.
    pub path: Option<String>,
    /// `None` means every method.
    pub methods: Option<Vec<Method>>,
    /// Whether a name may resolve to addresses that are not public.
    pub private: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `host`, `host:port` or `scheme://host:port`, found `{0}`")]
pub struct GrantError(pub String);

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let bad = || GrantError(text.to_owned());
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme.to_owned()), rest),
            Some(_) => return Err(bad()),
            None => (None, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', '*']) {
            return Err(bad());
        }
        // The host is parsed as in a URL, so that both have the same canonical form. The port is parsed separately: a URL drops
        // the default port of its scheme, a grant must keep it.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port))
                if !port.ends_with(']') && !host.ends_with(':') && (!host.contains(':') || host.starts_with('[')) =>
            {
                (host, Some(port.parse().map_err(|_| bad())?))
            }
            _ => (rest, None),
        };
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => Host::Ipv6(address),
            _ => Host::parse(host).map_err(|_| bad())?,
        };
        Ok(Self { host: canonical(host), port, scheme, path: None, methods: None, private: false })
    }
}

impl Grant {
    /// Whether the grant covers a request.
    pub(super) fn allows(&self, url: &Url, method: &Method) -> bool {
        self.covers(url)
            && self.path.as_deref().is_none_or(|prefix| is_below(url.path(), prefix))
            && self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }

    /// Whether the grant covers the origin of a URL.
    pub fn covers(&self, url: &Url) -> bool {
        let default_port = if url.scheme() == "https" { 443 } else { 80 };
        url.host().is_some_and(|host| canonical(host.to_owned()) == self.host)
            && self.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme())
            && url.port_or_known_default() == Some(self.port.unwrap_or(default_port))
    }

    /// Whether a connection to `host:port` may use `address`, which is not public. A grant of a literal address or of
    /// `localhost` allows it; a name needs `private`.
    pub(super) fn admits_private(&self, host: &Host<String>, port: u16, address: IpAddr) -> bool {
        let same = self.host == *host && self.port.is_none_or(|granted| granted == port);
        same && (self.private
            || match &self.host {
                Host::Domain(name) => name == "localhost" && address.is_loopback(),
                Host::Ipv4(granted) => address == IpAddr::V4(*granted),
                Host::Ipv6(granted) => address == IpAddr::V6(*granted),
            })
    }
}

/// The form in which hosts are compared: a name without the dot at its end, and an IPv4 address that is written as an IPv6 one
/// (`::ffff:192.0.2.1`) as what it means.
pub(super) fn canonical(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').map(str::to_owned).unwrap_or(name)),
        Host::Ipv6(address) => address.to_ipv4_mapped().map_or(Host::Ipv6(address), Host::Ipv4),
        Host::Ipv4(address) => Host::Ipv4(address),
    }
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(grant: &Grant, url: &str) -> bool {
        grant.allows(&Url::parse(url).unwrap(), &Method::POST)
    }

    #[test]
    fn a_grant_covers_its_host_and_port_only() {
        for (grant, url, expected) in [
            ("127.0.0.1:9000", "http://127.0.0.1:9000/events", true),
            ("127.0.0.1:9000", "http://127.0.0.1:9001/", false),
            ("127.0.0.1:9000", "http://0x7f.1:9000/", true),
            ("127.0.0.1", "http://127.0.0.1/", true),
            ("127.0.0.1", "http://127.0.0.1:9000/", false),
            ("example.com", "https://EXAMPLE.com/", true),
            ("example.com:80", "http://example.com/", true),
            ("example.com", "https://sub.example.com/", false),
            ("https://example.com", "http://example.com/", false),
            ("[::1]:9000", "http://[::1]:9000/", true),
            ("::1", "http://[::1]/", true),
            ("[::ffff:127.0.0.1]:9000", "http://127.0.0.1:9000/", true),
            ("::ffff:127.0.0.1", "http://[::ffff:7f00:1]/", true),
            ("127.0.0.1:9000", "http://[::ffff:127.0.0.1]:9000/", true),
            ("127.0.0.1:9000", "http://[::127.0.0.1]:9000/", false),
            ("example.com.", "https://example.com/", true),
            ("example.com", "https://example.com./", true),
            ("example.com", "https://example.com../", false),
        ] {
            assert_eq!(allows(&grant.parse().unwrap(), url), expected, "{grant} {url}");
        }
    }

    #[test]
    fn a_path_prefix_ends_at_a_segment() {
        let grant = Grant { path: Some("/v1".to_owned()), .."example.com".parse().unwrap() };

        assert!(allows(&grant, "https://example.com/v1/messages"));
        assert!(!allows(&grant, "https://example.com/v10"));
        assert!(!allows(&grant, "https://example.com/v1/../admin"));
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "ftp://example.com",
            "example.com/path",
            "user@example.com",
            "example.com:http",
            "*.example.com",
            "a b",
        ] {
            assert_eq!(text.parse::<Grant>(), Err(GrantError(text.to_owned())));
        }
    }

    #[test]
    fn a_name_needs_leave_to_be_private_an_address_does_not() {
        let address = "10.0.0.7".parse().unwrap();
        let name: Grant = "agent.internal:80".parse().unwrap();
        let literal: Grant = "10.0.0.7:80".parse().unwrap();

        assert!(!name.admits_private(&name.host, 80, address));
        assert!(Grant { private: true, ..name.clone() }.admits_private(&name.host, 80, address));
        assert!(literal.admits_private(&literal.host, 80, address));
        assert!(!literal.admits_private(&literal.host, 80, "10.0.0.8".parse().unwrap()));
        let mapped: Grant = "[::ffff:10.0.0.7]:80".parse().unwrap();
        assert!(mapped.admits_private(&literal.host, 80, address));
        let here: Grant = "localhost.:80".parse().unwrap();
        assert!(here.admits_private(&here.host, 80, "127.0.0.1".parse().unwrap()));
    }
}
