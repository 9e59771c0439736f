//! What can be asked of the log: queries are data, so that every engine can answer them its own way.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::search::Search;
use crate::event::{
    AgentName, ChannelName, Delivery, DeliveryId, DeliveryState, Event, EventId, EventStatus, Filter, Level, Seq,
    Timestamp, names_kind,
};

/// Names one event: by its position or by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKey {
    Seq(Seq),
    Id(EventId),
}

impl From<Seq> for EventKey {
    fn from(seq: Seq) -> Self {
        Self::Seq(seq)
    }
}

impl From<EventId> for EventKey {
    fn from(id: EventId) -> Self {
        Self::Id(id)
    }
}

/// An event and its deliveries, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Without its payload unless the query asks for payloads.
    pub event: Event,
    /// One for each agent it was routed to, and one for each redelivery.
    pub deliveries: Vec<Delivery>,
    /// Whether and why nobody is told of it.
    pub withheld: Option<Withheld>,
    /// Bytes of the payload, also where it was not read.
    pub size: usize,
}

/// Why nobody is told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// What it says may be late; it is told then, unless it is dropped before.
    Until(Timestamp),
    /// What it says was late.
    Dropped,
    /// It does not match its schema.
    Quarantined,
    /// It was in quarantine, and was told as another event.
    Released,
    /// What it says was told before: only processors are told of it.
    Repeat,
}

impl Withheld {
    /// The status of an event that is, or is not, withheld.
    pub(super) fn status(this: Option<Self>, deliveries: &[Delivery]) -> EventStatus {
        match this {
            Some(Self::Until(_)) => EventStatus::Held,
            Some(Self::Dropped) => EventStatus::Dropped,
            Some(Self::Quarantined) => EventStatus::Quarantined,
            Some(Self::Released) => EventStatus::Released,
            Some(Self::Repeat) => EventStatus::Repeat,
            None => EventStatus::of(deliveries),
        }
    }
}

impl Stored {
    pub fn status(&self) -> EventStatus {
        Withheld::status(self.withheld, &self.deliveries)
    }

    /// When the event is told if it is held.
    pub fn held_until(&self) -> Option<Timestamp> {
        match self.withheld {
            Some(Withheld::Until(due)) => Some(due),
            Some(Withheld::Dropped | Withheld::Quarantined | Withheld::Released | Withheld::Repeat) | None => None,
        }
    }
}

/// Which events to find. The default finds all, without payloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub events: Selection,
    pub status: Option<EventStatus>,
    /// Only events that somebody reads.
    pub filter: Option<Filter>,
    /// Only events with this text.
    pub search: Option<Search>,
    /// Only events with such a delivery.
    pub deliveries: Option<DeliverySelection>,
    /// Whether to read the payloads too.
    pub payloads: bool,
}

impl Query {
    /// Everything, with payloads.
    pub fn whole() -> Self {
        Self { payloads: true, ..Self::default() }
    }

    /// How often an event with these deliveries counts: 0 if it is not meant.
    pub(super) fn matches(&self, subject: Option<&str>, withheld: Option<Withheld>, deliveries: &[Delivery]) -> usize {
        if self.status.is_some_and(|status| status != Withheld::status(withheld, deliveries)) {
            return 0;
        }
        self.deliveries.as_ref().map_or(1, |selection| selection.matching(subject, deliveries).count())
    }

    /// Whether only open deliveries are asked for.
    pub(super) fn is_of_open(&self) -> bool {
        self.deliveries.as_ref().is_some_and(|selection| selection.stage == DeliveryStage::Open)
    }
}

/// Which events are meant by what they are; a field that is `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    pub channel: Option<ChannelName>,
    /// This kind; with a `*` at the end, all kinds that start so.
    pub kind: Option<String>,
    pub subject: Option<String>,
    /// Received at this moment or later.
    pub since: Option<Timestamp>,
    /// Received before this moment.
    pub until: Option<Timestamp>,
}

impl Selection {
    pub fn matches(&self, event: &Event) -> bool {
        self.channel.as_ref().is_none_or(|channel| *channel == event.channel)
            && self.kind.as_ref().is_none_or(|kind| names_kind(kind, &event.kind))
            && self.subject.as_ref().is_none_or(|subject| event.subject.as_ref() == Some(subject))
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }
}

/// Which deliveries are meant; the default matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliverySelection {
    pub agent: Option<AgentName>,
    pub state: Option<DeliveryState>,
    pub stage: DeliveryStage,
    pub level: Option<Level>,
    pub subjects: Option<Arc<LaneSubjects>>,
}

/// Deliveries as people ask for them; a field that is `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFilter {
    pub events: Selection,
    pub state: Option<DeliveryState>,
    pub agent: Option<AgentName>,
}

impl DeliveryFilter {
    /// The query for events with such deliveries, of those in `stage`.
    pub fn query(&self, stage: DeliveryStage) -> Query {
        let Self { events, state, agent } = self.clone();
        let deliveries = DeliverySelection { agent, state, stage, ..DeliverySelection::default() };
        Query { events, deliveries: Some(deliveries), ..Query::default() }
    }
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryStage {
    #[default]
    Any,
    /// Another attempt is to come.
    Open,
    /// Settled, and the latest of its event to its agent: it can be redelivered.
    Repeatable,
}

/// The subjects of lanes, those of replays apart. An event without a subject is in no such lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneSubjects {
    pub live: HashSet<Arc<str>>,
    pub replays: HashSet<Arc<str>>,
}

impl DeliverySelection {
    /// Deliveries that are not settled.
    pub fn open() -> Self {
        Self { stage: DeliveryStage::Open, ..Self::default() }
    }

    /// Those of `deliveries`, which are all of an event about `subject`, that are meant, with their places.
    pub fn matching<'a>(
        &'a self,
        subject: Option<&'a str>,
        deliveries: &'a [Delivery],
    ) -> impl Iterator<Item = (u32, &'a Delivery)> {
        let is_meant = move |place: u32, delivery: &Delivery| {
            self.agent.as_ref().is_none_or(|agent| *agent == delivery.agent)
                && self.state.is_none_or(|state| Delivery::state_at(deliveries, place as usize) == Some(state))
                && self.is_in_stage(place, delivery, deliveries)
                && self.level.is_none_or(|level| level == Level::of(delivery))
                && self.subjects.as_ref().is_none_or(|lanes| lanes.hold(subject, delivery))
        };
        (0..).zip(deliveries).filter(move |(place, delivery)| is_meant(*place, delivery))
    }

    fn is_in_stage(&self, place: u32, delivery: &Delivery, all: &[Delivery]) -> bool {
        match self.stage {
            DeliveryStage::Any => true,
            DeliveryStage::Open => delivery.state.is_open(),
            DeliveryStage::Repeatable => {
                let later = &all[place as usize + 1..];
                !delivery.state.is_open() && !later.iter().any(|later| later.agent == delivery.agent)
            }
        }
    }
}

impl LaneSubjects {
    fn hold(&self, subject: Option<&str>, delivery: &Delivery) -> bool {
        let lanes = if Level::of(delivery) == Level::Replay { &self.replays } else { &self.live };
        subject.is_some_and(|subject| lanes.contains(subject))
    }
}

/// Where to scan, and in which direction. Both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: Seq,
    pub last: Seq,
    pub order: Order,
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

impl Range {
    /// From `first` up to the head.
    pub const fn up_from(first: Seq) -> Self {
        Self { first, last: Seq(u64::MAX), order: Order::OldestFirst }
    }

    /// From the event before `before`, or from the head, down to the oldest event.
    pub fn down_from(before: Option<Seq>) -> Self {
        let last = before.map_or(u64::MAX, |before| before.0.saturating_sub(1));
        Self { first: Seq(1), last: Seq(last), order: Order::NewestFirst }
    }
}

/// How much one scan does at most. The page then says where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Events of the page, or matching deliveries where the query asks for some. Those of one event stay together, so
    /// that a page may have a few more.
    pub items: usize,
    /// Events that are read.
    pub scanned: usize,
    /// Bytes of the payloads that are returned, unless the first is larger, and of those that are searched.
    pub bytes: usize,
}

impl ScanLimits {
    /// Items of a page for those who read everything. A page has whole events: with 4096 of them it takes 40 MB.
    pub const PAGE: usize = 512;

    /// At most `items`, 10,000 events and 32 MiB of payloads.
    pub const fn items(items: usize) -> Self {
        Self { items, scanned: 10_000, bytes: 32 << 20 }
    }
}

/// A part of what a query finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub items: Vec<Stored>,
    /// Positions that have no event any more, in the order of the scan. Newest first, it ends with the first event that is held.
    pub skipped: Vec<Skipped>,
    /// The first position that was not scanned; `None` at the end of the range.
    pub next: Option<Seq>,
    /// The head at the time of the scan: nothing above was scanned.
    pub head: Seq,
    /// What was read for it.
    pub progress: Progress,
}

/// How far a scan has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events that were looked at.
    pub events: u64,
    /// When the last of them was received.
    pub last: Option<Timestamp>,
}

impl Page {
    /// The matching deliveries of the page, oldest or newest first like the page.
    pub fn deliveries<'a>(
        &'a self,
        selection: &'a DeliverySelection,
    ) -> impl Iterator<Item = (DeliveryId, &'a Delivery, &'a Stored)> {
        self.items.iter().flat_map(move |stored| {
            let seq = stored.event.seq;
            let matching = selection.matching(stored.event.subject.as_deref(), &stored.deliveries);
            matching.map(move |(index, delivery)| (DeliveryId { seq, index }, delivery, stored))
        })
    }
}

/// Neighbouring positions without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub first: Seq,
    pub last: Seq,
    pub reason: SkipReason,
}

/// Why positions have no event any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SkipReason {
    /// Retention removed the events.
    Retention,
    /// The events were lost to damage, and a repair left them out.
    Damage,
}
