//! `/admin/log/export`: events as CloudEvents, one line each, oldest first, made while they are sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::Span;

use super::query::{BadParameter, each};
use crate::event::Seq;
use crate::eventlog::{EventLog, EventLogError, Order, Query, Range, ScanLimits, Selection};
use crate::http::answer::{Response, with_payload};
use crate::http::payload::Payload;
use crate::http::refusal::{Refusal, Shortage};
use crate::http::route::{Route, RouteRequest};

/// Parts that wait to be sent, each of about [`PIECE`].
const PIECES: usize = 4;
/// Bytes after which lines are sent.
const PIECE: usize = 64 << 10;

/// How long an export waits for its receiver.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is read at once.
const PAGE: ScanLimits = ScanLimits { items: 256, scanned: 10_000, bytes: 4 << 20 };

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/log/export", |request| Box::pin(async move { export(&request) })).with_query()];

/// Which events are exported, and whether with their payloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportQuery {
    pub events: Selection,
    pub data: bool,
}

fn export(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = ExportQuery::parse(request.query())?;
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
            sent.map_err(|_| EventLogError::Io("the receiver of the export is gone".to_owned()))
        };
        match lines(&log, &query, &mut send) {
            Ok(events) => tracing::info!(events, "Export sent"),
            Err(error) => {
                tracing::warn!(%error, "Export ended early");
                let early = io::Error::other(error.to_string());
                drop(runtime.block_on(sender.send_timeout(Err(early), PATIENCE)));
            }
        }
    }));
    Ok(with_payload("application/x-ndjson", Payload::Pieces(pieces)))
}

/// Hands the events that are in the log now to `send`, some lines at a time, and returns their number. Waits for the disk.
///
/// # Errors
/// Those of [`EventLog::scan`] and of `send`.
pub fn lines(
    log: &EventLog,
    query: &ExportQuery,
    send: &mut dyn FnMut(Bytes) -> Result<(), EventLogError>,
) -> Result<u64, EventLogError> {
    let ExportQuery { events, data } = query.clone();
    let query = Query { events, payloads: data, ..Query::default() };
    let mut range = Range { first: Seq(1), last: log.head(), order: Order::OldestFirst };
    let (mut piece, mut count) = (Vec::new(), 0);
    loop {
        let page = log.scan(&query, range, PAGE)?;
        for stored in page.items {
            piece.extend_from_slice(stored.event.to_line(data).as_bytes());
            piece.push(b'\n');
            count += 1;
            if piece.len() >= PIECE {
                send(std::mem::take(&mut piece).into())?;
            }
        }
        match page.next {
            Some(next) => range.first = next,
            None => break,
        }
    }
    if !piece.is_empty() {
        send(piece.into())?;
    }
    Ok(count)
}

impl ExportQuery {
    /// Reads `data`, `channel`, `kind`, `since` and `until`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self::default();
        each(query, |parameter| {
            match &*parameter.name {
                "data" => parsed.data = parameter.read("`true` or `false`")?,
                _ if parameter.select(&mut parsed.events)? => {}
                _ => return Err(parameter.bad("`data`, `channel`, `kind`, `since` or `until`")),
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_understood() {
        let parsed = ExportQuery::parse("data=true&channel=github&kind=github.push").unwrap();
        assert_eq!((parsed.data, parsed.events.kind.as_deref()), (true, Some("github.push")));
        assert_eq!(ExportQuery::parse("").unwrap(), ExportQuery::default());
        for (query, name) in [("data=yes", "data"), ("limit=5", "limit"), ("since=x", "since")] {
            assert_eq!(ExportQuery::parse(query).unwrap_err().name, name);
        }
    }
}
