//! Why the server cannot start.

use std::io;
use std::net::SocketAddr;

use super::tls::TlsError;
use crate::process::Process;

/// Why there is nothing to serve on.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address belongs to another machine or is in use.
    #[error(
        "cannot listen on `{address}`: {}\nhint: choose another address, or stop what listens there",
        reason(*address, cause)
    )]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system reported.
        cause: io::Error,
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

/// What the system reported, and who has the address if that can be found out.
fn reason(address: SocketAddr, cause: &io::Error) -> String {
    match Process::listening(address).filter(|_| cause.kind() == io::ErrorKind::AddrInUse) {
        Some(process) => format!("it is in use by {process}"),
        None => cause.to_string(),
    }
}
