//! Addresses, networks and host names that may call.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::network::parse_network;

/// The time limit of one lookup.
const LOOK_UP_TIME: Duration = Duration::from_secs(5);

/// Addresses, networks and host names whose requests are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    networks: Vec<IpNet>,
    names: Vec<Arc<HostName>>,
}

/// A host name and its addresses at the last lookup.
#[derive(Debug)]
pub struct HostName {
    host: String,
    addresses: ArcSwap<BTreeSet<IpAddr>>,
}

/// The text is neither an address nor a network nor a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address, a network such as `192.0.2.0/24`, or the name of a host")]
pub struct NotAllowed;

impl AllowList {
    /// Adds an address, a network or a host name.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn add(&mut self, text: &str) -> Result<(), NotAllowed> {
        match parse_network(text) {
            Some(network) => self.networks.push(network),
            None => self.names.push(Arc::new(text.parse()?)),
        }
        Ok(())
    }

    /// Whether requests from this address are accepted.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
            || self.names.iter().any(|name| name.addresses.load().contains(&address))
    }

    /// The host names. They have no addresses before [`look_up_names`] has looked them up.
    pub fn names(&self) -> impl Iterator<Item = &Arc<HostName>> {
        self.names.iter()
    }
}

/// Names are equal, whatever addresses they have at the moment.
impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host
    }
}

impl Eq for HostName {}

impl FromStr for HostName {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let is_label = |label: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
        };
        let host = text.strip_suffix('.').unwrap_or(text);
        // A name that ends in a number was meant as an address.
        let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if host.len() > 253 || numeric || !host.split('.').all(is_label) {
            return Err(NotAllowed);
        }
        Ok(Self { host: host.to_owned(), addresses: ArcSwap::default() })
    }
}

impl HostName {
    /// Looks the name up. After a failure the addresses stay unchanged.
    async fn look_up(&self) {
        let found = tokio::time::timeout(LOOK_UP_TIME, tokio::net::lookup_host((self.host.as_str(), 0))).await;
        let reason: &dyn fmt::Display = match &found {
            Ok(Ok(_)) => &"it has no address",
            Ok(Err(error)) => error,
            Err(_) => &"the lookup timed out",
        };
        let reason = reason.to_string();
        let addresses: BTreeSet<IpAddr> =
            found.into_iter().flatten().flatten().map(|address| address.ip().to_canonical()).collect();
        if addresses.is_empty() {
            tracing::warn!(host = %self.host, "Cannot look up a name in `allow_from`, keeping its addresses: {reason}");
        } else if **self.addresses.load() != addresses {
            tracing::debug!(host = %self.host, ?addresses, "HostName in `allow_from` looked up");
            self.addresses.store(Arc::new(addresses));
        }
    }
}

/// Looks all of these names up at once. It takes five seconds at most.
pub async fn look_up_names(names: &[Arc<HostName>]) {
    futures_util::future::join_all(names.iter().map(|name| name.look_up())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        let mut list = AllowList::default();
        entries.iter().for_each(|entry| list.add(entry).unwrap());
        list
    }

    #[test]
    fn addresses_and_networks_are_let_in() {
        let list =
            list(&["192.0.2.7", "198.51.100.77/24", "2001:db8::/32", "::ffff:203.0.113.1", "::ffff:10.0.0.0/104"]);
        for (address, expected) in [
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("198.51.100.1", true),
            ("::ffff:198.51.100.1", true),
            ("198.51.101.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("203.0.113.1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.1.2.3", false),
        ] {
            assert_eq!(list.contains(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.0/33",
            "::ffff:192.0.2.0/129",
            "a b",
            "http://a.example",
            "*.example.com",
            "a..b",
        ] {
            assert_eq!(AllowList::default().add(text), Err(NotAllowed), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_stands_for_the_addresses_it_has() {
        let list = list(&["localhost", "name.invalid"]);
        let here = "127.0.0.1".parse().unwrap();
        assert!(!list.contains(here));

        look_up_names(&list.names().cloned().collect::<Vec<_>>()).await;

        assert!(list.contains(here));
        assert!(!list.contains("192.0.2.1".parse().unwrap()));
    }
}
