//! What an address leads to.

/// What is served at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Webhooks and the admin API.
    Everything,
    /// Webhooks; the admin API has an address of its own.
    Public,
    /// The admin API.
    Admin,
}

impl Surface {
    /// Whether channels are mounted here.
    pub(crate) const fn has_webhooks(self) -> bool {
        matches!(self, Self::Everything | Self::Public)
    }

    /// Whether operators are answered here.
    pub(crate) const fn has_admin(self) -> bool {
        matches!(self, Self::Everything | Self::Admin)
    }
}
