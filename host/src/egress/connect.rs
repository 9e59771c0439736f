//! Opens connections, to checked addresses only: every address of a name is checked, and each that passes is tried.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;
use url::{Host, Url};

use super::address::is_public;
use super::error::EgressError;
use super::grant::{Grant, canonical};
use super::stagger;
use super::url_text::authority;

#[derive(Clone)]
pub(super) struct Connector {
    grants: Arc<[Grant]>,
    timeout: Duration,
    resolver: Resolver,
}

/// The addresses of a name, for a port.
type Resolver = Arc<dyn Fn(&str, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

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
            Self::Timeout(limit) => EgressError::ConnectTimeout(*limit),
        }
    }
}

impl Connector {
    pub(super) fn new(grants: Arc<[Grant]>, timeout: Duration) -> Self {
        let resolver: Resolver = Arc::new(|name, port| {
            let name = name.to_owned();
            Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
        });
        Self { grants, timeout, resolver }
    }

    async fn connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = canonical(Host::parse(host).map_err(|_| ConnectError::NoHost)?);
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        tokio::time::timeout(self.timeout, self.open(&host, port))
            .await
            .unwrap_or(Err(ConnectError::Timeout(self.timeout)))
    }

    async fn open(&self, host: &Host<String>, port: u16) -> Result<TcpStream, ConnectError> {
        let mut failure = ConnectError::Dns("it has no address".to_owned());
        let mut checked = Vec::new();
        // The name is resolved once: a second answer could be another address, which was not checked.
        for address in self.resolve(host, port).await? {
            let ip = address.ip().to_canonical();
            if is_public(ip) || self.grants.iter().any(|grant| grant.admits_private(host, port, ip)) {
                checked.push(SocketAddr::new(ip, address.port()));
            } else {
                failure = ConnectError::Private(ip);
            }
        }
        match stagger::connect(stagger::interleaved(checked), self.timeout).await {
            Some(connected) => connected.map_err(ConnectError::Refused),
            None => Err(failure),
        }
    }

    async fn resolve(&self, host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        match host {
            Host::Ipv4(address) => Ok(vec![SocketAddr::from((*address, port))]),
            Host::Ipv6(address) => Ok(vec![SocketAddr::from((*address, port))]),
            Host::Domain(name) => {
                (self.resolver)(name, port).await.map_err(|error| ConnectError::Dns(error.to_string()))
            }
        }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    /// A connector for the name `agent.example`, which resolves to each of `answers` in turn.
    fn connector(
        port: u16,
        private: bool,
        answers: Vec<Vec<SocketAddr>>,
    ) -> (Connector, Arc<Mutex<Vec<Vec<SocketAddr>>>>) {
        let grant = Grant { private, ..format!("agent.example:{port}").parse().unwrap() };
        let left = Arc::new(Mutex::new(answers));
        let answers = Arc::clone(&left);
        let resolver: Resolver = Arc::new(move |_, _| {
            let answer = answers.lock().unwrap().remove(0);
            Box::pin(std::future::ready(Ok(answer)))
        });
        (Connector { resolver, ..Connector::new(Arc::from([grant]), Duration::from_secs(10)) }, left)
    }

    async fn canary() -> (TcpListener, SocketAddr) {
        let canary = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = canary.local_addr().unwrap();
        (canary, address)
    }

    /// A name that resolves to another address a moment later does not bypass the check.
    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
        let [(_first, checked), (_second, later)] = [canary().await, canary().await];
        let (connector, left) = connector(checked.port(), true, vec![vec![checked], vec![later]]);
        let uri = format!("http://agent.example:{}/", checked.port()).parse().unwrap();

        let stream = connector.connect(uri).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), checked);
        assert_eq!(left.lock().unwrap().len(), 1, "the name was resolved once");
    }

    #[tokio::test]
    async fn a_name_is_reached_although_its_first_address_refuses() {
        let [(listener, refusing), (_live, own)] = [canary().await, canary().await];
        drop(listener);
        let (connector, _) = connector(own.port(), true, vec![vec![refusing, own]]);
        let uri = format!("http://agent.example:{}/", own.port()).parse().unwrap();

        let stream = connector.connect(uri).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), own);
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_checked() {
        let (canary, private) = canary().await;
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), private.port()));
        let (connector, _) = connector(private.port(), false, vec![vec![mapped, private]]);
        let uri = format!("http://agent.example:{}/", private.port()).parse().unwrap();

        let refused = connector.connect(uri).await.unwrap_err();

        assert!(matches!(refused, ConnectError::Private(_)), "{refused}");
        let nobody = tokio::time::timeout(Duration::from_millis(50), canary.accept()).await;
        assert!(nobody.is_err(), "somebody connected");
    }
}
