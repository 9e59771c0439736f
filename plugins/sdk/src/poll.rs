//! A source that is polled: `fn poll(&Source) -> Result<Batch, Failure>` fetches new events.
//!
//! [`export_poll!`](crate::export_poll) exports it next to a channel. It keeps its position in the state, which the host
//! commits together with the events:
//!
//! ```
//! use gateway_plugin_sdk::Response;
//! use gateway_plugin_sdk::poll::{Batch, Event, Failure, HttpRequest, Polled, Source};
//!
//! fn poll(source: &Source) -> Polled {
//!     let last = source.host().state("last").and_then(|last| String::from_utf8(last).ok()).unwrap_or_default();
//!     let url = format!("https://example.com/changes?after={last}");
//!     let answer = source
//!         .send(&HttpRequest::new("GET", url))
//!         .map_err(|error| Failure::new(error.code, error.message, None))?;
//!     if answer.status != 200 {
//!         return Err(Failure::new("status", answer.status.to_string(), answer.header("retry-after").map(str::to_owned)));
//!     }
//!     let body = answer.body.unwrap_or_else(|| "".into());
//!     let text = String::from_utf8_lossy(body.as_bytes());
//!     if let Some(last) = text.lines().last() {
//!         let kept = source.host().set_state("last", last.as_bytes());
//!         kept.map_err(|error| Failure::new(error.code, error.message, None))?;
//!     }
//!     let event = |id: &str| Event::new("changed", "text/plain", id).with_delivery_id(Some(id.to_owned()));
//!     Ok(Batch::from(text.lines().map(event).collect::<Vec<_>>()))
//! }
//!
//! // The same function in a native test:
//! let source = Source::new(|request| {
//!     assert_eq!(request.url, "https://example.com/changes?after=");
//!     Ok(Response::new(200).with_body("one\ntwo\n"))
//! });
//! assert_eq!(poll(&source).expect("the source answers").events.len(), 2);
//! assert_eq!(source.host().state("last").as_deref(), Some(&b"two"[..]));
//! ```

use crate::network::Network;
use crate::{Content, Host, Response};

pub use crate::bindings::polling::exports::gateway::plugin::poll::{Batch, Event, Failure};
pub use crate::network::{HttpError, HttpRequest};

/// What `poll` returns.
pub type Polled = Result<Batch, Failure>;

/// Access to the source, and to the state that holds the read position.
#[derive(Debug)]
pub struct Source {
    host: Host,
    network: Network,
}

impl Source {
    /// The source of the current call.
    #[doc(hidden)]
    pub fn of_call() -> Self {
        Source { host: Host::real(), network: Network::real() }
    }

    /// A source for a test; `remote` answers its requests.
    pub fn new(remote: impl Fn(&HttpRequest) -> Result<Response, HttpError> + 'static) -> Self {
        Source { host: Host::stand_in(), network: Network::stand_in(remote) }
    }

    /// Sets a value of the `config` table: a string as it is, anything else as JSON text.
    pub fn with_config(mut self, key: &str, value: &str) -> Self {
        self.host.set_config(key, value);
        self
    }

    /// Settings, state, log, clock.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Sends a request through the host, which enforces the allow list and adds the credential.
    ///
    /// A response with any status is `Ok`; an error means that there was no response.
    pub fn send(&self, request: &HttpRequest) -> Result<Response, HttpError> {
        self.network.send(request)
    }

    /// Whether `gateway.toml` has a credential of this name. A stand-in has every credential.
    pub fn has_credential(&self, name: &str) -> bool {
        self.network.has_credential(name)
    }
}

impl Event {
    /// An event with its kind and payload.
    pub fn new(kind: impl Into<String>, content_type: impl Into<String>, data: impl Into<Content>) -> Self {
        Event {
            kind: kind.into(),
            subject: None,
            delivery_id: None,
            key: None,
            data: data.into(),
            content_type: content_type.into(),
            attributes: Vec::new(),
        }
    }

    /// Sets what the event is about.
    pub fn with_subject(mut self, subject: Option<String>) -> Self {
        self.subject = subject;
        self
    }

    /// Sets the source's id of the event.
    pub fn with_delivery_id(mut self, id: Option<String>) -> Self {
        self.delivery_id = id;
        self
    }

    /// Sets the deduplication key: events with the same key are duplicates.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds an attribute; `name` has 1 to 20 characters of `a-z0-9`.
    pub fn with_attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }
}

impl From<Vec<Event>> for Batch {
    /// A batch after which the source has no more events for now.
    fn from(events: Vec<Event>) -> Self {
        Batch { events, more: false }
    }
}

impl Failure {
    /// Reports why the poll failed; `after` is the source's `Retry-After` as it was sent.
    pub fn new(code: impl Into<String>, message: impl Into<String>, after: Option<String>) -> Self {
        Failure { code: code.into(), message: message.into(), after }
    }
}
