//! A destination of events: `fn deliver(&Delivery) -> Result<Answer, Failure>`.

pub use crate::bindings::agent::exports::gateway::plugin::deliver::{Answer, Failure, Refusal, Retry};
use crate::bindings::agent::gateway::plugin::outbound;
use crate::network::Network;
pub use crate::network::{HttpError, HttpRequest};
pub use crate::reply::{accepted, quoted};
use crate::{Content, Host, Response};

/// What `deliver` returns.
pub type Delivered = Result<Answer, Failure>;

/// The current delivery: one event for one agent, with access to host and network.
///
/// In a component a method that returns a `String` or a `Vec` is a call to the host: call only what you need, and keep the result.
#[derive(Debug)]
pub struct Delivery {
    host: Host,
    network: Network,
    id: String,
    kind: String,
    subject: Option<String>,
    attempt: u32,
    given: Option<Given>,
}

#[derive(Debug)]
struct Given {
    attributes: Vec<(String, String)>,
    content_type: String,
    data: Vec<u8>,
    skills: Vec<String>,
}

impl Delivery {
    /// The current delivery of this component.
    #[doc(hidden)]
    pub fn of_call(id: String, kind: String, subject: Option<String>, attempt: u32, config: String) -> Self {
        let (host, network) = (Host::with_settings(config), Network::real());
        Delivery { host, network, id, kind, subject, attempt, given: None }
    }

    /// The event of a call that brings nothing along.
    pub(crate) fn from_host() -> Self {
        Delivery {
            host: Host::real(),
            network: Network::real(),
            id: outbound::id(),
            kind: outbound::kind(),
            subject: outbound::subject(),
            attempt: outbound::attempt(),
            given: None,
        }
    }

    /// A delivery for a test: the first attempt, no subject or attributes, data `{}`, and a network that denies every request.
    pub fn new(id: &str, kind: &str) -> Self {
        let given = Given {
            attributes: Vec::new(),
            content_type: String::from("application/json"),
            data: b"{}".to_vec(),
            skills: Vec::new(),
        };
        Delivery {
            host: Host::stand_in(),
            network: Network::denied(),
            id: id.to_owned(),
            kind: kind.to_owned(),
            subject: None,
            attempt: 1,
            given: Some(given),
        }
    }

    /// Sets the subject.
    pub fn with_subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// Adds an attribute.
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.given().attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the data and its media type.
    pub fn with_data(mut self, content_type: &str, data: impl Into<Vec<u8>>) -> Self {
        self.given().content_type = content_type.to_owned();
        self.given().data = data.into();
        self
    }

    /// Sets the number of the attempt; the first is 1.
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Offers a skill.
    pub fn with_skill(mut self, name: &str, description: &str, path: &str) -> Self {
        let skill = format!(r#"{{"name":"{name}","description":"{description}","path":"{path}"}}"#);
        self.given().skills.push(skill);
        self
    }

    /// Sets a value of the `config` table: a string as it is, anything else as JSON text.
    pub fn with_config(mut self, key: &str, value: &str) -> Self {
        self.host.set_config(key, value);
        self
    }

    /// Sets the function that answers [`send`](Self::send).
    pub fn with_remote(mut self, remote: impl Fn(&HttpRequest) -> Result<Response, HttpError> + 'static) -> Self {
        self.network = Network::stand_in(remote);
        self
    }

    fn given(&mut self) -> &mut Given {
        self.given.as_mut().expect("`with_` is for deliveries made by `new`")
    }

    /// Settings, state, log, clock.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The event's id; use it as the idempotency key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The event's kind: `<channel>.<kind from the channel plugin>`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What the event is about.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<String> {
        match &self.given {
            None => outbound::attribute(name),
            Some(given) => given.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        }
    }

    /// All attributes.
    pub fn attributes(&self) -> Vec<(String, String)> {
        self.given.as_ref().map_or_else(outbound::attributes, |given| given.attributes.clone())
    }

    /// Media type of the data.
    pub fn content_type(&self) -> String {
        self.given.as_ref().map_or_else(outbound::content_type, |given| given.content_type.clone())
    }

    /// The payload.
    pub fn data(&self) -> Vec<u8> {
        self.given.as_ref().map_or_else(outbound::data, |given| given.data.clone())
    }

    /// The payload as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        self.given.as_ref().map_or_else(outbound::text, |given| String::from_utf8_lossy(&given.data).into_owned())
    }

    /// The event as a CloudEvent 1.0 in structured mode, JSON. In a test it holds `specversion`, `id`, `type`, `time`
    /// and `data`.
    pub fn cloud_event(&self) -> String {
        match &self.given {
            None => outbound::cloud_event(),
            Some(given) => {
                let data = String::from_utf8_lossy(&given.data);
                let data = if given.content_type.ends_with("json") { data } else { quoted_json(&data).into() };
                let (id, kind, time) = (&self.id, &self.kind, self.host.now());
                format!(r#"{{"specversion":"1.0","id":"{id}","type":"{kind}","time":"{time}","data":{data}}}"#)
            }
        }
    }

    /// The envelope as JSON. In a test it holds `version`, `skills`, `attempt` and `event`.
    pub fn envelope(&self) -> String {
        match &self.given {
            None => outbound::envelope(),
            Some(given) => format!(
                r#"{{"version":"1","skills":[{}],"attempt":{},"event":{}}}"#,
                given.skills.join(","),
                self.attempt,
                self.cloud_event()
            ),
        }
    }

    /// The number of the attempt; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Sends a request through the host, which enforces the allow list and adds the credential.
    ///
    /// A response with any status is `Ok`; an error means that there was no response.
    pub fn send(&self, request: &HttpRequest) -> Result<Response, HttpError> {
        self.network.send(request)
    }

    /// As [`send`](Self::send), for a request whose status alone says that the agent took it: a 2xx is `Ok` even if its body is
    /// too large or breaks off. Where somebody waits for the agent's answer, it is [`send`](Self::send).
    pub fn notify(&self, request: &HttpRequest) -> Result<Response, HttpError> {
        self.network.notify(request)
    }

    /// The requests sent so far. Only a stand-in records them; the real network returns none.
    pub fn sent(&self) -> Vec<HttpRequest> {
        self.network.sent()
    }

    /// Whether `gateway.toml` has a credential of this name. A stand-in has every credential.
    pub fn has_credential(&self, name: &str) -> bool {
        self.network.has_credential(name)
    }
}

/// A text as a JSON string.
fn quoted_json(text: &str) -> String {
    let mut json = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            _ if letter.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => json.push(letter),
        }
    }
    json.push('"');
    json
}

impl Answer {
    /// The agent's answer; in sync mode it is the response to the caller.
    pub fn new(content_type: impl Into<String>, body: impl Into<Content>) -> Self {
        Answer { content_type: content_type.into(), body: Some(body.into()), attributes: Vec::new() }
    }

    /// Adds an attribute unless the value is `None`: its first 200 characters, on one line.
    pub fn with_attribute(mut self, name: &str, value: Option<String>) -> Self {
        self.attributes.extend(value.map(|value| (name.to_owned(), quoted(value.as_bytes()))));
        self
    }
}

impl Failure {
    /// A failure to be retried; `after` is the agent's `Retry-After` as it was sent.
    pub fn retry(code: impl Into<String>, message: impl Into<String>, after: Option<String>) -> Self {
        Failure::Retry(Retry { code: code.into(), message: message.into(), after })
    }

    /// A rejection because a setting is invalid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::reject("invalid", message)
    }

    /// A failure not to be retried.
    pub fn reject(code: impl Into<String>, message: impl Into<String>) -> Self {
        Failure::Reject(Refusal { code: code.into(), message: message.into() })
    }
}
