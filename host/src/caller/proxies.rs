//! Trusted proxies, and the client addresses that they report.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header with the client address. Only one is read, because a caller can forge the one that the proxy does not write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Proxies whose forwarding header is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<IpNet>,
    /// The header that they write.
    pub header: ForwardedHeader,
}

impl TrustedProxies {
    /// The client address of a request from `peer`: the last address on its way that is not a trusted proxy.
    ///
    /// The header is read from the end, because each proxy appends the address that it saw. Everything before an untrusted address
    /// can be forged. An entry that is not an address ends the search at the proxy that wrote it.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        for value in headers.get_all(name).iter().rev() {
            // As bytes: invalid text from a caller must not hide the entry of the proxy.
            for hop in pieces_from_end(value.as_bytes(), b',') {
                let hop = match self.header {
                    ForwardedHeader::XForwardedFor => address(hop),
                    ForwardedHeader::Forwarded => forwarded_for(hop).and_then(address),
                };
                let Some(hop) = hop else { return client };
                client = hop;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }

    /// Whether the address belongs to a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address, with or without a port and brackets.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|address| address.to_canonical())
}

/// The value of `for` in one element of `Forwarded`; `None` if it occurs twice.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut values = pieces_from_end(element, b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        pair[..at].trim_ascii().eq_ignore_ascii_case(b"for").then_some(pair[at + 1..].trim_ascii())
    });
    let (value, None) = (values.next()?, values.next()) else { return None };
    Some(value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value))
}

/// The items of a list, last one first. Separators in quotes do not count. Parsing starts at the end, because the caller wrote
/// the beginning.
fn pieces_from_end(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let mut quoted = false;
        let found = (0..list.len()).rev().find(|index| {
            // Only counted at quotes, so that the time stays linear.
            let escapes = || list[..*index].iter().rev().take_while(|byte| **byte == b'\\').count();
            if list[*index] == b'"' && escapes() % 2 == 0 {
                quoted = !quoted;
            }
            list[*index] == separator && !quoted
        });
        rest = found.map(|index| &list[..index]);
        Some(found.map_or(list, |index| &list[index + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, values: &[(&'static str, &[u8])]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|network| network.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        TrustedProxies { networks, header }.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_a_trusted_proxy_counts() {
        const NAME: &str = "x-forwarded-for";
        for (peer, values, expected) in [
            ("192.0.2.1", &[(NAME, &b"198.51.100.7"[..])][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", &[(NAME, b"198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"203.0.113.9, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"203.0.113.9, 198.51.100.7, 10.0.0.2")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"203.0.113.9"), (NAME, b"198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"10.0.0.3,10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", &[(NAME, b"198.51.100.7:4711")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"[2001:db8::7]:4711")], "2001:db8::7"),
            ("10.0.0.1", &[(NAME, b"2001:db8::7")], "2001:db8::7"),
            ("2001:db8:ffff::1", &[(NAME, b"::ffff:198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"198.51.100.7, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(NAME, b"198.51.100.7, nonsense, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[(NAME, b"\xff, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(NAME, b"198.51.100.7, \xff")], "10.0.0.1"),
            ("10.0.0.1", &[(NAME, b"")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", b"for=198.51.100.7")], "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, values), expected, "{peer} {values:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_chosen() {
        const NAME: &str = "forwarded";
        for (values, expected) in [
            (&[(NAME, &b"for=198.51.100.7;proto=https"[..])][..], "198.51.100.7"),
            (&[(NAME, b"for=203.0.113.9, proto=https; For=\"[2001:db8::7]:4711\"")], "2001:db8::7"),
            (&[(NAME, b"for=198.51.100.7;host=\"a,for=10.1.2.3;x=\"")], "198.51.100.7"),
            (&[(NAME, b"host=\"a,for=10.1.2.3;x=\";for=198.51.100.7")], "198.51.100.7"),
            (&[(NAME, b"for=\"x, for=198.51.100.7")], "198.51.100.7"),
            (&[(NAME, b"for=198.51.100.7;for=203.0.113.9")], "10.0.0.1"),
            (&[(NAME, b"for=_hidden")], "10.0.0.1"),
            (&[(NAME, b"by=10.0.0.1")], "10.0.0.1"),
            (&[("x-forwarded-for", b"198.51.100.7")], "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", values), expected, "{values:?}");
        }
    }
}
