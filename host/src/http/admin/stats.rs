//! `/admin/stats`

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::read::read;
use crate::alert::{Alerts, Figures};
use crate::event::{ChannelName, EventStatus, Seq, Timestamp};
use crate::eventlog::{ChannelCounts, EventLog, EventLogError, LogStats};
use crate::http::answer::Response;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::metrics::COMMIT;
use crate::plugin::SERVED;

pub(crate) const ROUTES: &[Route] = &[Route::get("/admin/stats", |request| Box::pin(answer(request)))];

#[derive(Clone, Debug, Serialize)]
struct Stats {
    /// Of this program.
    version: &'static str,
    /// That it was built from, if that is known.
    commit: Option<&'static str>,
    /// The version of the contract with plugins that it serves.
    plugin_world: &'static str,
    /// When the process started.
    started_at: Timestamp,
    uptime_seconds: u64,
    /// The position of the last event; 0 before the first.
    head: Seq,
    /// Stored events by status.
    events: BTreeMap<&'static str, u64>,
    received: Received,
    eventlog: LogStats,
    /// `None` if no channel has alerts.
    alerts: Option<AlertStats>,
    /// A channel appears with its first event.
    channels: BTreeMap<ChannelName, ChannelCounts>,
}

/// About how many events were received of late; removed ones count too.
#[derive(Clone, Copy, Debug, Serialize)]
struct Received {
    minute: u64,
    hour: u64,
    day: u64,
}

/// What is known of alerts.
#[derive(Clone, Debug, Serialize)]
struct AlertStats {
    /// Why they are not processed any more; the rest is as it was then.
    stopped: Option<String>,
    /// Alerts that fire.
    firing: usize,
    /// Those of them that agents are not told of.
    suppressed: usize,
    /// By state; a state that no incident has is left out.
    incidents: BTreeMap<&'static str, usize>,
    /// Storms that go on.
    storms: usize,
    heartbeats_missing: Vec<String>,
}

impl AlertStats {
    fn of(alerts: &Alerts, now: Timestamp) -> Option<Self> {
        let figures = alerts.is_on().then(|| alerts.read(|machine| machine.figures(now)))?;
        let Figures { firing, suppressed, incidents: by_state, storms, heartbeats_missing, .. } = figures;
        let mut incidents = BTreeMap::new();
        for ((state, _), count) in by_state {
            *incidents.entry(state.as_str()).or_default() += count;
        }
        let (stopped, suppressed) = (alerts.problem().map(str::to_owned), suppressed.into_values().sum());
        Some(Self { stopped, firing, suppressed, incidents, storms, heartbeats_missing })
    }
}

async fn answer(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let (started_at, alerts) = (request.shared.services.started_at, request.shared.services.alerts.clone());
    read(request.shared, move |log| stats(log, &alerts, started_at, Timestamp::now())).await
}

/// May wait for the disk.
fn stats(log: &EventLog, alerts: &Alerts, started_at: Timestamp, now: Timestamp) -> Result<Stats, EventLogError> {
    let snapshot = log.snapshot();
    let received =
        |hours: u64, minutes: u64| log.received_since(now.before(Duration::from_secs((hours * 60 + minutes) * 60)));
    Ok(Stats {
        version: env!("CARGO_PKG_VERSION"),
        commit: COMMIT,
        plugin_world: SERVED,
        started_at,
        uptime_seconds: now.since(started_at).as_secs(),
        head: snapshot.head,
        events: EventStatus::ALL.into_iter().map(|status| (status.as_str(), snapshot.with_status(status))).collect(),
        received: Received { minute: received(0, 1)?, hour: received(1, 0)?, day: received(24, 0)? },
        eventlog: log.stats(),
        alerts: AlertStats::of(alerts, now),
        channels: (*snapshot.channels).clone(),
    })
}
