//! `/admin/log/backup`: a backup of the event log, made while it is sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::Span;

use crate::eventlog::EventLogError;
use crate::http::answer::{Response, with_payload};
use crate::http::payload::Payload;
use crate::http::refusal::{Refusal, Shortage};
use crate::http::route::{Route, RouteRequest};

/// Parts that wait to be sent, about one event each.
const PIECES: usize = 64;

/// How long a backup waits for its receiver.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/log/backup", |request| Box::pin(async move { backup(&request) }))];

fn backup(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    let Ok(permit) = Arc::clone(&request.shared.backups).try_acquire_owned() else {
        return Err(Refusal::Overloaded(Shortage::Reads));
    };
    let (sender, pieces) = mpsc::channel(PIECES);
    let log = request.shared.services.log.clone();
    let runtime = Handle::current();
    let span = Span::current();
    drop(tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let _span = span.enter();
        let mut send = |piece| {
            let sent = runtime.block_on(sender.send_timeout(Ok(piece), PATIENCE));
            sent.map_err(|_| EventLogError::Io("the receiver of the backup is gone".to_owned()))
        };
        match log.backup(&mut send, &mut |_| {}) {
            Ok(summary) if summary.lost.is_empty() => tracing::info!(events = summary.events, "Backup sent"),
            Ok(summary) => {
                tracing::error!(
                    events = summary.events,
                    lost = summary.lost.len(),
                    "Backup sent, but the log is damaged: `gateway log verify` reports what is lost"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "Backup ended early");
                let early = io::Error::other(error.to_string());
                drop(runtime.block_on(sender.send_timeout(Err(early), PATIENCE)));
            }
        }
    }));
    Ok(with_payload("application/octet-stream", Payload::Pieces(pieces)))
}
