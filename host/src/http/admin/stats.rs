//! `/admin/stats`

use std::collections::BTreeMap;

use serde::Serialize;

use super::read::read;
use crate::event::{ChannelName, EventStatus, Seq, Timestamp};
use crate::eventlog::{ChannelCounts, EventLog, LogStats};
use crate::http::answer::Response;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[Route::get("/admin/stats", |request| Box::pin(answer(request)))];

#[derive(Clone, Debug, Serialize)]
struct Stats {
    /// Of this program.
    version: &'static str,
    /// When the process started.
    started_at: Timestamp,
    uptime_seconds: u64,
    /// The position of the last event; 0 before the first.
    head: Seq,
    /// Stored events by status.
    events: BTreeMap<&'static str, u64>,
    eventlog: LogStats,
    /// A channel appears with its first event.
    channels: BTreeMap<ChannelName, ChannelCounts>,
}

async fn answer(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let started_at = request.shared.services.started_at;
    read(request.shared, move |log| Ok(stats(log, started_at, Timestamp::now()))).await
}

/// May wait for the disk.
fn stats(log: &EventLog, started_at: Timestamp, now: Timestamp) -> Stats {
    let snapshot = log.snapshot();
    Stats {
        version: env!("CARGO_PKG_VERSION"),
        started_at,
        uptime_seconds: now.since(started_at).as_secs(),
        head: snapshot.head,
        events: EventStatus::ALL.into_iter().map(|status| (status.as_str(), snapshot.with_status(status))).collect(),
        eventlog: log.stats(),
        channels: (*snapshot.channels).clone(),
    }
}
