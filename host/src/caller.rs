//! Who may call, from where, and how often.
//!
//! It owns what is decided before a request is read: addresses that are let in, callers with a key or a certificate of their
//! own, what proxies say about where a request came from, and rates. It promises that nothing a caller can write decides
//! unless a trusted proxy wrote it, and that what it remembers of addresses is bounded. Deliberately absent: whether a request
//! comes from its provider (`verify`), and sockets.

mod addresses;
mod allow_list;
mod identity;
mod proxies;
mod rate;

pub use self::addresses::{AddressLimit, Addresses, network_of};
pub use self::allow_list::{AllowList, HostName, NotAllowed, follow_names};
pub use self::identity::{Caller, CallerError, Certificate, Proof, identify};
pub use self::proxies::{ForwardedHeader, TrustedProxies};
pub use self::rate::{Bucket, Rate, Standing};

/// What a channel asks of its callers, beside what its plugin's verification asks of their requests.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Where requests may come from; none means anywhere.
    pub from: Option<AllowList>,
    /// Who may call; empty means anybody.
    pub callers: Vec<std::sync::Arc<Caller>>,
}

impl Access {
    /// Whether it keeps anybody out.
    pub fn is_restricted(&self) -> bool {
        self.from.is_some() || !self.callers.is_empty()
    }

    /// Whether a header, by name in any case, carries a caller's key: plugins never see it, nothing keeps it.
    pub fn hides_header(&self, name: &str) -> bool {
        self.callers.iter().any(|caller| caller.hides_header(name))
    }
}
