//! `/admin/channels/{id}/record`: live requests of one channel as samples, one line of JSON each.

use std::time::Duration;

use ::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::query::{BadParameter, each};
use crate::http::answer::{Response, with_payload};
use crate::http::payload::Payload;
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::ingest::{RecordError, Recorded, Recording};
use crate::sample;

/// Requests of one recording.
const MAX_RECORDED: usize = 100;

/// How long a recording waits for its requests.
const MAX_TIME: Duration = Duration::from_secs(600);

/// How often a caller that waits is sent an empty line: each side notices when the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(5);

const EMPTY: Bytes = Bytes::from_static(b"\n");

/// Headers of a connection or a transfer; they differ each time.
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

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/admin/channels/{id}/record", |request| Box::pin(async move { answer(&request) })).with_query()];

struct RecordingState {
    /// The first line, an empty one, says that requests are recorded from now on.
    has_begun: bool,
    recording: Recording,
    left: usize,
    deadline: Instant,
    leaving: CancellationToken,
}

/// Sends what the channel receives from now on, until there was enough, the caller is gone or the time is over.
fn answer(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    let left = count(request.query())?;
    let state = RecordingState {
        has_begun: false,
        recording: request.shared.services.ingest.record(request.id).map_err(|error| problem(&error))?,
        left,
        deadline: Instant::now() + MAX_TIME,
        leaving: request.shared.leaving.clone(),
    };
    let lines = stream::unfold(state, async |mut state| {
        let line = next_line(&mut state).await?;
        Some((line, state))
    });
    Ok(with_payload("application/x-ndjson", Payload::Stream(Box::pin(lines))))
}

async fn next_line(state: &mut RecordingState) -> Option<Bytes> {
    if !std::mem::replace(&mut state.has_begun, true) {
        return Some(EMPTY);
    }
    if state.left == 0 {
        return None;
    }
    tokio::select! {
        recorded = state.recording.next() => {
            let recorded = recorded?;
            state.left -= 1;
            // Encoding a large body takes long, so it runs on another thread.
            tokio::task::spawn_blocking(move || format!("{}\n", to_json(&recorded)).into()).await.ok()
        }
        () = tokio::time::sleep_until(state.deadline) => None,
        () = state.leaving.cancelled() => None,
        () = tokio::time::sleep(HEARTBEAT) => Some(EMPTY),
    }
}

/// `method`, `path`, `query`, `headers`, `body_base64`, and `receipt`, `rejection` or `failed`.
fn to_json(recorded: &Recorded) -> Value {
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

/// Reads `count`: how many requests are recorded, 1 when it is left out.
fn count(query: &str) -> Result<usize, BadParameter> {
    const COUNT: &str = "a number from 1 to 100";
    let mut count = 1;
    each(query, |parameter| {
        if parameter.name != "count" {
            return Err(parameter.bad("`count`"));
        }
        count = parameter.read(COUNT)?;
        if (1..=MAX_RECORDED).contains(&count) { Ok(()) } else { Err(parameter.bad(COUNT)) }
    })?;
    Ok(count)
}

fn problem(error: &RecordError) -> HttpProblem {
    let detail = shortened(&error.to_string()).to_owned();
    match error {
        RecordError::Unknown(_) => HttpProblem::not_found("unknown_channel", "Unknown channel", detail),
        RecordError::Busy(_) => HttpProblem::conflict("recording", "Recorded already", detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_recorded_has_its_status_and_code() {
        for (error, status, code) in [
            (RecordError::Unknown("x".to_owned()), 404, "unknown_channel"),
            (RecordError::Busy("x".parse().unwrap()), 409, "recording"),
        ] {
            let problem = problem(&error);

            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
        }
    }

    #[test]
    fn a_recording_has_a_number_of_requests() {
        for (query, expected) in [
            ("", Ok(1)),
            ("count=100", Ok(100)),
            ("count=0", Err("count")),
            ("count=101", Err("count")),
            ("x=1", Err("x")),
        ] {
            assert_eq!(count(query).map_err(|bad| bad.name), expected.map_err(str::to_owned), "{query}");
        }
    }
}
