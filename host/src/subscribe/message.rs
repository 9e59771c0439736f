//! What is said over a subscription, beside the events.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::close::Close;
use super::form::Form;
use super::start::Gap;
use super::whole::whole;
use crate::event::{EventId, Timestamp};
use crate::eventlog::Cursor;

/// What the gateway says.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum ServerMessage {
    /// Always the first one.
    #[serde(rename = "connection.ack")]
    ConnectionAck {
        subscriber_id: String,
        connection_id: Uuid,
        /// What follows comes after it.
        cursor: Cursor,
        /// The newest event.
        head: Cursor,
        /// Everything up to it is gone.
        oldest: Cursor,
        ping_ms: u64,
        timeout_ms: u64,
        max_payload: usize,
        consumer: Option<ConsumerRole>,
    },
    #[serde(rename = "gap")]
    Gap(Gap),
    /// The filter let nothing through up to here.
    #[serde(rename = "position")]
    Position { cursor: Cursor, lag: u64 },
    /// Durable: none of it is sent again.
    #[serde(rename = "acked")]
    Acked {
        cursor: Cursor,
        /// Events after `cursor`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        ids: Vec<EventId>,
    },
    /// The role has changed.
    #[serde(rename = "consumer")]
    Consumer(ConsumerRole),
    #[serde(rename = "error")]
    Error {
        code: &'static str,
        detail: String,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Value>,
    },
    #[serde(rename = "connection.close")]
    ConnectionClose { reason: &'static str, reconnect: bool, after_ms: u64 },
}

/// The part of a connection in a consumer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ConsumerRole {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) lease: Option<String>,
    pub(super) window: usize,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The name of the SSE event.
    pub(super) name: &'static str,
    /// Where a reconnection goes on; not for every message.
    pub(super) cursor: Option<Cursor>,
    pub(super) json: Bytes,
}

impl ServerMessage {
    /// The message in a form. `now` is the time that forms without a cursor say.
    pub(super) fn outgoing(&self, form: Form, now: Timestamp) -> Outgoing {
        let (name, cursor) = match self {
            Self::ConnectionAck { cursor, .. } => ("connection.ack", Some(*cursor)),
            Self::Gap(gap) => ("gap", Some(gap.cursor)),
            Self::Position { cursor, .. } => ("position", Some(*cursor)),
            Self::Acked { .. } => ("acked", None),
            Self::Consumer(_) => ("consumer", None),
            Self::Error { .. } => ("error", None),
            Self::ConnectionClose { .. } => ("connection.close", None),
        };
        let json = match (form, self) {
            (Form::Plain, Self::ConnectionAck { subscriber_id, connection_id, .. }) => {
                let ack = json!({
                    "type": name, "gatewayId": subscriber_id, "connectionId": connection_id, "timestamp": now,
                });
                ack.to_string()
            }
            (Form::Gateway | Form::Plain | Form::Mcp, message) => text(message),
            (Form::CloudEvents, message) => {
                let event = json!({
                    "specversion": "1.0", "id": Uuid::now_v7(), "source": "/gateway", "type": format!("gateway.{name}"),
                    "time": now, "datacontenttype": "application/json", "data": message,
                });
                event.to_string()
            }
        };
        Outgoing { name, cursor, json: json.into() }
    }

    pub(super) fn close(close: Close, after_ms: u64) -> Self {
        Self::ConnectionClose { reason: close.reason(), reconnect: close.may_return(), after_ms }
    }
}

fn text(message: &ServerMessage) -> String {
    serde_json::to_string(message).expect("a message holds strings and numbers")
}

/// What a subscriber says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ClientMessage {
    Ack(Ack),
    Nack(Nack),
    /// More time for everything that was sent.
    Extend,
    Pause,
    Resume,
}

/// All events up to a cursor, or these.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Ack {
    pub cursor: Option<String>,
    #[serde(default)]
    pub ids: Vec<EventId>,
}

/// What is to become of events that were not processed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Nack {
    pub id: Option<EventId>,
    #[serde(default)]
    pub ids: Vec<EventId>,
    #[serde(default)]
    pub action: NackAction,
    /// How long a retry waits.
    #[serde(default, deserialize_with = "whole")]
    pub delay_ms: u64,
    #[serde(default)]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NackAction {
    #[default]
    Retry,
    Park,
    Skip,
}

/// A message that cannot be followed. The connection goes on.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) reference: Option<Value>,
}

impl ClientMessage {
    /// Reads a message, with its `ref`.
    ///
    /// # Errors
    /// `Err(None)` if it is not a JSON object; otherwise what is wrong with it.
    pub(super) fn read(text: &str) -> Result<(Self, Option<Value>), Option<Unreadable>> {
        let mut value: Value = serde_json::from_str(text).map_err(|_| None)?;
        let reference = value.as_object_mut().ok_or(None)?.remove("ref");
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        match serde_json::from_value(value) {
            Ok(message) => Ok((message, reference)),
            Err(error) => {
                let is_known = ["ack", "nack", "extend", "pause", "resume"].contains(&kind.as_str());
                let code = if is_known { "malformed_message" } else { "unknown_type" };
                Err(Some(Unreadable { code, detail: error.to_string(), reference }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_subscriber_says_is_read_or_explained() {
        let read = |text: &str| match ClientMessage::read(text) {
            Ok((message, reference)) => Ok((message, reference)),
            Err(Some(unreadable)) => Err(unreadable.code),
            Err(None) => Err("not_json"),
        };
        let ack = ClientMessage::Ack(Ack { cursor: Some("c".to_owned()), ids: Vec::new() });
        assert_eq!(read(r#"{"type":"ack","cursor":"c","ref":7}"#), Ok((ack, Some(json!(7)))));
        let Ok((ClientMessage::Nack(nack), None)) =
            read(r#"{"type":"nack","id":"01970000-0000-7000-8000-000000000001","action":"park"}"#)
        else {
            panic!("a nack")
        };
        assert_eq!((nack.action, nack.delay_ms), (NackAction::Park, 0));
        assert_eq!(read(r#"{"type":"pause"}"#), Ok((ClientMessage::Pause, None)));

        for (text, code) in [
            (r#"{"type":"dance"}"#, "unknown_type"),
            ("{}", "unknown_type"),
            (r#"{"type":"ack","ids":["x"]}"#, "malformed_message"),
            ("[]", "not_json"),
            ("hello", "not_json"),
        ] {
            assert_eq!(read(text), Err(code), "{text}");
        }
    }
}
