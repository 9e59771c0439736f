//! The checked outbound HTTP client: where a request may go, with which credential, and how much it may bring back.
//!
//! It promises that a request leaves only when the operator granted its host, that every resolved address is checked, and
//! that the checked address is the one connected to. It follows no redirect. Deliberately absent: who sends, and why.

mod address;
mod answer;
mod connect;
mod credential;
mod error;
mod grant;
mod message;
mod settings;
mod stagger;
mod url_text;

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;
use url::Url;

pub use self::credential::{Credential, CredentialKind};
pub use self::error::EgressError;
pub use self::grant::{Grant, GrantError};
pub(crate) use self::message::EgressRequest;
pub use self::message::Response;
pub use self::settings::EgressSettings;

use self::answer::read;
use self::connect::{ConnectError, Connector};
use self::url_text::{authority, without_secrets};

type Plain = Client<Connector, Full<Bytes>>;
type Secure = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The `User-Agent` of requests whose plugin sets none.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("gateway/", env!("CARGO_PKG_VERSION")));

/// The longest time that [`Egress::notify`] leaves to its caller when a body does not end.
const MAX_RESERVE: Duration = Duration::from_secs(1);

/// The client of one agent or channel, with its own pool of connections.
pub struct Egress {
    settings: EgressSettings,
    plain: Plain,
    /// Created by the first request over TLS.
    secure: OnceLock<Secure>,
    connector: Connector,
}

impl Egress {
    /// A client that reaches what `settings` grant.
    pub fn new(settings: EgressSettings) -> Self {
        let connector = Connector::new(Arc::from(settings.grants.clone()), settings.connect_timeout);
        let plain = client().build(connector.clone());
        Self { settings, plain, secure: OnceLock::new(), connector }
    }

    /// Whether the operator configured a credential of this name.
    pub(crate) fn has_credential(&self, name: &str) -> bool {
        self.settings.credentials.contains_key(name)
    }

    /// Checks and sends a request, and reads the whole response.
    pub(crate) async fn send(&self, request: EgressRequest) -> Result<Response, EgressError> {
        let (response, flaw) = self.exchange(request, Duration::ZERO).await?;
        flaw.map_or(Ok(response), Err)
    }

    /// As [`send`](Self::send), for a request whose status says that it was taken: a 2xx is a response even if its body is not
    /// whole. What is wrong with the body is returned beside it.
    pub(crate) async fn notify(&self, request: EgressRequest) -> Result<(Response, Option<EgressError>), EgressError> {
        let reserve = (request.timeout / 10).min(MAX_RESERVE);
        match self.exchange(request, reserve).await? {
            (response, Some(flaw)) if !(200..300).contains(&response.status) => Err(flaw),
            taken => Ok(taken),
        }
    }

    /// Connects to the host of `url`, which must be granted, and sends nothing.
    pub(crate) async fn knock(&self, url: &Url) -> Result<(), EgressError> {
        if !self.settings.grants.iter().any(|grant| grant.covers(url)) {
            return Err(EgressError::Denied(format!("`{}` is not granted", authority(url))));
        }
        let uri: http::Uri = url.as_str().parse().map_err(|_| EgressError::invalid("url", &authority(url)))?;
        // The handshake comes after the connection.
        let limit = 2 * self.settings.connect_timeout;
        let connected = async {
            if url.scheme() == "https" {
                self.https()?.call(uri).await.map(drop).map_err(|error| explain(&*error, true, url))
            } else {
                self.connector.clone().call(uri).await.map(drop).map_err(|error| error.explain(url))
            }
        };
        tokio::time::timeout(limit, connected).await.unwrap_or(Err(EgressError::ConnectTimeout(limit)))
    }

    /// The response as far as it arrives in time, the body until `reserve` before the end, and why the body is not whole.
    async fn exchange(
        &self,
        request: EgressRequest,
        reserve: Duration,
    ) -> Result<(Response, Option<EgressError>), EgressError> {
        let (timeout, begun) = (request.timeout, Instant::now());
        let late = EgressError::Timeout(timeout);
        let opened = tokio::time::timeout(timeout, self.open(request)).await;
        let (mut head, body) = opened.unwrap_or_else(|_| Err(late.clone()))?.into_parts();
        let limit = self.settings.max_response;
        let arrived = read(body, limit, begun + timeout - reserve, late).await.decoded(&mut head.headers, limit).await;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let response = Response {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: arrived.body,
        };
        Ok((response, arrived.flaw))
    }

    /// Sends a request, up to the head of its response.
    async fn open(&self, request: EgressRequest) -> Result<http::Response<Incoming>, EgressError> {
        let (url, method) = request.target()?;
        if !self.settings.grants.iter().any(|grant| grant.allows(&url, &method)) {
            return Err(EgressError::Denied(format!(
                "`{method} {}` is not granted; add `{}` to its `allow_hosts`",
                without_secrets(&url),
                authority(&url)
            )));
        }
        let secure = url.scheme() == "https";
        let request = self.build(request, &url, method)?;
        let sent = if secure { self.secure()?.request(request).await } else { self.plain.request(request).await };
        sent.map_err(|error| explain(&error, error.is_connect(), &url))
    }

    fn build(&self, request: EgressRequest, url: &Url, method: Method) -> Result<Request<Full<Bytes>>, EgressError> {
        let mut built = Request::builder().method(method.clone()).uri(url.as_str());
        let headers = built.headers_mut().ok_or_else(|| EgressError::invalid("url", &request.url))?;
        headers.extend(request.headers()?);
        headers.entry(USER_AGENT).or_insert(AGENT);
        if let Some(name) = &request.credential {
            let credential = self.credential(name, url, &method)?;
            for (name, value) in credential.headers(&request.id, &request.body)? {
                headers.insert(name, value);
            }
        }
        built.body(Full::new(request.body)).map_err(|error| EgressError::Protocol(error.to_string()))
    }

    fn credential(&self, name: &str, url: &Url, method: &Method) -> Result<&Credential, EgressError> {
        let credential = self.settings.credentials.get(name).ok_or_else(|| {
            let known: Vec<_> = self.settings.credentials.keys().map(|known| format!("`{known}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            EgressError::Denied(format!("credential `{name}` is not configured; there is {known}"))
        })?;
        if !credential.hosts.iter().any(|grant| grant.allows(url, method)) {
            return Err(EgressError::Denied(format!(
                "credential `{name}` may not go to `{}`; its `hosts` name where it may",
                authority(url)
            )));
        }
        Ok(credential)
    }

    fn secure(&self) -> Result<&Secure, EgressError> {
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let connector = self.https()?;
        Ok(self.secure.get_or_init(|| client().build(connector)))
    }

    fn https(&self) -> Result<HttpsConnector<Connector>, EgressError> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_only().enable_all_versions();
        Ok(builder.wrap_connector(self.connector.clone()))
    }
}

/// Finds the cause that the operator can act on. `connects` says whether the request was not sent yet.
fn explain(error: &(dyn Error + 'static), connects: bool, url: &Url) -> EgressError {
    let mut cause = Some(error);
    let mut last = error.to_string();
    while let Some(error) = cause {
        if let Some(connect) = error.downcast_ref::<ConnectError>() {
            return connect.explain(url);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return EgressError::Tls(error.to_string());
        }
        last = error.to_string();
        cause = error.source();
    }
    match (connects, url.scheme()) {
        // What fails before is a `ConnectError`, so the connection was there: it ended in the handshake.
        (true, "https") => EgressError::Tls(last),
        (true, _) => EgressError::Connect(last),
        (false, _) => EgressError::Protocol(last),
    }
}

fn client() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30));
    builder
}

/// The configuration of all clients. The system's authorities are read once, by the first request over TLS.
fn tls() -> Result<rustls::ClientConfig, EgressError> {
    static TLS: OnceLock<rustls::ClientConfig> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(tls.clone());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EgressError::Tls(error.to_string()))?
        .with_native_roots()
        .map_err(|error| {
            EgressError::Tls(format!(
                "no certificate authorities: {error}; install ca-certificates or set SSL_CERT_FILE"
            ))
        })?
        .with_no_client_auth();
    Ok(TLS.get_or_init(|| tls).clone())
}
