//! Networks as lists name them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// The bits before the IPv4 address in an IPv6 one that stands for it.
const MAPPED: u8 = 96;

/// The network or the single address that `text` names.
///
/// Addresses of callers are compared in their short form, so IPv4 networks that are written as IPv6 ones
/// (`::ffff:192.0.2.0/120`) become what they mean.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    Some(mapped(&network).map_or(network, IpNet::V4))
}

/// The IPv4 network that an IPv6 one stands for.
fn mapped(network: &IpNet) -> Option<Ipv4Net> {
    let IpNet::V6(network) = network else { return None };
    let length = network.prefix_len().checked_sub(MAPPED)?;
    let address: Ipv4Addr = network.addr().to_ipv4_mapped()?;
    Ipv4Net::new(address, length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_it_means() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("::/0", Some("::/0")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("::ffff:192.0.2.7/128", Some("192.0.2.7/32")),
            ("::ffff:192.0.2.7/120", Some("192.0.2.0/24")),
            ("::ffff:a00:0/104", Some("10.0.0.0/8")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            ("::192.0.2.0/120", Some("::c000:200/120")),
            ("192.0.2.0/33", None),
            ("::ffff:192.0.2.0/129", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(parse_network(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
    }
}
