//! Live requests of one channel for whoever makes samples of them, one line of JSON each.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use ::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ingest::{Recorded, Recording};
use crate::sample;

use super::query;
use crate::http::payload::Payload;
use crate::http::refusal::Refusal;
use crate::http::respond::Answer;
use crate::http::shared::Front;

/// How long a recording waits for its requests.
const MAX_TIME: Duration = Duration::from_secs(600);

/// How often a caller that waits is sent an empty line: it sees that the gateway lives, and the gateway that it does.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Headers that speak of a connection or a transfer, which is another one each time.
const OF_THE_CONNECTION: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

const EMPTY: Bytes = Bytes::from_static(b"\n");

/// What a recording still has to do.
struct State {
    /// Whether the caller knows that requests are recorded.
    is_told: bool,
    recording: Recording,
    left: usize,
    deadline: Instant,
    leaving: CancellationToken,
}

/// Sends what the channel receives from now on, until there was enough, the caller is gone or the time is over.
pub(crate) fn answer(front: &Arc<Front>, channel: &str, query: &str) -> Result<Answer, Refusal> {
    let left = query::record_count(query)?;
    let state = State {
        is_told: false,
        recording: front.services.ingest.record(channel)?,
        left,
        deadline: Instant::now() + MAX_TIME,
        leaving: front.leaving.clone(),
    };
    let lines = stream::unfold(state, async |mut state| {
        let line = next_line(&mut state).await?;
        Some((line, state))
    });
    let mut answer = Answer::new(Payload::Stream(Box::pin(lines)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(answer)
}

async fn next_line(state: &mut State) -> Option<Bytes> {
    if !std::mem::replace(&mut state.is_told, true) {
        return Some(EMPTY);
    }
    if state.left == 0 {
        return None;
    }
    tokio::select! {
        recorded = state.recording.next() => {
            let recorded = recorded?;
            state.left -= 1;
            // A large body takes its time, which should be no request's.
            tokio::task::spawn_blocking(move || format!("{}\n", recorded_json(&recorded)).into()).await.ok()
        }
        () = tokio::time::sleep_until(state.deadline) => None,
        () = state.leaving.cancelled() => None,
        () = tokio::time::sleep(HEARTBEAT) => Some(EMPTY),
    }
}

/// A recorded request as JSON: `method`, `path`, `query`, `headers`, `body` in base64, and `receipt`, `rejection` or `failed`.
fn recorded_json(recorded: &Recorded) -> Value {
    let Recorded { inbound, outcome } = recorded;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let kept = inbound.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str()));
    let mut json = json!({
        "method": inbound.method,
        "path": inbound.path,
        "query": inbound.query,
        "headers": kept.map(|(name, value)| json!([name.as_str(), text(value)])).collect::<Vec<_>>(),
        "body_base64": STANDARD.encode(&inbound.body),
    });
    let (name, value) = match outcome {
        Ok(Ok(receipt)) => ("receipt", sample::receipt(receipt, &inbound.body)),
        Ok(Err(rejection)) => ("rejection", sample::rejection(rejection)),
        Err(error) => ("failed", json!(error)),
    };
    json[name] = value;
    json
}
