//! Recorded answers for a plugin under test.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::egress::{EgressError, EgressRequest, Response};

/// The time in the message of a scripted `timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Recorded answers to the requests of a plugin under test, in order. No connection is made.
pub struct Script {
    answers: Vec<Result<Response, EgressError>>,
    sent: Mutex<Vec<Sent>>,
}

/// A request of the plugin, before credentials are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    pub url: String,
    /// In order, with names in lower case, without those that the host sets.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The name of the credential.
    pub credential: Option<String>,
}

impl Script {
    /// The first answer is for the first request.
    pub fn new(answers: impl IntoIterator<Item = Result<Response, EgressError>>) -> Self {
        Self { answers: answers.into_iter().collect(), sent: Mutex::default() }
    }

    /// The failure with this code of `http.error`. `None` if the code is unknown.
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

    /// Takes the requests so far. The next request gets the first answer again.
    pub fn rewind(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.lock())
    }

    /// Answers a valid request. A request without a recorded answer is denied.
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
