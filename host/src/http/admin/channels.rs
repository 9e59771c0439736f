//! `/admin/channels`

use ::http::StatusCode;
use serde::Serialize;

use crate::eventlog::{ChannelCounts, Snapshot};
use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};
use crate::http::webhook::failures::FailureReport;
use crate::http::webhook::metrics::WebhookMetrics;
use crate::ingest::ChannelStatus;

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/channels", |request| Box::pin(async move { Ok(answer(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct ChannelList {
    /// By name.
    channels: Vec<ChannelRow>,
}

#[derive(Clone, Debug, Serialize)]
struct ChannelRow {
    #[serde(flatten)]
    status: ChannelStatus,
    #[serde(flatten)]
    counts: ChannelCounts,
    /// Since the process started.
    #[serde(flatten)]
    failures: FailureReport,
}

fn answer(request: &RouteRequest<'_>) -> Response {
    let services = &request.shared.services;
    with_json(
        StatusCode::OK,
        &list(services.ingest.channels(), &services.log.snapshot(), &request.shared.webhook_metrics),
    )
}

/// The channels with what the log counted of each, and what went wrong.
fn list(statuses: Vec<ChannelStatus>, snapshot: &Snapshot, webhooks: &WebhookMetrics) -> ChannelList {
    let row = |status: ChannelStatus| {
        let counts = snapshot.channels.get(status.name.as_str()).copied().unwrap_or_default();
        let failures = webhooks.failures(&status.name);
        ChannelRow { status, counts, failures }
    };
    ChannelList { channels: statuses.into_iter().map(row).collect() }
}
