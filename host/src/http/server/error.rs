//! Why the server cannot start.

use std::io;
use std::net::SocketAddr;

use super::tls::TlsError;

/// Why there is nothing to serve on.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address belongs to another machine or is in use.
    #[error("cannot listen on `{address}`: {source}\nhint: choose another address, or stop what listens there")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system reported.
        source: io::Error,
    },
    /// Connections cannot be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A socket that is open, or was inherited, would show the admin API to other machines.
    #[error(
        "the socket at `{address}` serves the admin API, which needs a token beyond this machine\nhint: set `admin.token`, or give the admin API an address of its own with `admin.listen`"
    )]
    Exposed {
        /// Where it listens.
        address: SocketAddr,
    },
}
