//! Answers that are made of the whole log, piece by piece.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::Span;

use crate::eventlog::{EventLog, EventLogError};
use crate::http::answer::{Response, with_payload};
use crate::http::payload::Payload;
use crate::http::refusal::{Refusal, Shortage};
use crate::http::route::RouteRequest;

/// How long a part waits for the receiver.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends what `write` hands out, while at most `waiting` pieces wait to be sent. `what` stands in the log. One such answer is made
/// at a time: it reads the whole log.
///
/// # Errors
/// `Overloaded` while another one is made.
pub(crate) fn streamed(
    request: &RouteRequest<'_>,
    content_type: &'static str,
    what: &'static str,
    waiting: usize,
    write: impl FnOnce(&EventLog, &mut dyn FnMut(Bytes) -> Result<(), EventLogError>) -> Result<(), EventLogError>
    + Send
    + 'static,
) -> Result<Response, Refusal> {
    let Ok(permit) = Arc::clone(&request.shared.backups).try_acquire_owned() else {
        return Err(Refusal::Overloaded(Shortage::Reads));
    };
    let (sender, pieces) = mpsc::channel(waiting);
    let log = request.shared.services.log.clone();
    let runtime = Handle::current();
    let span = Span::current();
    drop(tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let _span = span.enter();
        let mut send = |piece| {
            let sent = runtime.block_on(sender.send_timeout(Ok(piece), PATIENCE));
            sent.map_err(|_| EventLogError::Io(format!("the receiver of the {what} is gone")))
        };
        if let Err(error) = write(&log, &mut send) {
            tracing::warn!(%error, "The {what} ended early");
            let early = io::Error::other(error.to_string());
            drop(runtime.block_on(sender.send_timeout(Err(early), PATIENCE)));
        }
    }));
    Ok(with_payload(content_type, Payload::Pieces(pieces)))
}
