//! What goes into a call of a plugin and what comes out of it, in the host's own types.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::fmt::rfc2822;

use crate::egress::Response;
use crate::event::{Event, SkillRef, Timestamp};

use super::bindings::agent::exports::gateway::plugin::agent;
use super::bindings::channel::exports::gateway::plugin::channel;
use super::bindings::channel::gateway::plugin::types;
use super::bindings::polling::exports::gateway::plugin::poll;
use super::bindings::responding::exports::gateway::plugin::respond;
use super::state::StateChanges;

/// A verified request on its way into a channel plugin.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// `POST`, ...
    pub method: String,
    /// The path below the channel's mount point; starts with `/`.
    pub path: String,
    /// Undecoded, without `?`, without credentials.
    pub query: String,
    /// Without credentials.
    pub headers: HeaderMap,
    /// As received.
    pub body: Bytes,
    /// When the host received it.
    pub received_at: Timestamp,
}

/// What a channel plugin made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The events, in order.
    pub events: Vec<ReceiptEvent>,
    /// The plugin's own answer.
    pub response: Option<Response>,
    /// What the call changed of the channel's state.
    pub state: StateChanges,
}

/// What a channel plugin fetched from its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The events, in order; each has data and a media type.
    pub events: Vec<ReceiptEvent>,
    /// Whether the source has more.
    pub more: bool,
    /// What the call changed of the channel's state.
    pub state: StateChanges,
}

/// One event of a receipt; the fields are those of `channel.event` in the WIT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the WIT documents every field")]
pub struct ReceiptEvent {
    pub kind: String,
    pub subject: Option<String>,
    pub delivery_id: Option<String>,
    pub key: Option<String>,
    pub data: Option<Bytes>,
    pub content_type: Option<String>,
    pub attributes: Vec<(String, String)>,
}

/// A channel plugin's refusal of a request's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// 400 to 499.
    pub status: u16,
    /// Why, for the caller.
    pub detail: String,
}

/// An event on its way into an agent plugin.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The event.
    pub event: Arc<Event>,
    /// The skills of the route.
    pub skills: Arc<[SkillRef]>,
    /// Counts from 1.
    pub attempt: u32,
}

/// An agent's answer on its way back to where its event came from.
#[derive(Clone, Debug)]
pub struct Responding {
    /// The event that was answered.
    pub event: Arc<Event>,
    /// The answer, which is an event of its own.
    pub answer: Arc<Event>,
    /// The name of the agent.
    pub agent: String,
    /// Counts from 1.
    pub attempt: u32,
}

/// What an agent answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Media type of `body`.
    pub content_type: String,
    /// Empty when there is none.
    pub body: Bytes,
    /// Further facts.
    pub attributes: Vec<(String, String)>,
    /// What the call changed of the state.
    pub state: StateChanges,
}

/// Why a plugin did not deliver, answer or fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether another attempt makes sense.
    pub retry: bool,
    /// The plugin's word for the cause.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// The agent's `Retry-After` as it was sent.
    pub after: Option<String>,
}

impl Failure {
    /// The wait that a `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
    pub fn asked_wait(&self, now: Timestamp) -> Option<Duration> {
        let text = self.after.as_deref()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = rfc2822::parse(text).ok()?.timestamp();
        Some(Timestamp::from_millis(date.as_millisecond()).since(now))
    }
}

impl From<channel::Receipt> for Receipt {
    fn from(receipt: channel::Receipt) -> Self {
        let event = |event: channel::Event| ReceiptEvent {
            kind: event.kind,
            subject: event.subject,
            delivery_id: event.delivery_id,
            key: event.key,
            data: event.data.map(Bytes::from),
            content_type: event.content_type,
            attributes: event.attributes,
        };
        Self {
            events: receipt.events.into_iter().map(event).collect(),
            response: receipt.response.map(Response::from),
            state: StateChanges::default(),
        }
    }
}

impl From<poll::Batch> for Batch {
    fn from(batch: poll::Batch) -> Self {
        let event = |event: poll::Event| ReceiptEvent {
            kind: event.kind,
            subject: event.subject,
            delivery_id: event.delivery_id,
            key: event.key,
            data: Some(Bytes::from(event.data)),
            content_type: Some(event.content_type),
            attributes: event.attributes,
        };
        let events = batch.events.into_iter().map(event).collect();
        Self { events, more: batch.more, state: StateChanges::default() }
    }
}

impl From<types::Response> for Response {
    fn from(response: types::Response) -> Self {
        let types::Response { status, headers, body } = response;
        Self { status, headers, body: body.map(Bytes::from).unwrap_or_default() }
    }
}

impl From<channel::Rejection> for Rejection {
    fn from(rejection: channel::Rejection) -> Self {
        let status = if (400..500).contains(&rejection.status) { rejection.status } else { 422 };
        Self { status, detail: rejection.detail }
    }
}

impl From<agent::Answer> for Answer {
    fn from(answer: agent::Answer) -> Self {
        let agent::Answer { content_type, body, attributes } = answer;
        let body = body.map(Bytes::from).unwrap_or_default();
        Self { content_type, body, attributes, state: StateChanges::default() }
    }
}

impl From<agent::Failure> for Failure {
    fn from(failure: agent::Failure) -> Self {
        match failure {
            agent::Failure::Retry(agent::Retry { code, message, after }) => Self { retry: true, code, message, after },
            agent::Failure::Reject(agent::Refusal { code, message }) => {
                Self { retry: false, code, message, after: None }
            }
        }
    }
}

impl From<respond::Failure> for Failure {
    fn from(failure: respond::Failure) -> Self {
        let respond::Failure { code, message, retry, after } = failure;
        Self { retry, code, message, after }
    }
}

impl From<poll::Failure> for Failure {
    fn from(failure: poll::Failure) -> Self {
        let poll::Failure { code, message, after } = failure;
        Self { retry: true, code, message, after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_with_a_date() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        for (after, seconds) in
            [("20", Some(20)), (" 0 ", Some(0)), ("Tue, 14 Nov 2023 22:14:20 GMT", Some(60)), ("soon", None)]
        {
            let after = Some(after.to_owned());
            let failure = Failure { retry: true, code: String::new(), message: String::new(), after };
            assert_eq!(failure.asked_wait(now), seconds.map(Duration::from_secs), "{failure:?}");
        }
    }
}
