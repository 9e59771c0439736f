//! Connections to the gateway under attack, in the clear or over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
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
        let config = self.authority.as_ref().map(|authority| {
            let mut config = authority.client_config(None);
            config.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(config)
        });
        self.connect_with(config).await.ok()
    }

    /// A new connection, over TLS if there is a configuration.
    pub(crate) async fn connect_with(&self, config: Option<Arc<ClientConfig>>) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        let Some(config) = config else { return Ok(Box::new(stream)) };
        let stream = TlsConnector::from(config).connect(self.address.ip().into(), stream).await;
        Ok(Box::new(stream.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?))
    }
}
