//! `/admin/log/export`: events as CloudEvents, one line each, oldest first, made while they are sent.

use bytes::Bytes;

use super::query::{BadParameter, each};
use super::stream::streamed;
use crate::event::Seq;
use crate::eventlog::{EventLog, EventLogError, Order, Query, Range, ScanLimits, Selection, Withheld};
use crate::http::answer::Response;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

/// Parts that wait to be sent, each of about [`PIECE`].
const PIECES: usize = 4;
/// Bytes after which lines are sent.
const PIECE: usize = 64 << 10;

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
    streamed(request, "application/x-ndjson", "export", PIECES, move |log, send| {
        let events = lines(log, &query, send)?;
        tracing::info!(events, "Export sent");
        Ok(())
    })
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
        // What was released is there again, as what was told in its place.
        for stored in page.items.into_iter().filter(|stored| stored.withheld != Some(Withheld::Released)) {
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
