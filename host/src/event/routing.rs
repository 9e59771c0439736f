//! What routes see of an event, and what they decide.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;

use super::cloud_event::{BYTE_ORDER_MARK, json};
use super::{ChannelName, Event, Recipient};

/// What routes see of an event. It may not be stored yet.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub channel: &'a ChannelName,
    /// With the name of the channel.
    pub kind: &'a str,
    pub subject: Option<&'a str>,
    pub attributes: &'a [(String, String)],
    pub data: &'a [u8],
}

/// Where an event goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Each agent once.
    pub recipients: Vec<Recipient>,
    /// How the caller waits for the agent. `None` if it does not.
    pub wait: Option<SyncMode>,
}

/// How a caller waits for an agent's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncMode {
    pub timeout: Duration,
    /// The response after the timeout. The delivery continues.
    pub on_timeout: OnTimeout,
}

/// The response to a caller if an agent takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// 202 with the ids of the events.
    Accepted,
    /// 504.
    GatewayTimeout,
}

impl<'a> Facts<'a> {
    /// The data as JSON, whatever its media type says: senders often leave it out, or say that it is a form. `None` if it is not
    /// an object or a list.
    pub fn json(&self) -> Option<Cow<'a, RawValue>> {
        let first = self.data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(self.data).trim_ascii_start().first();
        matches!(first, Some(b'{' | b'[')).then(|| json(self.data)).flatten()
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Event {
    /// What routes see of it.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            channel: &self.channel,
            kind: &self.kind,
            subject: self.subject.as_deref(),
            attributes: &self.attributes,
            data: &self.data,
        }
    }
}
