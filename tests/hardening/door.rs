//! Connections to the gateway under attack, in the clear or over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Authority, Client};

/// The address of a gateway, and the authority of its certificate if it serves TLS.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Option<Arc<Authority>>,
}

/// A connection in the clear or over TLS.
pub(crate) type Stream = Box<dyn ReadWrite>;

pub(crate) trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for S {}

impl Door {
    /// A client without a connection yet.
    pub(crate) fn client(&self) -> Client {
        match &self.authority {
            None => Client::new(self.address),
            Some(authority) => Client::over_tls(self.address, authority, None),
        }
    }

    /// A new connection for HTTP/2; `None` if the gateway accepts no more.
    pub(crate) async fn connect(&self) -> Option<Stream> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let Some(authority) = &self.authority else { return Some(Box::new(stream)) };
        let mut config = authority.client_config(None);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = self.address.ip().into();
        Some(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?))
    }
}
