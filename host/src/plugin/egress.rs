//! HTTP for agents: what `http.send` may reach, with which credential, and how much of it.
//!
//! A request leaves only when the operator granted its host; every resolved address is checked, and the checked
//! address is the one that is connected to. Redirects are answers, not orders.

mod address;
mod connect;
mod grant;
mod network;
mod script;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use crate::event::Timestamp;
use crate::verify::{Secret, standard_webhooks};

use self::connect::{ConnectError, Connector};
pub use self::grant::{Grant, GrantError};
pub use self::network::Network;
pub use self::script::{Script, Sent};

use super::call::Response;

/// A secret that the host adds to requests that name it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// How it is added.
    pub kind: CredentialKind,
    /// What is added.
    pub secret: Secret,
    /// The hosts it may go to.
    pub hosts: Vec<Grant>,
}

/// How a credential is added to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `Authorization: Basic <secret in base64>`; the secret is `user:password`.
    Basic,
    /// A header of this name.
    Header(HeaderName),
    /// Three headers that sign the body, after the Standard Webhooks specification.
    StandardWebhooks,
}

/// What an agent was granted.
#[derive(Clone, Debug)]
pub struct EgressSettings {
    /// Where requests may go.
    pub grants: Vec<Grant>,
    /// Credentials by the name that plugins use.
    pub credentials: BTreeMap<String, Credential>,
    /// Bytes of the largest response body.
    pub max_response: usize,
    /// Time to resolve and connect.
    pub connect_timeout: Duration,
}

impl Default for EgressSettings {
    /// Nothing is granted.
    fn default() -> Self {
        let (grants, credentials) = (Vec::new(), BTreeMap::new());
        Self { grants, credentials, max_response: 1 << 20, connect_timeout: Duration::from_secs(5) }
    }
}

/// Why a request brought no response.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EgressError {
    /// Something the operator did not grant.
    #[error("{0}")]
    Denied(String),
    /// The name does not resolve.
    #[error("cannot resolve `{host}`: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No trusted connection.
    #[error("cannot establish TLS: {0}")]
    Tls(String),
    /// Too late.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The response is larger than the agent's limit.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    /// The request or the response is no valid HTTP.
    #[error("{0}")]
    Protocol(String),
}

impl EgressError {
    /// The code of `http.error` in the WIT.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Dns { .. } => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::TooLarge(_) => "too-large",
            Self::Protocol(_) => "protocol",
        }
    }
}

/// One request of a guest.
pub(super) struct EgressRequest {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) credential: Option<String>,
    /// The id of signed requests: that of the event or the answer that is handed on.
    pub(super) id: String,
    pub(super) timeout: Duration,
}

impl EgressRequest {
    /// Where it goes, and how.
    fn target(&self) -> Result<(Url, Method), EgressError> {
        let url = parse_url(&self.url)?;
        let method = self.method.parse().map_err(|_| protocol("method", &self.method))?;
        Ok((url, method))
    }

    /// Its headers without those that are not a guest's to set.
    fn headers(&self) -> Result<HeaderMap, EgressError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().map_err(|_| protocol("header name", name))?;
            let value: HeaderValue = value.parse().map_err(|_| protocol("value of header", name.as_str()))?;
            if !belongs_to_connection(&name) {
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

type Plain = Client<Connector, Full<Bytes>>;
type Secure = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The outbound client of one agent, with its own pool of connections.
pub struct Egress {
    settings: EgressSettings,
    plain: Plain,
    /// Made by the first request over TLS.
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

    /// Whether the operator has configured a credential of this name.
    pub(super) fn has_credential(&self, name: &str) -> bool {
        self.settings.credentials.contains_key(name)
    }

    pub(super) async fn send(&self, request: EgressRequest) -> Result<Response, EgressError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.exchange(request)).await.unwrap_or(Err(EgressError::Timeout(timeout)))
    }

    async fn exchange(&self, request: EgressRequest) -> Result<Response, EgressError> {
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
        let response = sent.map_err(|error| self.explain(&error, &url))?;
        let (head, body) = response.into_parts();
        let limit = self.settings.max_response;
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                EgressError::TooLarge(limit)
            } else {
                EgressError::Protocol(format!("the response ended early: {error}"))
            }
        })?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: body.to_bytes(),
        })
    }

    fn build(&self, request: EgressRequest, url: &Url, method: Method) -> Result<Request<Full<Bytes>>, EgressError> {
        let mut built = Request::builder().method(method.clone()).uri(url.as_str());
        let headers = built.headers_mut().ok_or_else(|| protocol("url", &request.url))?;
        headers.extend(request.headers()?);
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
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls()?)
            .https_only()
            .enable_all_versions()
            .wrap_connector(self.connector.clone());
        Ok(self.secure.get_or_init(|| client().build(connector)))
    }

    /// Finds the cause that an operator can act on in what the client says.
    fn explain(&self, error: &hyper_util::client::legacy::Error, url: &Url) -> EgressError {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
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
        if error.is_connect() { EgressError::Connect(last) } else { EgressError::Protocol(last) }
    }
}

impl Credential {
    fn headers(&self, id: &str, body: &[u8]) -> Result<Vec<(HeaderName, HeaderValue)>, EgressError> {
        let secret = self.secret.expose();
        let text = |bytes: &[u8]| {
            let mut value = HeaderValue::from_bytes(bytes)
                .map_err(|_| EgressError::Denied("the credential has characters that no header can hold".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        match &self.kind {
            CredentialKind::Bearer => Ok(vec![(AUTHORIZATION, text(&[b"Bearer ", secret].concat())?)]),
            CredentialKind::Basic => {
                Ok(vec![(AUTHORIZATION, text(format!("Basic {}", STANDARD.encode(secret)).as_bytes())?)])
            }
            CredentialKind::Header(name) => Ok(vec![(name.clone(), text(secret)?)]),
            CredentialKind::StandardWebhooks => {
                let signed = standard_webhooks::sign(&self.secret, id, Timestamp::now(), body)
                    .map_err(|error| EgressError::Denied(format!("cannot sign: {error}")))?;
                signed
                    .into_iter()
                    .map(|(name, value)| Ok((HeaderName::from_static(name), text(value.as_bytes())?)))
                    .collect()
            }
        }
    }
}

fn client() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30));
    builder
}

/// What all clients share: the system's authorities are read once, by the first request over TLS.
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

/// The URL in its canonical form: octal, hexadecimal and short forms of an address become the address they mean.
fn parse_url(text: &str) -> Result<Url, EgressError> {
    let url = Url::parse(text).map_err(|error| EgressError::Protocol(format!("`url` is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(EgressError::Protocol("`url` must be http or https with a host".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EgressError::Denied("`url` must hold no user or password; name a credential".to_owned()));
    }
    Ok(url)
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A URL for messages: queries carry tokens.
fn without_secrets(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}

fn belongs_to_connection(name: &HeaderName) -> bool {
    [HOST, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str().starts_with("proxy-")
}

fn protocol(what: &str, found: &str) -> EgressError {
    EgressError::Protocol(format!("`{found}` is not a valid {what}"))
}
