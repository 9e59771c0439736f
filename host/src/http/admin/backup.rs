//! `/admin/log/backup`: a backup of the event log, made while it is sent.

use super::stream::streamed;
use crate::http::answer::Response;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

/// Parts that wait to be sent, about one event each.
const PIECES: usize = 64;

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/log/backup", |request| Box::pin(async move { backup(&request) }))];

fn backup(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    streamed(request, "application/octet-stream", "backup", PIECES, |log, send| {
        let summary = log.backup(send, &mut |_| {})?;
        if summary.lost.is_empty() {
            tracing::info!(events = summary.events, "Backup sent");
        } else {
            tracing::error!(
                events = summary.events,
                lost = summary.lost.len(),
                "Backup sent, but the log is damaged: `gateway log verify` reports what is lost"
            );
        }
        Ok(())
    })
}
