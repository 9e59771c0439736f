//! Inputs and results of plugin calls, as types of the host.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use jiff::fmt::rfc2822;

use crate::egress::{EgressError, Response};
use crate::event::{Event, SkillRef, Timestamp};

use super::bindings::agent::exports::gateway::plugin::agent;
use super::bindings::channel::exports::gateway::plugin::channel;
use super::bindings::channel::gateway::plugin::types;
use super::bindings::delivering::exports::gateway::plugin::deliver;
use super::bindings::polling::exports::gateway::plugin::poll;
use super::bindings::receiving::exports::gateway::plugin::receive;
use super::bindings::responding::exports::gateway::plugin::respond;
use super::state::StateChanges;

/// The input of a channel plugin's `receive`: a verified request.
#[derive(Clone, Debug)]
pub struct Inbound {
    pub method: String,
    /// The path below the channel's mount point; starts with `/`.
    pub path: String,
    /// Undecoded, without `?`, without credentials.
    pub query: String,
    /// Without credentials.
    pub headers: HeaderMap,
    pub body: Bytes,
    pub received_at: Timestamp,
}

impl Inbound {
    /// The headers as one text: `name: value` and a line feed each. No value has a line feed.
    pub(super) fn header_lines(&self) -> String {
        let length: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 3).sum();
        let mut lines = String::with_capacity(length);
        for (name, value) in &self.headers {
            lines.extend([name.as_str(), ": ", &header_text(value), "\n"]);
        }
        lines
    }
}

/// A header's value as text; bytes that are not UTF-8 become U+FFFD.
pub(super) fn header_text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The result of a channel plugin's `receive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub events: Vec<ReceiptEvent>,
    /// The response, when the plugin wants another one than the gateway's.
    pub response: Option<Response>,
    /// State changes of the call.
    pub state: StateChanges,
}

/// The result of a channel plugin's `poll`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Each has data and a media type.
    pub events: Vec<ReceiptEvent>,
    /// Whether the source has more events now.
    pub more: bool,
    /// State changes of the call.
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
    /// For the caller.
    pub detail: String,
}

/// The input of an agent plugin's `deliver`.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub event: Arc<Event>,
    pub skills: Arc<[SkillRef]>,
    /// Counts from 1.
    pub attempt: u32,
    /// Whether somebody waits for the agent's answer: the caller of a synchronous route, or the source of the event.
    pub wants_answer: bool,
}

/// The input of a channel plugin's `respond`: an agent's answer on its way back to the source.
#[derive(Clone, Debug)]
pub struct Responding {
    /// The event that the agent answered.
    pub event: Arc<Event>,
    /// The answer, which is an event too.
    pub answer: Arc<Event>,
    pub agent: String,
    /// Counts from 1.
    pub attempt: u32,
}

/// The result of an agent plugin's `deliver`; of `respond`, what the call left beside the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub content_type: String,
    /// Empty when there is no body.
    pub body: Bytes,
    pub attributes: Vec<(String, String)>,
    /// What an operator may want to know, although the call succeeded.
    pub note: Option<String>,
    /// State changes of the call.
    pub state: StateChanges,
}

/// Why a plugin did not deliver, respond or poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether a retry makes sense.
    pub retry: bool,
    /// The plugin's code for the cause.
    pub code: String,
    pub message: String,
    /// The agent's `Retry-After`, unparsed.
    pub after: Option<String>,
    /// What the last request of the call came to, as the host saw it.
    pub exchange: Option<Exchange>,
}

/// The status of the response to a request, or why there was none.
pub type Exchange = Result<u16, EgressError>;

impl Failure {
    /// The wait that `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
    pub fn asked_wait(&self, now: Timestamp) -> Option<Duration> {
        let text = self.after.as_deref()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = rfc2822::parse(text).ok()?.timestamp();
        Some(Timestamp::from_millis(date.as_millisecond()).since(now))
    }
}

/// Converts what an interface returns that receives requests. All of them have the same types.
macro_rules! received {
    ($($interface:ident)*) => {$(
        impl From<$interface::Receipt> for Receipt {
            fn from(receipt: $interface::Receipt) -> Self {
                let event = |event: $interface::Event| ReceiptEvent {
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

        impl From<$interface::Rejection> for Rejection {
            fn from(rejection: $interface::Rejection) -> Self {
                let status = if (400..500).contains(&rejection.status) { rejection.status } else { 422 };
                Self { status, detail: rejection.detail }
            }
        }
    )*};
}

received!(channel receive);

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

/// As above, for interfaces that deliver.
macro_rules! delivered {
    ($($interface:ident)*) => {$(
        impl From<$interface::Answer> for Answer {
            fn from(answer: $interface::Answer) -> Self {
                let $interface::Answer { content_type, body, attributes } = answer;
                let body = body.map(Bytes::from).unwrap_or_default();
                Self { content_type, body, attributes, note: None, state: StateChanges::default() }
            }
        }

        impl From<$interface::Failure> for Failure {
            fn from(failure: $interface::Failure) -> Self {
                match failure {
                    $interface::Failure::Retry($interface::Retry { code, message, after }) => {
                        Self { retry: true, code, message, after, exchange: None }
                    }
                    $interface::Failure::Reject($interface::Refusal { code, message }) => {
                        Self { retry: false, code, message, after: None, exchange: None }
                    }
                }
            }
        }
    )*};
}

delivered!(agent deliver);

impl From<respond::Failure> for Failure {
    fn from(failure: respond::Failure) -> Self {
        let respond::Failure { code, message, retry, after } = failure;
        Self { retry, code, message, after, exchange: None }
    }
}

impl From<poll::Failure> for Failure {
    fn from(failure: poll::Failure) -> Self {
        let poll::Failure { code, message, after } = failure;
        Self { retry: true, code, message, after, exchange: None }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn header_lines(headers: HeaderMap) -> String {
        let inbound = Inbound {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers,
            body: Bytes::new(),
            received_at: Timestamp::from_millis(0),
        };
        inbound.header_lines()
    }

    #[test]
    fn headers_are_lines_in_their_order() {
        let mut headers = HeaderMap::new();
        headers.append("x-kind", HeaderValue::from_static("opened"));
        headers.append("x-kind", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.append("x-empty", HeaderValue::from_static(""));

        assert_eq!(header_lines(headers), "x-kind: opened\nx-kind: caf\u{fffd}\nx-empty: \n");
    }

    /// A guest takes every line for a header, so no byte of a name or a value may begin a line, or end a name.
    #[test]
    fn no_header_can_forge_another_one() {
        let odd = |byte: u8| [&b"a"[..], &[byte], b"x-forged: yes"].concat();
        for byte in 0..=u8::MAX {
            if let Ok(value) = HeaderValue::from_bytes(&odd(byte)) {
                let lines = header_lines([(HeaderName::from_static("x-note"), value)].into_iter().collect());
                assert_eq!((lines.lines().count(), lines.matches('\n').count()), (1, 1), "{byte}");
                assert!(lines.starts_with("x-note: a"), "{byte}");
            }
            if let Ok(name) = HeaderName::from_bytes(&[b'a', byte]) {
                let lines = header_lines([(name, HeaderValue::from_static("yes"))].into_iter().collect());
                assert_eq!(lines.split_once(": "), Some((&lines[..2], "yes\n")), "{byte}");
            }
        }
    }

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_with_a_date() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        for (after, seconds) in
            [("20", Some(20)), (" 0 ", Some(0)), ("Tue, 14 Nov 2023 22:14:20 GMT", Some(60)), ("soon", None)]
        {
            let after = Some(after.to_owned());
            let failure = Failure { retry: true, code: String::new(), message: String::new(), after, exchange: None };
            assert_eq!(failure.asked_wait(now), seconds.map(Duration::from_secs), "{failure:?}");
        }
    }
}
