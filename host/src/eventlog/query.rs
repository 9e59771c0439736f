//! What can be asked of the log, and what the answers look like.

use serde::{Deserialize, Serialize};

use crate::event::{
    AgentName, ChannelName, Delivery, DeliveryId, DeliveryState, Event, EventId, EventStatus, Seq, Timestamp,
};

/// An event and its deliveries, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The event.
    pub event: Event,
    /// One for each agent it was routed to, and one for each replay.
    pub deliveries: Vec<Delivery>,
}

impl Stored {
    /// Where the event stands.
    pub fn status(&self) -> EventStatus {
        EventStatus::of(&self.deliveries)
    }
}

/// Which events are meant by what they are; a field that is none takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Of this channel.
    pub channel: Option<ChannelName>,
    /// Of this kind; with a `*` at the end, of all kinds that start so.
    pub kind: Option<String>,
    /// Received at this moment or later.
    pub since: Option<Timestamp>,
    /// Received before this moment.
    pub until: Option<Timestamp>,
}

impl Selection {
    pub(crate) fn takes(&self, event: &Event) -> bool {
        self.channel.as_ref().is_none_or(|channel| *channel == event.channel)
            && self.kind.as_ref().is_none_or(|kind| match kind.strip_suffix('*') {
                Some(start) => event.kind.starts_with(start),
                None => *kind == event.kind,
            })
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }
}

/// Which events to list; a field that is none takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Such events.
    pub events: Selection,
    /// With this status.
    pub status: Option<EventStatus>,
}

impl Filter {
    pub(crate) fn takes_status(&self, deliveries: &[Delivery]) -> bool {
        self.status.is_none_or(|status| status == EventStatus::of(deliveries))
    }
}

/// A part of a list of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first, without payloads.
    pub items: Vec<Stored>,
    /// Where the list goes on: the `before` of the next call; none at the end.
    pub next: Option<Seq>,
}

/// Which deliveries are meant; a field that is none takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFilter {
    /// Of such events.
    pub events: Selection,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// To this agent.
    pub agent: Option<AgentName>,
}

impl DeliveryFilter {
    pub(crate) fn takes(&self, delivery: &Delivery) -> bool {
        self.state.is_none_or(|state| state == delivery.state)
            && self.agent.as_ref().is_none_or(|agent| *agent == delivery.agent)
    }
}

/// A delivery with what people want to know of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDelivery {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The delivery.
    pub delivery: Delivery,
    /// The event's id.
    pub event: EventId,
    /// The event's channel.
    pub channel: ChannelName,
    /// The event's kind.
    pub kind: String,
    /// The event's subject.
    pub subject: Option<String>,
}

/// A part of a list of deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Newest event first.
    pub items: Vec<ListedDelivery>,
    /// Where the list goes on: the `before` of the next call; none at the end.
    pub next: Option<DeliveryId>,
}

/// Deliveries that are not settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenDeliveries {
    /// Oldest first, each with the subject of its event.
    pub items: Vec<(DeliveryId, Delivery, Option<String>)>,
    /// Where to go on: the `from` of the next call; none when the end was reached.
    pub next: Option<Seq>,
    /// The first position that was out of reach: the `until` of the call, or the one after the head.
    pub end: Seq,
}
