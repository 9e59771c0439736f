//! The client of the gateway that the configuration describes: its admin API and its channels.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderValue, Method, Request, StatusCode};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::pinned;
use crate::config::Config;
use crate::http;
use crate::verify::Secret;

/// The longest wait for a response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The largest response in bytes; nothing is larger than an event with its data.
const MAX_RESPONSE: usize = 128 << 20;

/// A client of the gateway that the configuration describes.
pub(super) struct Client {
    origin: Origin,
    token: Option<Secret>,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// The address of a gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    is_encrypted: bool,
    address: SocketAddr,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// A response of any status.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why a request failed.
pub(super) enum NoAnswer {
    /// Nothing listens at the address.
    Refused(Origin),
    Failed(anyhow::Error),
}

impl From<NoAnswer> for anyhow::Error {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::Refused(origin) => {
                anyhow!("no gateway is running at {origin}\nhint: start it with `gateway serve`")
            }
            NoAnswer::Failed(error) => error,
        }
    }
}

impl Client {
    /// A client of the admin API.
    pub(super) fn admin(config: &Config) -> Self {
        let admin = &config.http.admin;
        let is_encrypted = match admin.listen {
            Some(address) => http::is_encrypted(&config.http, address),
            None => config.http.tls.is_some(),
        };
        let address = reachable(admin.listen.unwrap_or(config.http.listen));
        Self::new(config, Origin { is_encrypted, address }, admin.token.clone())
    }

    /// A client of the channels.
    pub(super) fn webhooks(config: &Config) -> Self {
        let origin = Origin { is_encrypted: config.http.tls.is_some(), address: reachable(config.http.listen) };
        Self::new(config, origin, None)
    }

    fn new(config: &Config, origin: Origin, token: Option<Secret>) -> Self {
        let tls = pinned::client_config(config.http.tls.as_ref());
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Self { origin, token, pool: Pool::builder(TokioExecutor::new()).build(connector) }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// The JSON of a `GET` of the admin API.
    pub(super) async fn get(&self, path: &str) -> Result<Value, NoAnswer> {
        let reply = self.send(Method::GET, path, Vec::new(), Bytes::new()).await?;
        self.read(&reply).map_err(NoAnswer::Failed)
    }

    /// The JSON of a `POST` of the admin API.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, NoAnswer> {
        let json = vec![("content-type".to_owned(), HeaderValue::from_static("application/json"))];
        let reply = self.send(Method::POST, path, json, body.to_string().into()).await?;
        self.read(&reply).map_err(NoAnswer::Failed)
    }

    /// The JSON of a `POST` of lines to the admin API.
    pub(super) async fn post_lines(&self, path: &str, lines: Vec<u8>) -> Result<Value, NoAnswer> {
        let ndjson = vec![("content-type".to_owned(), HeaderValue::from_static("application/x-ndjson"))];
        let reply = self.send(Method::POST, path, ndjson, lines.into()).await?;
        self.read(&reply).map_err(NoAnswer::Failed)
    }

    /// Sends a request and returns the response, whatever its status.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(String, HeaderValue)>,
        body: Bytes,
    ) -> Result<Reply, NoAnswer> {
        let request = self.request(method, path, headers, body)?;
        let exchange = async {
            let response = self.pool.request(request).await.map_err(|error| self.explain(error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_RESPONSE).collect().await;
            let body = body.map_err(|error| NoAnswer::Failed(anyhow!("the response ended early: {error}")))?.to_bytes();
            Ok(Reply { status: head.status, body })
        };
        tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| self.late())?
    }

    /// Hands the body of a response of any length to `sink`, piece by piece.
    pub(super) async fn stream(
        &self,
        method: Method,
        path: &str,
        sink: &mut dyn FnMut(Bytes) -> anyhow::Result<()>,
    ) -> Result<(), NoAnswer> {
        let request = self.request(method, path, Vec::new(), Bytes::new())?;
        let response = tokio::time::timeout(TIMEOUT, self.pool.request(request)).await.map_err(|_| self.late())?;
        let (head, mut body) = response.map_err(|error| self.explain(error))?.into_parts();
        if !head.status.is_success() {
            let body = tokio::time::timeout(TIMEOUT, Limited::new(body, MAX_RESPONSE).collect()).await;
            let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
            let refused = self.read(&Reply { status: head.status, body });
            return Err(NoAnswer::Failed(refused.err().unwrap_or_else(|| anyhow!("the gateway refused the request"))));
        }
        while let Some(frame) = tokio::time::timeout(TIMEOUT, body.frame()).await.map_err(|_| self.late())? {
            let frame = frame.map_err(|error| NoAnswer::Failed(anyhow!("the response ended early: {error}")))?;
            if let Ok(piece) = frame.into_data() {
                sink(piece).map_err(NoAnswer::Failed)?;
            }
        }
        Ok(())
    }

    fn late(&self) -> NoAnswer {
        NoAnswer::Failed(anyhow!("{} did not respond within {TIMEOUT:?}", self.origin))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(String, HeaderValue)>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, NoAnswer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            let value = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat());
            let mut value = value.context("the admin token is not a valid header value").map_err(NoAnswer::Failed)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.body(Full::new(body)).context("the request is not valid").map_err(NoAnswer::Failed)
    }

    fn explain(&self, error: hyper_util::client::legacy::Error) -> NoAnswer {
        let mut source: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            if cause.downcast_ref::<io::Error>().is_some_and(refused) {
                return NoAnswer::Refused(self.origin);
            }
            source = cause.source();
        }
        NoAnswer::Failed(anyhow::Error::from(error).context(format!("cannot reach {}", self.origin)))
    }

    /// The JSON of a response, or the reason in its problem document.
    fn read(&self, reply: &Reply) -> anyhow::Result<Value> {
        let json: Value = match serde_json::from_slice(&reply.body) {
            Ok(json) => json,
            Err(_) if reply.status.is_success() => {
                return Err(anyhow!("the server at {} is not a gateway", self.origin));
            }
            Err(_) => Value::Null,
        };
        if reply.status.is_success() {
            return Ok(json);
        }
        let reason = json["detail"].as_str().or(json["title"].as_str()).unwrap_or("no reason given");
        let hint = match reply.status {
            StatusCode::UNAUTHORIZED => "\nhint: `admin.token` must be the one that the gateway was started with",
            StatusCode::NOT_FOUND if json["code"] == "unknown_channel" => "\nhint: `gateway channels` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_agent" => "\nhint: `gateway agents` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_delivery" => "\nhint: `gateway deliveries` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_replay" => {
                "\nhint: `gateway deliveries replays` lists them"
            }
            StatusCode::NOT_FOUND => "\nhint: `gateway events` lists them",
            status if status.is_server_error() => "\nhint: see the gateway's log",
            _ => "",
        };
        let reason = super::output::clean(reason, false);
        Err(anyhow!("the gateway at {} answered {}: {reason}{hint}", self.origin, reply.status.as_u16()))
    }
}

/// The address to connect to for a server that listens at `listen`: an unspecified address includes this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_listens_everywhere_is_reached_here() {
        for (listen, expected) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
