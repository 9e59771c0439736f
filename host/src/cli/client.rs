//! The client of a gateway: its admin API and its channels.

use std::error::Error;
use std::io;
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderValue, Method, Request, StatusCode};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::connection::{Connection, Origin, Reach};
use super::failure::Failure;
use super::pinned;
use crate::verify::Secret;

/// The longest wait for a response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The largest response in bytes; nothing is larger than an event with its data.
const MAX_RESPONSE: usize = 128 << 20;

/// A client of one gateway.
pub(super) struct Client {
    origin: Origin,
    token: Option<Secret>,
    when_absent: &'static str,
    when_refused: String,
    when_untrusted: &'static str,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Nothing listens at the address.
pub(super) struct Absent {
    pub(super) origin: Origin,
    /// What to do about it.
    pub(super) hint: &'static str,
}

/// A response of any status.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// A response whose body is read as it comes.
pub(super) struct Opened(Incoming);

/// Why there is no such response.
pub(super) struct NotOpened {
    reason: NoAnswer,
    /// What the gateway answered; `None` if it did not.
    status: Option<StatusCode>,
}

impl NotOpened {
    /// Whether the same request would only be refused again.
    pub(super) fn is_final(&self) -> bool {
        self.status.is_some_and(|status| status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS)
    }
}

impl From<NotOpened> for NoAnswer {
    fn from(not_opened: NotOpened) -> Self {
        not_opened.reason
    }
}

impl Opened {
    /// The next piece; `None` when the response has ended, or nothing came for so long that the connection must be gone.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::time::timeout(TIMEOUT, self.0.frame()).await.ok()??.ok()?;
            if let Ok(piece) = frame.into_data() {
                return Some(piece);
            }
        }
    }
}

/// Why a request failed.
pub(super) enum NoAnswer {
    Refused(Absent),
    Failed(anyhow::Error),
}

impl From<NoAnswer> for Failure {
    fn from(reason: NoAnswer) -> Self {
        anyhow::Error::from(reason).into()
    }
}

impl From<NoAnswer> for anyhow::Error {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::Refused(Absent { origin, hint }) => {
                anyhow!("no gateway is running at {origin}\nhint: {hint}")
            }
            NoAnswer::Failed(error) => error,
        }
    }
}

impl Client {
    /// A client of the admin API.
    pub(super) fn admin(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self::new(connection.admin()?))
    }

    /// A client of the channels, at `to` if that is given.
    pub(super) fn webhooks(connection: &Connection, to: Option<&Origin>) -> Result<Self, Failure> {
        Ok(Self::new(connection.webhooks(to)?))
    }

    fn new(reach: Reach) -> Self {
        let Reach { origin, tls, token, when_absent, when_refused, when_untrusted } = reach;
        // Without TLS nothing is trusted: the address is not encrypted.
        let tls = tls.unwrap_or_else(|| pinned::to_certificate(None));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { origin, token, when_absent, when_refused, when_untrusted, pool }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
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

    /// Opens a response of any length.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(String, HeaderValue)>,
    ) -> Result<Opened, NotOpened> {
        let unanswered = |reason| NotOpened { reason, status: None };
        let request = self.request(method, path, headers, Bytes::new()).map_err(unanswered)?;
        let response = tokio::time::timeout(TIMEOUT, self.pool.request(request)).await;
        let response =
            response.map_err(|_| unanswered(self.late()))?.map_err(|error| unanswered(self.explain(error)))?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(Opened(body));
        }
        let body = tokio::time::timeout(TIMEOUT, Limited::new(body, MAX_RESPONSE).collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        let refused = self.read(&Reply { status: head.status, body });
        let reason = NoAnswer::Failed(refused.err().unwrap_or_else(|| anyhow!("the gateway refused the request")));
        Err(NotOpened { reason, status: Some(head.status) })
    }

    /// Hands the body of a response of any length to `sink`, piece by piece.
    pub(super) async fn stream(
        &self,
        method: Method,
        path: &str,
        sink: &mut dyn FnMut(Bytes) -> anyhow::Result<()>,
    ) -> Result<(), NoAnswer> {
        let Opened(mut body) = self.open(method, path, Vec::new()).await?;
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
        let mut hint = self.when_absent;
        while let Some(cause) = source {
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
                hint = self.when_untrusted;
            }
            let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            if cause.downcast_ref::<io::Error>().is_some_and(refused) {
                return NoAnswer::Refused(Absent { origin: self.origin.clone(), hint: self.when_absent });
            }
            source = cause.source();
        }
        let chain = anyhow::Error::from(error);
        NoAnswer::Failed(anyhow!("cannot reach {}: {chain:#}\nhint: {hint}", self.origin))
    }

    /// The JSON of a response, or the reason in its problem document.
    pub(super) fn read(&self, reply: &Reply) -> anyhow::Result<Value> {
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
        if json.is_null() && reply.status == StatusCode::BAD_REQUEST {
            return Err(anyhow!(
                "the server at {} does not understand HTTP\nhint: does it want `https://`?",
                self.origin
            ));
        }
        let reason = json["detail"].as_str().or(json["title"].as_str()).unwrap_or("no reason given");
        let hint = match reply.status {
            StatusCode::UNAUTHORIZED => &format!("\nhint: {}", self.when_refused),
            StatusCode::NOT_FOUND if json["code"] == "unknown_channel" => "\nhint: `gateway channels` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_agent" => "\nhint: `gateway agents` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_delivery" => "\nhint: `gateway deliveries` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_replay" => {
                "\nhint: `gateway deliveries replays` lists them"
            }
            StatusCode::NOT_FOUND if json["code"] == "unknown_consumer" => "\nhint: `gateway consumers` lists them",
            StatusCode::NOT_FOUND if json["code"] == "not_found" => {
                "\nhint: is there a table [subscribers.NAME] in its configuration?"
            }
            StatusCode::NOT_FOUND if json["code"] == "unknown_plugin" => "\nhint: `gateway plugins` lists them",
            StatusCode::NOT_FOUND if json["code"] == "unknown_event" => "\nhint: `gateway events` lists them",
            StatusCode::NOT_FOUND if json["code"] == "incident_not_found" => "\nhint: `gateway incidents` lists them",
            StatusCode::CONFLICT if json["code"] == "ambiguous_incident" => "\nhint: `gateway incidents` lists them",
            StatusCode::NOT_FOUND if json["code"] == "silence_not_found" => "\nhint: `gateway silences` lists them",
            StatusCode::CONFLICT if json["code"] == "ambiguous_silence" => {
                "\nhint: `gateway silences --wide` lists them"
            }
            StatusCode::CONFLICT if json["code"] == "ambiguous_event" => "\nhint: `gateway events --wide` lists them",
            status if status.is_server_error() => "\nhint: see the gateway's log",
            _ => "",
        };
        let places = json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |error: &Value, member: &str| error[member].as_str().unwrap_or_default().to_owned();
        let place = |error: &Value| format!("\n  {} {}", text(error, "pointer"), text(error, "detail"));
        // A single one may be in the sentence already.
        let places = places.iter().filter(|error| !reason.contains(&text(error, "detail"))).map(place);
        let reason = super::output::clean(&format!("{reason}{}", places.collect::<String>()), true);
        Err(anyhow!("the gateway at {} answered {}: {reason}{hint}", self.origin, reply.status.as_u16()))
    }
}
