//! The values that every other module uses: names, positions, times, events and deliveries.
//!
//! Values only: no I/O, no locks, no knowledge of storage.

mod attribute;
mod cloud_event;
mod delivery;
mod emitted;
mod envelope;
mod filter;
mod id;
mod level;
mod name;
mod pattern;
mod portable;
mod reference;
mod routing;
mod surrogate;
mod time;

use bytes::Bytes;

pub use self::attribute::{
    DATA_SCHEMA, HOST_ATTRIBUTES, MAX_ATTRIBUTE, MAX_ATTRIBUTES, RELEASED_FROM, SCHEMA_PROBLEM, is_attribute_name,
};
pub use self::cloud_event::{CloudEvent, Payload};
pub use self::delivery::{Attempt, Delivery, DeliveryId, DeliveryState, EventStatus, Outcome, Priority, Recipient};
pub use self::emitted::EmittedEvent;
pub use self::envelope::{Envelope, SkillRef};
pub use self::filter::{EventPatterns, Filter};
pub use self::id::{EventId, RequestId, Seq};
pub use self::level::Level;
pub use self::name::{AgentName, ChannelName, NameError, PluginName};
pub use self::pattern::{Pattern, PatternError, names_kind, patterns_may_meet, patterns_meet};
pub use self::portable::PortableEvent;
pub use self::reference::{EventName, IdPrefix, NoEventName};
pub use self::routing::{Destination, Facts, OnTimeout, SyncMode};
pub use self::time::{Timestamp, duration_text, parse_duration};

/// One accepted fact in the log. Immutable once it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Stable identity; also the idempotency key for agents.
    pub id: EventId,
    /// Position in the log.
    pub seq: Seq,
    /// The channel that received it.
    pub channel: ChannelName,
    /// The plugin that turned the request into this event.
    pub plugin: PluginName,
    /// `<channel>.<kind of the plugin>`.
    pub kind: String,
    /// What the event is about; events of one subject keep their order.
    pub subject: Option<String>,
    /// When the host received the request.
    pub time: Timestamp,
    /// When the host verified the request; `None` for an open channel.
    pub verified_at: Option<Timestamp>,
    /// When the event was committed.
    pub stored_at: Timestamp,
    /// Media type of `data`.
    pub content_type: String,
    /// The payload, byte for byte.
    pub data: Bytes,
    /// Further values; names are 1 to 20 of `a-z0-9` (CloudEvents 1.0, section 3.1).
    pub attributes: Vec<(String, String)>,
    /// Stored request headers (`keep_headers`), names in lower case.
    pub headers: Vec<(String, String)>,
    /// The request that carried it.
    pub request_id: RequestId,
    /// What its provider calls the delivery; `None` if the plugin named none.
    pub delivery_id: Option<String>,
    /// The W3C trace context that its processing belongs to.
    pub traceparent: Option<String>,
    /// Why it was put into quarantine when it was stored. Such an event is told to nobody; a release tells a copy of it.
    pub quarantine: Option<String>,
    /// The event that told what this one repeats; in an imported event its id in the log where both were received. Only processors
    /// and listings see such an event.
    pub repeat_of: Option<EventId>,
}

#[cfg(test)]
impl Event {
    /// A push of GitHub with this payload.
    pub(crate) fn sample(content_type: &str, data: &'static [u8]) -> Self {
        let time = Timestamp::from_millis(1_700_000_000_000);
        Self {
            id: EventId::new(time, Seq(7), 1),
            seq: Seq(7),
            channel: "github".parse().unwrap(),
            plugin: "github".parse().unwrap(),
            kind: "github.push".to_owned(),
            subject: Some("octo/repo".to_owned()),
            time,
            verified_at: None,
            stored_at: time,
            content_type: content_type.to_owned(),
            data: Bytes::from_static(data),
            attributes: vec![("severity".to_owned(), "high".to_owned())],
            headers: Vec::new(),
            request_id: RequestId::new(),
            delivery_id: None,
            traceparent: None,
            quarantine: None,
            repeat_of: None,
        }
    }
}
