use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;
use url::{Host, Url};

use super::address::is_public;
use super::grant::Grant;
use super::{EgressError, authority};

/// Opens connections to checked addresses only.
#[derive(Clone)]
pub(super) struct Connector {
    grants: Arc<[Grant]>,
    timeout: Duration,
}

/// Why no connection was opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no host")]
    NoHost,
    #[error("{0}")]
    Dns(String),
    #[error("`{0}` is not a public address")]
    Private(IpAddr),
    #[error("{0}")]
    Refused(String),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

impl ConnectError {
    pub(super) fn explain(&self, url: &Url) -> EgressError {
        match self {
            Self::NoHost => EgressError::Protocol("the URL has no host".to_owned()),
            Self::Dns(reason) => {
                EgressError::Dns { host: url.host_str().unwrap_or_default().to_owned(), reason: reason.clone() }
            }
            Self::Private(address) => EgressError::Denied(format!(
                "`{}` resolves to `{address}`, which is not public; set `private = true` on its entry in `allow_hosts`",
                authority(url)
            )),
            Self::Refused(reason) => EgressError::Connect(reason.clone()),
            Self::Timeout(limit) => EgressError::Timeout(*limit),
        }
    }
}

impl Connector {
    pub(super) fn new(grants: Arc<[Grant]>, timeout: Duration) -> Self {
        Self { grants, timeout }
    }

    async fn connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = Host::parse(host).map_err(|_| ConnectError::NoHost)?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        tokio::time::timeout(self.timeout, self.open(&host, port))
            .await
            .unwrap_or(Err(ConnectError::Timeout(self.timeout)))
    }

    async fn open(&self, host: &Host<String>, port: u16) -> Result<TcpStream, ConnectError> {
        let mut failure = ConnectError::Dns("it has no address".to_owned());
        for address in resolve(host, port).await? {
            let ip = address.ip();
            if !is_public(ip) && !self.grants.iter().any(|grant| grant.admits_private(host, port, ip)) {
                failure = ConnectError::Private(ip);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Without this a small request waits for the acknowledgement of the one before.
                    stream.set_nodelay(true).map_err(|error| ConnectError::Refused(error.to_string()))?;
                    return Ok(stream);
                }
                Err(error) => failure = ConnectError::Refused(format!("{address}: {error}")),
            }
        }
        Err(failure)
    }
}

async fn resolve(host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    match host {
        Host::Ipv4(address) => Ok(vec![SocketAddr::from((*address, port))]),
        Host::Ipv6(address) => Ok(vec![SocketAddr::from((*address, port))]),
        Host::Domain(name) => match tokio::net::lookup_host((name.as_str(), port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(ConnectError::Dns(error.to_string())),
        },
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connect = self.clone().connect(uri);
        Box::pin(async move { connect.await.map(TokioIo::new) })
    }
}
