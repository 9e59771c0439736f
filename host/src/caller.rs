//! Access control before a request is read: callers, addresses, proxies, rates.
//!
//! This module owns the allow lists of addresses, the callers with their keys and certificates, the trusted proxies, and the
//! rates. It promises that only trusted proxies, not callers, can set the address of a request, and that its memory of
//! addresses is bounded. Deliberately absent: verification of providers (`verify`), and sockets.

mod addresses;
mod allow_list;
mod identity;
mod key_sets;
mod network;
mod proxies;
mod rate;

pub use self::addresses::{AddressLimit, Addresses, network_of};
pub use self::allow_list::{AllowList, HostName, NotAllowed, look_up_names};
pub use self::identity::{Caller, CallerError, Certificate, Proof, identify};
pub use self::key_sets::{FetchKeys, Fetching, KeyPlace, KeySets, KeySource};
pub use self::network::parse_network;
pub use self::proxies::{ForwardedHeader, TrustedProxies};
pub use self::rate::{Bucket, Rate, Standing};

/// The access rules of a channel, in addition to the verification of its plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Allowed addresses; `None` means any.
    pub from: Option<AllowList>,
    /// Allowed callers; empty means anyone.
    pub callers: Vec<std::sync::Arc<Caller>>,
}

impl Access {
    /// Whether there are any restrictions.
    pub fn is_restricted(&self) -> bool {
        self.from.is_some() || !self.callers.is_empty()
    }

    /// Whether a header carries the key of a caller. Plugins never get such a header, and nothing stores it.
    pub fn hides_header(&self, name: &str) -> bool {
        self.callers.iter().any(|caller| caller.hides_header(name))
    }
}
