//! Answers to the source: `fn respond(&Answering) -> Result<(), Failure>` sends an agent's answer to the source of its event.
//!
//! [`export_respond!`](crate::export_respond) exports it next to a channel:
//!
//! ```
//! use gateway_plugin_sdk::Response;
//! use gateway_plugin_sdk::agent::Delivery;
//! use gateway_plugin_sdk::respond::{Answering, Failure, HttpRequest, Responded};
//!
//! fn respond(answer: &Answering) -> Responded {
//!     let url = answer.event().attribute("responseurl").ok_or_else(|| Failure::reject("invalid", "no `responseurl`"))?;
//!     match answer.event().send(&HttpRequest::new("POST", url).with_body(answer.text())) {
//!         Ok(response) if response.status < 300 => Ok(()),
//!         Ok(response) => Err(Failure::reject("status", response.status.to_string())),
//!         Err(error) => Err(Failure::retry(error.code, error.message, None)),
//!     }
//! }
//!
//! // The same function in a native test:
//! let event = Delivery::new("1", "slack.command")
//!     .with_attribute("responseurl", "https://hooks.example.com/1")
//!     .with_remote(|_| Ok(Response::new(200)));
//! assert_eq!(respond(&Answering::new(event, "triage", "text/plain", "done")), Ok(()));
//! ```

use crate::agent::Delivery;
use crate::bindings::responding::gateway::plugin::answer;

pub use crate::bindings::responding::exports::gateway::plugin::respond::Failure;
pub use crate::network::{HttpError, HttpRequest};

/// What `respond` returns.
pub type Responded = Result<(), Failure>;

/// The answer to send, and the event that it answers.
///
/// In a component each method is a call to the host: call only what you need, and keep the result.
#[derive(Debug)]
pub struct Answering {
    event: Delivery,
    given: Option<Given>,
}

#[derive(Debug)]
struct Given {
    agent: String,
    content_type: String,
    body: Vec<u8>,
    attributes: Vec<(String, String)>,
}

impl Answering {
    /// The current answer of this component.
    #[doc(hidden)]
    pub fn of_call() -> Self {
        Answering { event: Delivery::from_host(), given: None }
    }

    /// An answer of `agent` to `event` for a test.
    pub fn new(event: Delivery, agent: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let (agent, content_type) = (agent.to_owned(), content_type.to_owned());
        Answering { event, given: Some(Given { agent, content_type, body: body.into(), attributes: Vec::new() }) }
    }

    /// Adds an attribute of the answer.
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        let given = self.given.as_mut().expect("`with_` is for answers made by `new`");
        given.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The event that was answered, with access to host and network. Its `attempt` counts the attempts to send this answer.
    pub fn event(&self) -> &Delivery {
        &self.event
    }

    /// The answer's own id; use it as the idempotency key. In a test it is `answer`.
    pub fn id(&self) -> String {
        self.given.as_ref().map_or_else(answer::id, |_| String::from("answer"))
    }

    /// The name of the agent that answered.
    pub fn agent(&self) -> String {
        self.given.as_ref().map_or_else(answer::agent, |given| given.agent.clone())
    }

    /// Media type of the body.
    pub fn content_type(&self) -> String {
        self.given.as_ref().map_or_else(answer::content_type, |given| given.content_type.clone())
    }

    /// The body of the answer.
    pub fn body(&self) -> Vec<u8> {
        self.given.as_ref().map_or_else(answer::body, |given| given.body.clone())
    }

    /// The body as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        self.given.as_ref().map_or_else(answer::text, |given| String::from_utf8_lossy(&given.body).into_owned())
    }

    /// An attribute that the agent plugin gave the answer.
    pub fn attribute(&self, name: &str) -> Option<String> {
        match &self.given {
            None => answer::attribute(name),
            Some(given) => given.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        }
    }
}

impl Failure {
    /// A failure to be retried; `after` is the source's `Retry-After` as it was sent.
    pub fn retry(code: impl Into<String>, message: impl Into<String>, after: Option<String>) -> Self {
        Failure { code: code.into(), message: message.into(), retry: true, after }
    }

    /// A failure not to be retried.
    pub fn reject(code: impl Into<String>, message: impl Into<String>) -> Self {
        Failure { code: code.into(), message: message.into(), retry: false, after: None }
    }
}
