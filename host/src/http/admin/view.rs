//! The JSON of the admin API, made from what the modules say of themselves.
//!
//! Pure: the command line makes the same JSON from a log that it opened itself.

mod event;
mod replay;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::dispatch::{AgentStatus, RouteStatus};
use crate::event::{
    AgentName, ChannelName, Delivery, DeliveryId, DeliveryState, Event, EventId, EventStatus, Priority, Seq, Timestamp,
};
use crate::eventlog::{
    ChannelCounts, DeliveryStage, EventLog, EventLogError, LogStats, Order, Range, ScanLimits, Snapshot, Stored,
};
use crate::ingest::ChannelStatus;
use crate::plugin::PluginStatus;
use crate::skill::{Catalog, Skill, SkillProblem};

pub use self::event::{AttemptView, DeliveryView, EventDetail, Moment, event_detail};
pub use self::replay::{DryRun, FilterView, ReplayList, ReplayRow, dry_run, replay, replays};

use super::query::{DeliveriesQuery, DeliveryText, EventsQuery};

/// `GET /admin/events`.
#[derive(Clone, Debug, Serialize)]
pub struct EventsPage {
    /// Newest first.
    pub events: Vec<EventRow>,
    /// The cursor of the next page; none at the end.
    pub next: Option<String>,
}

/// An event in a list.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `Event`, and its status")]
pub struct EventRow {
    pub id: EventId,
    pub seq: Seq,
    pub channel: ChannelName,
    pub kind: String,
    pub subject: Option<String>,
    pub status: EventStatus,
    pub received_at: Timestamp,
}

/// `GET /admin/deliveries`.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveriesPage {
    /// Newest event first.
    pub deliveries: Vec<DeliveryRow>,
    /// The cursor of the next page; none at the end.
    pub next: Option<String>,
}

/// A delivery in a list.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `ListedDelivery` and `Delivery`")]
pub struct DeliveryRow {
    pub id: String,
    pub event: EventId,
    pub seq: Seq,
    pub channel: ChannelName,
    pub kind: String,
    pub subject: Option<String>,
    pub agent: AgentName,
    pub state: DeliveryState,
    pub priority: Priority,
    /// Who asked for it again; none when it came with the event.
    pub replayed_by: Option<String>,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
    /// Why the latest attempt failed: its code.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
}

/// `GET /admin/channels`.
#[derive(Clone, Debug, Serialize)]
pub struct Channels {
    /// By name.
    pub channels: Vec<ChannelRow>,
}

/// A channel in a list.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelRow {
    /// What the channel says of itself.
    #[serde(flatten)]
    pub status: ChannelStatus,
    /// What the log says of it.
    #[serde(flatten)]
    pub counts: ChannelCounts,
}

/// `GET /admin/agents`.
#[derive(Clone, Debug, Serialize)]
pub struct Agents {
    /// By name.
    pub agents: Vec<AgentStatus>,
}

/// `GET /admin/plugins`.
#[derive(Clone, Debug, Serialize)]
pub struct Plugins {
    /// By file name.
    pub plugins: Vec<PluginStatus>,
}

/// `GET /admin/routes`.
#[derive(Clone, Debug, Serialize)]
pub struct Routes {
    /// In the order of the configuration.
    pub routes: Vec<RouteStatus>,
}

/// `GET /admin/skills`.
#[derive(Clone, Debug, Serialize)]
pub struct SkillList<'a> {
    /// By name.
    pub skills: Vec<&'a Skill>,
    /// What kept folders from being skills.
    pub problems: &'a [SkillProblem],
}

/// `GET /admin/stats`.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// The version of this program.
    pub version: &'static str,
    /// When the gateway started; none when none runs.
    pub started_at: Option<Timestamp>,
    /// Whole seconds since then.
    pub uptime_seconds: Option<u64>,
    /// The position of the last event; 0 before the first.
    pub head: Seq,
    /// Stored events by status.
    pub events: BTreeMap<&'static str, u64>,
    /// What the log holds and takes.
    pub eventlog: LogStats,
    /// By channel; a channel appears with its first event.
    pub channels: BTreeMap<ChannelName, ChannelCounts>,
}

/// `POST /admin/events/{id}/replay`.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The event.
    pub id: EventId,
    /// Its new deliveries.
    pub deliveries: Vec<String>,
}

impl Replayed {
    /// `deliveries` are new ones of the event `id`.
    pub fn new(id: EventId, deliveries: &[DeliveryId]) -> Self {
        Self { id, deliveries: deliveries.iter().map(|id| DeliveryText(*id).to_string()).collect() }
    }
}

/// A page of events. May wait for the disk.
///
/// # Errors
/// Those of [`EventLog::scan`].
pub fn events_page(log: &EventLog, query: &EventsQuery) -> Result<EventsPage, EventLogError> {
    let page = log.scan(&query.filter, Range::down_from(query.before), ScanLimits::items(query.limit))?;
    let row = |stored: Stored| EventRow {
        status: stored.status(),
        id: stored.event.id,
        seq: stored.event.seq,
        channel: stored.event.channel,
        kind: stored.event.kind,
        subject: stored.event.subject,
        received_at: stored.event.time,
    };
    Ok(EventsPage {
        events: page.items.into_iter().map(row).collect(),
        next: page.next.map(|seq| seq.next().to_string()),
    })
}

/// A page of deliveries. May wait for the disk.
///
/// # Errors
/// Those of [`EventLog::scan`].
pub fn deliveries_page(log: &EventLog, query: &DeliveriesQuery) -> Result<DeliveriesPage, EventLogError> {
    let DeliveriesQuery { before, limit, ref filter } = *query;
    // The event of the cursor may have more deliveries before it.
    let last = before.map_or(Seq(u64::MAX), |id| if id.index == 0 { Seq(id.seq.0.saturating_sub(1)) } else { id.seq });
    let range = Range { first: Seq(1), last, order: Order::NewestFirst };
    let query = filter.query(DeliveryStage::Any);
    let page = log.scan(&query, range, ScanLimits::items(limit))?;
    let selection = query.deliveries.unwrap_or_default();
    let mut found: Vec<_> =
        page.deliveries(&selection).filter(|(id, ..)| before.is_none_or(|before| *id < before)).collect();
    found.sort_by_key(|(id, ..)| Reverse(*id));
    let is_cut = found.len() > limit;
    found.truncate(limit);
    let next = if is_cut {
        found.last().map(|(id, ..)| *id)
    } else {
        page.next.map(|seq| DeliveryId { seq: seq.next(), index: 0 })
    };
    let deliveries =
        found.into_iter().map(|(id, delivery, stored)| delivery_row(id, delivery, &stored.event)).collect();
    Ok(DeliveriesPage { deliveries, next: next.map(|id| DeliveryText(id).to_string()) })
}

fn delivery_row(id: DeliveryId, delivery: &Delivery, event: &Event) -> DeliveryRow {
    let failure = delivery.attempts.last().filter(|attempt| !attempt.code.is_empty());
    DeliveryRow {
        id: DeliveryText(id).to_string(),
        event: event.id,
        seq: id.seq,
        channel: event.channel.clone(),
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        state: delivery.state,
        replayed_by: delivery.replayed_by.clone(),
        priority: delivery.priority,
        attempts: delivery.attempts_made,
        created_at: delivery.created_at,
        next_attempt_at: delivery.next_attempt_at,
        code: failure.map(|attempt| attempt.code.clone()),
        message: failure.map(|attempt| attempt.message.clone()),
        agent: delivery.agent.clone(),
    }
}

/// The channels with what the log knows of each.
pub fn channels(statuses: Vec<ChannelStatus>, snapshot: &Snapshot) -> Channels {
    let row = |status: ChannelStatus| {
        let counts = snapshot.channels.get(status.name.as_str()).copied().unwrap_or_default();
        ChannelRow { status, counts }
    };
    Channels { channels: statuses.into_iter().map(row).collect() }
}

/// The skills and what is wrong with others.
pub fn skills(catalog: &Catalog) -> SkillList<'_> {
    SkillList { skills: catalog.skills.iter().map(AsRef::as_ref).collect(), problems: &catalog.problems }
}

/// The figures of the log, and of the gateway when one runs. May wait for the disk.
pub fn stats(log: &EventLog, started_at: Option<Timestamp>, now: Timestamp) -> Stats {
    let snapshot = log.snapshot();
    Stats {
        version: env!("CARGO_PKG_VERSION"),
        started_at,
        uptime_seconds: started_at.map(|started_at| now.since(started_at).as_secs()),
        head: snapshot.head,
        events: EventStatus::ALL.into_iter().map(|status| (status.as_str(), snapshot.with_status(status))).collect(),
        eventlog: log.stats(),
        channels: (*snapshot.channels).clone(),
    }
}
