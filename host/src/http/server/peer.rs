//! The two ends of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::caller::Certificate;

/// The caller of a connection, and where it was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) local: SocketAddr,
    /// The caller, or the client that a proxy speaks for.
    pub(crate) remote: SocketAddr,
    pub(crate) origin: Origin,
    pub(crate) is_encrypted: bool,
    /// The client certificate of the TLS handshake.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

/// Whether the PROXY protocol leaves open whom a connection is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The connection is from `remote`.
    Named,
    /// A proxy sent a header that names no client, as for a health check.
    Unnamed,
}
