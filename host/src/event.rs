//! What every other module talks about: names, positions, times, events and deliveries.
//!
//! Values only: nothing here does I/O, holds a lock or knows where it is stored.

mod attribute;
mod cloud_event;
mod delivery;
mod envelope;
mod id;
mod name;
mod time;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::attribute::{MAX_ATTRIBUTE, MAX_ATTRIBUTES, is_attribute_name};
pub use self::cloud_event::{CloudEvent, Payload};
pub use self::delivery::{Attempt, Delivery, DeliveryId, DeliveryState, EventStatus, Outcome, Priority, Recipient};
pub use self::envelope::{Envelope, SkillRef};
pub use self::id::{EventId, RequestId, Seq};
pub use self::name::{AgentName, ChannelName, NameError, PluginName};
pub use self::time::Timestamp;

/// One accepted fact, as the log keeps it. Never changes once it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Stable identity; also the idempotency key handed to agents.
    pub id: EventId,
    /// Position in the log.
    pub seq: Seq,
    /// The channel that received it.
    pub channel: ChannelName,
    /// The plugin that turned the request into this event.
    pub plugin: PluginName,
    /// `<channel>.<what the plugin said>`.
    pub kind: String,
    /// What the event is about; events of one subject keep their order.
    pub subject: Option<String>,
    /// When the host received the request.
    pub time: Timestamp,
    /// When the host had checked that the request comes from its provider; none for an open channel.
    pub verified_at: Option<Timestamp>,
    /// When the commit that holds the event was written.
    pub stored_at: Timestamp,
    /// Media type of `data`.
    pub content_type: String,
    /// The payload, byte for byte.
    #[serde(skip)]
    pub data: Bytes,
    /// Further facts; names are 1 to 20 of `a-z0-9` (CloudEvents 1.0, section 3.1).
    pub attributes: Vec<(String, String)>,
    /// The request headers that the channel keeps, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The request that brought it.
    pub request_id: RequestId,
}
