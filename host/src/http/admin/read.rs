//! Reading the event log for an answer.

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;

use crate::event::EventName;
use crate::eventlog::{EventLog, EventLogError, Found, Stored};
use crate::http::answer::{Response, with_json_text};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::{Refusal, Shortage};
use crate::http::shared::Shared;

/// How long a request waits until it may read the event log.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers with what `read` finds in the event log.
pub(crate) async fn read<T: Serialize>(
    shared: &Arc<Shared>,
    read: impl FnOnce(&EventLog) -> Result<T, EventLogError> + Send + 'static,
) -> Result<Response, Refusal> {
    let text = blocking(shared, move |log| Ok(json(&read(log)?))).await?;
    Ok(with_json_text(StatusCode::OK, text))
}

/// Reads the event log on a thread that may wait for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    read: impl FnOnce(&EventLog) -> Result<T, EventLogError> + Send + 'static,
) -> Result<T, Refusal> {
    let permit = tokio::time::timeout(PATIENCE, Arc::clone(&shared.store_reads).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else { return Err(Refusal::Overloaded(Shortage::Reads)) };
    let log = shared.services.log.clone();
    let done = tokio::task::spawn_blocking(move || {
        let result = read(&log);
        drop(permit);
        result
    });
    match done.await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Refusal::Internal(error.to_string())),
    }
}

/// JSON, made on the thread that reads, where it holds up nobody.
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).expect("views have text keys only");
    text.push(b'\n');
    text.into()
}

/// A text that is no name of an event names none either.
pub(crate) fn event_name(text: &str) -> Result<EventName, Refusal> {
    text.parse().map_err(|_| unknown_event(text).into())
}

/// The event that was found under a name.
pub(crate) fn only(found: Found, name: &str) -> Result<Stored, Refusal> {
    match found {
        Found::One(stored) => Ok(*stored),
        Found::None => Err(unknown_event(name).into()),
        Found::Several => {
            let detail = format!("several ids begin with `{}`", shortened(name));
            Err(HttpProblem::conflict("ambiguous_event", "Ambiguous event", detail).into())
        }
    }
}

fn unknown_event(id: &str) -> HttpProblem {
    HttpProblem::not_found("unknown_event", "Unknown event", format!("there is no event `{}`", shortened(id)))
}
