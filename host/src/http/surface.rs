//! What an address leads to.

/// What is served at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Webhooks and the admin API.
    Everything,
    /// Webhooks; the admin API has an address of its own.
    Public,
    /// The same, and sites at every other path.
    PublicWithSites,
    /// The admin API.
    Admin,
    /// Sites, and the health of their backends.
    Sites,
}

impl Surface {
    /// Whether channels are mounted here.
    pub(crate) const fn has_webhooks(self) -> bool {
        matches!(self, Self::Everything | Self::Public | Self::PublicWithSites)
    }

    /// Whether sites are served here.
    pub(crate) const fn has_sites(self) -> bool {
        matches!(self, Self::PublicWithSites | Self::Sites)
    }

    /// Whether callers of the whole world may come here, and proxies speak for them.
    pub(crate) const fn is_public(self) -> bool {
        self.has_webhooks() || self.has_sites()
    }

    /// Whether operators are answered here.
    pub(crate) const fn has_admin(self) -> bool {
        matches!(self, Self::Everything | Self::Admin)
    }
}
