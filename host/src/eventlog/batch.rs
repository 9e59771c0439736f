//! What goes into the log, and what becomes of it.

use std::sync::Arc;

use bytes::Bytes;

use super::Identity;
use crate::event::{
    AgentName, ChannelName, DeliveryId, Event, EventId, PluginName, Priority, Recipient, RequestId, Timestamp,
};

/// An event that is to be stored.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Event`, and the two below")]
pub struct NewEvent {
    pub channel: ChannelName,
    pub plugin: PluginName,
    pub kind: String,
    pub subject: Option<String>,
    pub time: Timestamp,
    pub verified_at: Option<Timestamp>,
    pub content_type: String,
    pub data: Bytes,
    pub attributes: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub request_id: RequestId,
    pub traceparent: Option<String>,
    /// What makes it the same as another one; none is never a duplicate.
    pub identity: Option<Identity>,
    /// Who is to get it.
    pub recipients: Vec<Recipient>,
}

impl NewEvent {
    /// At least what it takes in the log without its payload.
    pub(super) fn header_bytes(&self) -> usize {
        let pairs = self.attributes.iter().chain(&self.headers).map(|(name, value)| name.len() + value.len() + 6);
        let names = self.channel.as_str().len() + self.plugin.as_str().len() + self.kind.len();
        let recipients = self.recipients.iter().map(|recipient| recipient.agent.as_str().len() + 2);
        let subject = self.subject.as_ref().map_or(0, String::len);
        let traceparent = self.traceparent.as_ref().map_or(0, String::len);
        200 + names + subject + traceparent + self.content_type.len() + pairs.sum::<usize>() + recipients.sum::<usize>()
    }
}

/// A change of what a plugin keeps.
#[derive(Clone, Debug)]
pub struct NewState {
    /// Whose it is.
    pub owner: String,
    /// New values by key, none for a key that goes. A key has no NUL; a value fits into one record.
    pub entries: Vec<(String, Option<Bytes>)>,
}

impl NewState {
    /// About what it takes in the log.
    pub(super) fn bytes(&self) -> usize {
        let entry = |(key, value): &(String, Option<Bytes>)| key.len() + value.as_ref().map_or(0, Bytes::len) + 64;
        self.entries.iter().map(entry).sum()
    }
}

/// What became of an event that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is stored.
    Accepted(Arc<Event>),
    /// The event with this id has the same identity; nothing was stored.
    Duplicate(EventId),
}

/// A delivery that a commit has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The destination.
    pub agent: AgentName,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether somebody asked for the event again.
    pub replay: bool,
}
