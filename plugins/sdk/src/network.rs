//! Outbound HTTP through the host.

use std::cell::RefCell;
use std::fmt;

use crate::bindings::agent::gateway::plugin::http;
pub use crate::bindings::agent::gateway::plugin::http::{Error as HttpError, Request as HttpRequest};
use crate::{Content, Response};

/// A test's replacement for the network.
type Remote = Box<dyn Fn(&HttpRequest) -> Result<Response, HttpError>>;

/// The real network in a component, a stand-in in a test.
pub(crate) struct Network(Option<StandIn>);

struct StandIn {
    remote: Remote,
    sent: RefCell<Vec<HttpRequest>>,
}

impl Network {
    pub(crate) fn real() -> Self {
        Network(None)
    }

    pub(crate) fn stand_in(remote: impl Fn(&HttpRequest) -> Result<Response, HttpError> + 'static) -> Self {
        Network(Some(StandIn { remote: Box::new(remote), sent: RefCell::default() }))
    }

    pub(crate) fn denied() -> Self {
        Self::stand_in(|_| Err(HttpError { code: String::from("denied"), message: String::from("no network") }))
    }

    pub(crate) fn send(&self, request: &HttpRequest) -> Result<Response, HttpError> {
        match &self.0 {
            None => http::send(request),
            Some(stand_in) => {
                stand_in.sent.borrow_mut().push(request.clone());
                (stand_in.remote)(request)
            }
        }
    }

    pub(crate) fn notify(&self, request: &HttpRequest) -> Result<Response, HttpError> {
        match &self.0 {
            None => http::notify(request),
            Some(_) => self.send(request),
        }
    }

    /// The requests sent so far; the real network records none.
    pub(crate) fn sent(&self) -> Vec<HttpRequest> {
        self.0.as_ref().map(|stand_in| stand_in.sent.borrow().clone()).unwrap_or_default()
    }

    pub(crate) fn has_credential(&self, name: &str) -> bool {
        self.0.is_some() || http::has_credential(name)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Network").finish_non_exhaustive()
    }
}

impl HttpRequest {
    /// A request without headers, body or credential, limited by the agent's own timeout.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            credential: None,
            timeout_ms: None,
        }
    }

    /// Adds a header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Content>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the name of the credential in `gateway.toml` that the host adds.
    pub fn with_credential(mut self, name: Option<String>) -> Self {
        self.credential = name;
        self
    }

    /// The first value of a header. Names are case-insensitive.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
