//! The records of format 1 as they were written, frozen: nothing here changes any more.
//!
//! Those that have not changed since are in use: `v2.rs` names them.

use serde::{Deserialize, Serialize};

use super::additions::Unreadable;
use super::list::Stored;
use crate::event;
use crate::event::{EventId, RequestId, Seq, Timestamp};
use crate::eventlog::identity::Identity;
use crate::eventlog::snapshot;

/// An event without its payload, and who was to get it. The payload follows unless it is in records of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventHeader<'a> {
    #[serde(borrow)]
    pub(crate) event: Event<'a>,
    pub(crate) identity: Option<Identity>,
    #[serde(borrow)]
    pub(crate) recipients: Vec<Recipient<'a>>,
    pub(crate) overflow: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Event<'a> {
    pub(crate) id: EventId,
    pub(crate) seq: Seq,
    pub(crate) channel: &'a str,
    pub(crate) plugin: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) time: Timestamp,
    pub(crate) verified_at: Option<Timestamp>,
    pub(crate) stored_at: Timestamp,
    pub(crate) content_type: &'a str,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) request_id: RequestId,
}

impl Event<'_> {
    pub(crate) fn into_event(self) -> Result<event::Event, Unreadable> {
        Ok(event::Event {
            id: self.id,
            seq: self.seq,
            channel: self.channel.parse()?,
            plugin: self.plugin.parse()?,
            kind: self.kind.to_owned(),
            subject: self.subject.map(str::to_owned),
            time: self.time,
            verified_at: self.verified_at,
            stored_at: self.stored_at,
            content_type: self.content_type.to_owned(),
            data: bytes::Bytes::new(),
            attributes: self.attributes,
            headers: self.headers,
            request_id: self.request_id,
            delivery_id: None,
            traceparent: None,
            quarantine: None,
            repeat_of: None,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recipient<'a> {
    agent: &'a str,
    priority: Priority,
}

impl<'a> Recipient<'a> {
    pub(crate) fn of(recipient: &'a event::Recipient) -> Self {
        Self { agent: recipient.agent.as_str(), priority: recipient.priority.into() }
    }

    pub(crate) fn into_recipient(self) -> Result<event::Recipient, Unreadable> {
        Ok(event::Recipient { agent: self.agent.parse()?, priority: self.priority.into() })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Delivery<'a> {
    agent: &'a str,
    priority: Priority,
    state: DeliveryState,
    created_at: Timestamp,
    next_attempt_at: Option<Timestamp>,
    replayed_by: Option<String>,
    attempts_made: u32,
    attempts: Vec<Attempt>,
}

impl Stored for Delivery<'_> {
    type Value = event::Delivery;

    fn into_value(self) -> Result<event::Delivery, Unreadable> {
        Ok(event::Delivery {
            agent: self.agent.parse()?,
            priority: self.priority.into(),
            state: self.state.into(),
            created_at: self.created_at,
            next_attempt_at: self.next_attempt_at,
            replayed_by: self.replayed_by,
            attempts_made: self.attempts_made,
            attempts: self.attempts.into_iter().map(Attempt::into_attempt).collect(),
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    number: u32,
    started_at: Timestamp,
    ended_at: Timestamp,
    outcome: Outcome,
    code: String,
    message: String,
}

impl Attempt {
    fn into_attempt(self) -> event::Attempt {
        let Self { number, started_at, ended_at, outcome, code, message } = self;
        let (term, outcome) = (event::Attempt::FIRST_TERM, outcome.into());
        event::Attempt { number, term, started_at, ended_at, outcome, code, message }
    }
}

/// The log as a whole. The counts are of accepted, pending, dead and delivered events.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogState {
    pub(crate) head: Seq,
    pub(crate) floor: Seq,
    pub(crate) settled: Seq,
    pub(crate) statuses: [u64; 4],
    pub(crate) bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChannelCounts {
    accepted: u64,
    duplicates: u64,
    last_event_at: Option<Timestamp>,
}

impl ChannelCounts {
    pub(crate) fn into_counts(self) -> snapshot::ChannelCounts {
        let Self { accepted, duplicates, last_event_at } = self;
        snapshot::ChannelCounts { accepted, duplicates, last_event_at }
    }
}

/// An enum of the domain and the numbers that stand for it: the places of the variants here.
macro_rules! numbered {
    ($name:ident { $($variant:ident)+ } $($other:ident => $stored:ident)?) => {
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        pub(crate) enum $name { $($variant),+ }

        impl From<event::$name> for $name {
            fn from(value: event::$name) -> Self {
                match value {
                    $(event::$name::$variant => Self::$variant,)+
                    $(event::$name::$other => Self::$stored,)?
                }
            }
        }

        impl From<$name> for event::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

numbered!(Priority { Low Normal High });
// That a delivery was replayed follows from those after it.
numbered!(DeliveryState { Pending Retrying Delivered Dead } Replayed => Dead);
numbered!(Outcome { Delivered Retry Dead });
