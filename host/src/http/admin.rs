//! The admin API: what operators read, and the little they may change.

pub(crate) mod access;
mod dry_run;
pub(crate) mod query;
mod record;
mod replays;
pub mod view;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::Span;

use crate::event::{EventId, Timestamp};
use crate::eventlog::{EventLog, EventLogError};

use self::query::{DeliveriesQuery, EventsQuery, OneQuery, ReplayQuery};
use super::payload::Payload;
use super::refusal::{Refusal, Shortage};
use super::respond::{Answer, with_json, with_json_text};
use super::route::Endpoint;
use super::shared::{Call, Front};

/// How long a request waits for its turn to read the event log.
const PATIENCE: Duration = Duration::from_secs(5);

/// Parts of a backup that wait to be sent, about one event each.
const BACKUP_PIECES: usize = 64;

/// How long a backup waits for its receiver.
const BACKUP_PATIENCE: Duration = Duration::from_secs(60);

/// Answers a caller that may ask.
pub(super) async fn answer(
    front: &Arc<Front>,
    call: &Call,
    endpoint: Endpoint,
    id: &str,
    body: Incoming,
) -> Result<Answer, Refusal> {
    let services = &front.services;
    let query = call.head.uri.query().unwrap_or_default();
    let takes_parameters = matches!(
        endpoint,
        Endpoint::Events
            | Endpoint::Deliveries
            | Endpoint::Replay
            | Endpoint::ReplayDeliveries
            | Endpoint::ReplayDelivery
            | Endpoint::Record
    );
    if !takes_parameters {
        query::no_parameters(query)?;
    }
    match endpoint {
        Endpoint::Events => {
            let query = EventsQuery::parse(query)?;
            read(front, move |log| view::events_page(log, &query)).await
        }
        Endpoint::Deliveries => {
            let query = DeliveriesQuery::parse(query)?;
            read(front, move |log| view::deliveries_page(log, &query)).await
        }
        Endpoint::Event => {
            let known = event_id(id)?;
            let unknown = Refusal::UnknownEvent(id.to_owned());
            let find = move |log: &EventLog| Ok(log.event(known)?.map(|stored| json(&view::event_detail(&stored))));
            let text = blocking(front, find).await?.ok_or(unknown)?;
            Ok(with_json_text(StatusCode::OK, text))
        }
        Endpoint::Replay => replays::event(front, id, &OneQuery::parse(query)?).await,
        Endpoint::ReplayDelivery => replays::delivery(front, id, &OneQuery::parse_by(query)?).await,
        Endpoint::ReplayDeliveries => replays::deliveries(front, ReplayQuery::parse(query)?).await,
        Endpoint::Replays => Ok(with_json(StatusCode::OK, &view::replays(services.replays.list()))),
        Endpoint::OneReplay => replays::show(front, id),
        Endpoint::CancelReplay => replays::cancel(front, id).await,
        Endpoint::Channels => {
            let channels = view::channels(services.ingest.channels(), &services.log.snapshot());
            Ok(with_json(StatusCode::OK, &channels))
        }
        Endpoint::Record => record::answer(front, id, query),
        Endpoint::Rehearse => dry_run::answer(front, call, id, body).await,
        Endpoint::Agents => Ok(with_json(StatusCode::OK, &view::Agents { agents: services.dispatch.agents() })),
        Endpoint::Plugins => Ok(with_json(StatusCode::OK, &view::Plugins { plugins: services.plugins.list() })),
        Endpoint::Routes => Ok(with_json(StatusCode::OK, &view::Routes { routes: services.dispatch.routes() })),
        Endpoint::Skills => Ok(with_json(StatusCode::OK, &view::skills(&services.skills.current()))),
        Endpoint::Stats => {
            let started_at = services.started_at;
            read(front, move |log| Ok(view::stats(log, Some(started_at), Timestamp::now()))).await
        }
        Endpoint::Backup => backup(front),
        Endpoint::Root | Endpoint::Live | Endpoint::Ready | Endpoint::Metrics => Err(Refusal::NotFound),
    }
}

/// A backup of the log, made while it is sent.
fn backup(front: &Arc<Front>) -> Result<Answer, Refusal> {
    let Ok(turn) = Arc::clone(&front.backups).try_acquire_owned() else {
        return Err(Refusal::Overloaded(Shortage::Reads));
    };
    let (sender, pieces) = mpsc::channel(BACKUP_PIECES);
    let log = front.services.log.clone();
    let runtime = Handle::current();
    let sending = Span::current();
    drop(tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let _sending = sending.enter();
        let mut send = |piece| {
            let sent = runtime.block_on(sender.send_timeout(Ok(piece), BACKUP_PATIENCE));
            sent.map_err(|_| EventLogError::Io("nobody takes the backup any more".to_owned()))
        };
        match log.backup(&mut send, &mut |_| {}) {
            Ok(contents) if contents.lost.is_empty() => tracing::info!(events = contents.events, "Backup sent"),
            Ok(contents) => {
                tracing::error!(
                    events = contents.events,
                    lost = contents.lost.len(),
                    "Backup sent, but the log is damaged: `gateway log verify` tells what is lost"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "Backup ended early");
                let early = io::Error::other(error.to_string());
                drop(runtime.block_on(sender.send_timeout(Err(early), BACKUP_PATIENCE)));
            }
        }
    }));
    let mut answer = Answer::new(Payload::Pieces(pieces));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(answer)
}

/// A text that is no id names no event either.
pub(super) fn event_id(id: &str) -> Result<EventId, Refusal> {
    id.parse().map_err(|_| Refusal::UnknownEvent(id.to_owned()))
}

async fn read<T: Serialize>(
    front: &Arc<Front>,
    read: impl FnOnce(&EventLog) -> Result<T, EventLogError> + Send + 'static,
) -> Result<Answer, Refusal> {
    let text = blocking(front, move |log| Ok(json(&read(log)?))).await?;
    Ok(with_json_text(StatusCode::OK, text))
}

/// Reads the event log on a thread that may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    front: &Arc<Front>,
    read: impl FnOnce(&EventLog) -> Result<T, EventLogError> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&front.store_reads).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Err(Refusal::Overloaded(Shortage::Reads)) };
    let log = front.services.log.clone();
    let done = tokio::task::spawn_blocking(move || {
        let result = read(&log);
        drop(turn);
        result
    });
    match done.await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Refusal::Internal(error.to_string())),
    }
}

/// JSON, made where the time it takes blocks nobody.
fn json(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).expect("views have text keys only");
    text.push(b'\n');
    text.into()
}
