//! An HTTP client of one gateway, and its responses with what tests expect of them.

use std::net::SocketAddr;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::SupportedProtocolVersion;
use serde_json::Value;
use sha2::Sha256;

use super::{Authority, Identity};

/// A client of one gateway.
#[derive(Clone)]
pub(crate) struct Client {
    scheme: &'static str,
    address: SocketAddr,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A response of the gateway.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The header `x-hub-signature-256` of GitHub.
pub(crate) fn github_signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { scheme: "http", ..Self::over_tls(address, &Authority::new(), None) }
    }

    /// A client over TLS that trusts this authority and has this certificate; it uses HTTP/2 if the gateway does.
    pub(crate) fn over_tls(address: SocketAddr, authority: &Authority, own: Option<&Identity>) -> Self {
        Self::over_tls_versions(address, authority, own, rustls::ALL_VERSIONS)
    }

    /// As [`over_tls`](Self::over_tls), with these versions of TLS.
    pub(crate) fn over_tls_versions(
        address: SocketAddr,
        authority: &Authority,
        own: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let connector = HttpsConnectorBuilder::new().with_tls_config(authority.client_config_of(own, versions));
        let connector = connector.https_or_http().enable_all_versions().build();
        Self { scheme: "https", address, pool: Pool::builder(TokioExecutor::new()).build(connector) }
    }

    /// The gateway's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        self.send("POST", path, headers, body.into()).await
    }

    /// Posts to the channel `github` of [`Setup::github`](super::Setup::github), signed as GitHub does.
    pub(crate) async fn post_github(&self, event: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let signature = github_signature("mysecret", &body);
        let own = [("x-github-event", event), ("x-hub-signature-256", &signature)];
        self.post("/webhooks/github", &[&own, headers].concat(), body).await
    }

    /// Sends a request; panics if there is no response.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// Sends a request; the error is an error of the connection.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder().method(method).uri(format!("{}://{}{path}", self.scheme, self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.pool.request(request.body(Full::new(body.into()))?).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply { status: head.status, version: head.version, headers: head.headers, body })
    }
}

impl Reply {
    /// Panics unless the response has this status.
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Panics unless the request was accepted; returns the id of its first event.
    pub(crate) fn expect_accepted(self) -> String {
        let json = self.expect_status(202).json();
        assert_eq!(json["events"][0]["status"], "accepted", "{json}");
        json["events"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Panics unless the response is a problem with this status and code; returns its detail.
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let json = self.expect_status(status).json();
        assert_eq!(json["code"], code, "{json}");
        json["detail"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}
