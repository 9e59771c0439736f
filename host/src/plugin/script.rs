//! Answers that were written down before, for a plugin that is tried out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::egress::{EgressError, EgressRequest, Response};

/// The time that a scripted `timeout` tells.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The answers to the requests of a plugin that is tried out, in their order. No connection is ever made.
pub struct Script {
    answers: Vec<Result<Response, EgressError>>,
    sent: Mutex<Vec<Sent>>,
}

/// A request as the plugin made it, before credentials are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `POST`, ...
    pub method: String,
    /// As the plugin wrote it.
    pub url: String,
    /// In order, names in lower case, without those that the host sets.
    pub headers: Vec<(String, String)>,
    /// Empty when there is none.
    pub body: Bytes,
    /// The credential that it names.
    pub credential: Option<String>,
}

impl Script {
    /// These answers, the first to the first request.
    pub fn new(answers: impl IntoIterator<Item = Result<Response, EgressError>>) -> Self {
        Self { answers: answers.into_iter().collect(), sent: Mutex::default() }
    }

    /// The failure with this code of `http.error`; none when there is no such code.
    pub fn failure(code: &str, message: String) -> Option<EgressError> {
        Some(match code {
            "denied" => EgressError::Denied(message),
            "dns" => EgressError::Dns { host: "scripted".to_owned(), reason: message },
            "connect" => EgressError::Connect(message),
            "tls" => EgressError::Tls(message),
            "timeout" => EgressError::Timeout(TIMEOUT),
            "too-large" => EgressError::TooLarge(0),
            "protocol" => EgressError::Protocol(message),
            _ => return None,
        })
    }

    /// What was sent so far, in order. The next request is the first one again.
    pub fn rewind(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.lock())
    }

    /// Answers a request that would be valid outside; one that nobody wrote an answer for is refused.
    pub(super) fn send(&self, request: EgressRequest) -> Result<Response, EgressError> {
        request.target()?;
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = request.headers()?.iter().map(text).collect();
        let EgressRequest { method, url, body, credential, .. } = request;
        let mut sent = self.lock();
        let answer = self.answers.get(sent.len()).cloned();
        sent.push(Sent { method, url, headers, body, credential });
        answer.unwrap_or_else(|| Err(EgressError::Denied("the sample has no answer to this request".to_owned())))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
