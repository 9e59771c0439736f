//! What one commit changes, and what became of it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{Identity, Statement};
use crate::event::{
    AgentName, Attempt, ChannelName, DeliveryId, DeliveryState, Event, EventId, Facts, PluginName, Priority, Recipient,
    RequestId, Seq, Timestamp,
};

/// What one commit changes: all of it becomes durable together, or nothing does.
///
/// A batch that has events or releases counts as intake and is refused first when room is short; any other is upkeep.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The events of one receipt, in their order.
    pub events: Vec<NewEvent>,
    pub redeliveries: Vec<Redelivery>,
    pub attempts: Vec<FinishedAttempt>,
    pub values: Vec<ValueChange>,
    pub releases: Vec<Release>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.changed() == 0
    }

    fn changed(&self) -> usize {
        let Self { events, redeliveries, attempts, values, releases } = self;
        events.len() + redeliveries.len() + attempts.len() + values.len() + releases.len()
    }

    /// Adds what another one changes, after what it changes itself.
    pub(super) fn append(&mut self, other: Self) {
        let Self { events, redeliveries, attempts, values, releases } = other;
        self.events.extend(events);
        self.redeliveries.extend(redeliveries);
        self.attempts.extend(attempts);
        self.values.extend(values);
        self.releases.extend(releases);
    }

    /// The events that it adds.
    pub(super) fn added(&self) -> impl Iterator<Item = &NewEvent> {
        self.events.iter().chain(self.releases.iter().map(|release| &release.event))
    }

    /// The most changes that the batch makes to one commit's count: what `eventlog.batch_events` limits.
    pub(super) fn changes(&self) -> usize {
        self.changed().max(1)
    }

    /// About the bytes that it takes in the log.
    pub(super) fn bytes(&self) -> usize {
        let events = self.added().map(|event| event.header_bytes().saturating_add(event.data.len()));
        let attempts = self.attempts.iter().map(FinishedAttempt::bytes);
        let values = self.values.iter().map(ValueChange::bytes);
        events.chain(attempts).chain(values).fold(1024 * self.redeliveries.len(), usize::saturating_add)
    }
}

impl From<Vec<NewEvent>> for Batch {
    fn from(events: Vec<NewEvent>) -> Self {
        Self { events, ..Self::default() }
    }
}

/// An event that is to be stored.
#[derive(Clone, Debug)]
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
    /// What its provider calls the delivery.
    pub delivery_id: Option<String>,
    pub traceparent: Option<String>,
    /// What it has in common with a repetition of itself. Without one it is never a duplicate.
    pub identity: Option<Identity>,
    /// What it says of a thing. With one it is also a duplicate if that was the last thing told.
    pub statement: Option<Statement>,
    /// Whether it comes from another log, with its time: its id is of today, so that its identity is known for a whole window,
    /// and retention counts from today.
    pub is_imported: bool,
    pub recipients: Vec<Recipient>,
    /// Why it is put into quarantine, for people.
    pub quarantine: Option<String>,
    /// Whether it is stored for processors if its statement repeats the last state that was told, unless it is put into quarantine.
    pub keep_repeat: bool,
    /// What it repeats, known beforehand because it comes from another log.
    pub repeat_of: Option<EventId>,
}

impl NewEvent {
    /// An event of now of one of the gateway's own channels, such as `alerts`, with a kind such as `opened`; for `recipients`.
    pub fn of_gateway(
        channel: &str,
        kind: &str,
        subject: String,
        attributes: Vec<(String, String)>,
        data: &Value,
        recipients: impl Fn(&Facts<'_>) -> Vec<Recipient>,
    ) -> Self {
        let kind = format!("{channel}.{kind}");
        let plugin = channel.parse().expect("names of channels and plugins follow the same rule");
        let channel: ChannelName = channel.parse().expect("the name of a built-in channel is a name");
        let data = Bytes::from(data.to_string());
        let facts =
            Facts { channel: &channel, kind: &kind, subject: Some(&subject), attributes: &attributes, data: &data };
        Self {
            plugin,
            recipients: recipients(&facts),
            channel,
            kind,
            subject: Some(subject),
            time: Timestamp::now(),
            verified_at: None,
            content_type: "application/json".to_owned(),
            data,
            attributes,
            headers: Vec::new(),
            request_id: RequestId::new(),
            delivery_id: None,
            traceparent: None,
            identity: None,
            statement: None,
            is_imported: false,
            quarantine: None,
            keep_repeat: false,
            repeat_of: None,
        }
    }
}

impl Appended {
    /// The event that told it, this one or an earlier one.
    pub fn id(&self) -> EventId {
        match self {
            Self::Accepted(event) | Self::Held(event) => event.id,
            Self::Repeat { first, .. } | Self::Duplicate(first) => *first,
        }
    }
}

impl NewEvent {
    /// At least what it takes in the log without its payload.
    pub(super) fn header_bytes(&self) -> usize {
        let pairs = self.attributes.iter().chain(&self.headers).map(|(name, value)| name.len() + value.len() + 6);
        let names = self.channel.as_str().len() + self.plugin.as_str().len() + self.kind.len();
        let recipients = self.recipients.iter().map(|recipient| recipient.agent.as_str().len() + 2);
        let subject = self.subject.as_ref().map_or(0, String::len);
        let traceparent = self.traceparent.as_ref().map_or(0, String::len);
        let delivery_id = self.delivery_id.as_ref().map_or(0, String::len);
        let quarantine = self.quarantine.as_ref().map_or(0, String::len);
        200 + names
            + subject
            + traceparent
            + delivery_id
            + quarantine
            + self.content_type.len()
            + pairs.sum::<usize>()
            + recipients.sum::<usize>()
    }
}

/// The end of a quarantine: the event at `seq` is told as `event`, in one commit.
///
/// The batch conflicts if that event is not in quarantine, or not any more.
#[derive(Clone, Debug)]
pub struct Release {
    pub seq: Seq,
    /// Who asked for it.
    pub by: String,
    /// What is told. It is new, whatever identity it has.
    pub event: NewEvent,
}

/// New deliveries of an event that is stored.
#[derive(Clone, Debug)]
pub struct Redelivery {
    /// The event with its payload, as the log returned it: the writer does not read it again.
    pub event: Arc<Event>,
    pub target: RedeliveryTarget,
    /// Who asked for it.
    pub by: String,
}

/// Who gets an event once more.
#[derive(Clone, Debug)]
pub enum RedeliveryTarget {
    /// These agents, whatever became of earlier deliveries.
    Recipients(Vec<Recipient>),
    /// The agent of the delivery at `index`. The batch conflicts unless that delivery is settled, the latest of the event
    /// to its agent, and in `state` if one is named.
    Repeat { index: u32, state: Option<DeliveryState> },
}

/// An attempt that ended, to be added to its delivery.
#[derive(Clone, Debug)]
pub struct FinishedAttempt {
    pub delivery: DeliveryId,
    /// Its `term` is that of the claim under which it was made: a batch of an older term is superseded.
    pub attempt: Attempt,
    /// When to try again; used for an attempt that is worth a retry.
    pub next_attempt_at: Option<Timestamp>,
}

impl FinishedAttempt {
    fn bytes(&self) -> usize {
        256 + self.attempt.code.len() + self.attempt.message.len()
    }
}

/// Whose values they are: a module or a plugin, under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(Cow<'static, str>);

impl Space {
    /// The space of a module.
    ///
    /// `name` has no NUL and is no prefix of a channel's or an agent's space: `channels/<name>`, `agents/<name>`.
    pub const fn of_module(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The space of a plugin's state, such as `channels/github`.
    pub fn of_plugin(owner: &str) -> Self {
        Self(Cow::Owned(owner.replace('\0', "")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A change of one value.
#[derive(Clone, Debug)]
pub struct ValueChange {
    pub space: Space,
    /// At most [`ValueChange::MAX_KEY`] bytes, without NUL.
    pub key: String,
    /// At most [`ValueChange::MAX_VALUE`] bytes. `None` removes the value.
    pub value: Option<Bytes>,
    pub expected: Expected,
}

impl ValueChange {
    /// Bytes of a key.
    pub const MAX_KEY: usize = 256;
    /// Bytes of a value.
    pub const MAX_VALUE: usize = 24 * 1024;

    /// Changes that expect nothing: by key the new values, `None` for a key that goes.
    pub fn all(space: &Space, entries: Vec<(String, Option<Bytes>)>) -> Vec<Self> {
        let change = |(key, value)| Self { space: space.clone(), key, value, expected: Expected::Anything };
        entries.into_iter().map(change).collect()
    }

    fn bytes(&self) -> usize {
        self.space.as_str().len() + self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + 64
    }
}

/// What a value has to be for a change to happen; otherwise the batch conflicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    #[default]
    Anything,
    Absent,
    /// These bytes.
    Exactly(Bytes),
}

impl Expected {
    /// The expectation that nothing has changed since `read` was read.
    pub fn unchanged(read: Option<Bytes>) -> Self {
        read.map_or(Self::Absent, Self::Exactly)
    }

    pub(super) fn is_met(&self, value: Option<&Bytes>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => value.is_none(),
            Self::Exactly(expected) => value == Some(expected),
        }
    }
}

/// What a durable batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// For each of [`Batch::events`].
    pub events: Vec<Appended>,
    /// For each of [`Batch::redeliveries`], the deliveries that were added.
    pub redelivered: Vec<Vec<DeliveryId>>,
    /// For each of [`Batch::releases`], the event that was told.
    pub released: Vec<Arc<Event>>,
}

/// What became of an event that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    Accepted(Arc<Event>),
    /// It is stored, but what it says may be late: nobody is told until its window ends.
    Held(Arc<Event>),
    /// The event `first` said the same; this one is stored, and only processors are told.
    Repeat {
        event: Arc<Event>,
        first: EventId,
    },
    /// The event with this id has the same identity, or said the same; nothing was stored.
    Duplicate(EventId),
}

/// A delivery that a commit has added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub agent: AgentName,
    pub priority: Priority,
    /// Whether it is a redelivery.
    pub replay: bool,
}
