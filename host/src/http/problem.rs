//! A problem as its caller sees it (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use ::http::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::answer::{CLOSE, NO_SNIFF, Response, with_json};
use crate::coding::Coding;
use crate::event::RequestId;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"gateway\"");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The longest text of somebody else that is passed on, in bytes.
const MAX_DETAIL: usize = 1024;

#[derive(Clone, Debug)]
pub(crate) struct HttpProblem {
    pub(crate) status: StatusCode,
    /// Stable: callers decide by it.
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: Cow<'static, str>,
    /// The query parameter that is wrong.
    pub(crate) parameter: Option<String>,
    /// The members of the body that are wrong, as JSON pointers, and what is wrong with each.
    pub(crate) members: Vec<(String, String)>,
    /// For the log only.
    pub(crate) internal: Option<String>,
    pub(crate) hint: Hint,
}

/// What a header of the response adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    None,
    RetryLater,
    RetryAfter(Duration),
    Allow(Vec<Method>),
    Authenticate,
    AcceptEncoding(Vec<Coding>),
    /// The version of WebSocket that is spoken.
    WebSocketVersion,
    /// The rest of the request is not read.
    Close,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    uri: Uri,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<MemberError<'a>>,
    request_id: RequestId,
}

#[derive(Serialize)]
struct MemberError<'a> {
    pointer: &'a str,
    detail: &'a str,
}

/// `urn:gateway:problem:<code>`.
struct Uri(&'static str);

impl Serialize for Uri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("urn:gateway:problem:{}", self.0))
    }
}

impl HttpProblem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let detail = detail.into();
        Self { status, code, title, detail, parameter: None, members: Vec::new(), internal: None, hint: Hint::None }
    }

    /// Nothing has this name.
    pub(crate) fn not_found(code: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, title, detail)
    }

    /// What is asked for does not go with how things stand.
    pub(crate) fn conflict(code: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title, detail)
    }

    /// The same request may succeed later.
    pub(crate) fn unavailable(code: &'static str, title: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail).hint(Hint::RetryLater)
    }

    pub(crate) fn hint(self, hint: Hint) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn internal(self, internal: impl ToString) -> Self {
        Self { internal: Some(internal.to_string()), ..self }
    }

    /// The response, without its request id as a header.
    pub(crate) fn response(&self, id: RequestId, retry_after: &HeaderValue) -> Response {
        let Self { status, code, title, detail, parameter, members, .. } = self;
        let body = ProblemBody {
            uri: Uri(code),
            title,
            status: status.as_u16(),
            detail,
            code,
            parameter: parameter.as_deref(),
            errors: members.iter().map(|(pointer, detail)| MemberError { pointer, detail }).collect(),
            request_id: id,
        };
        let mut response = with_json(*status, &body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
        match &self.hint {
            Hint::None => None,
            Hint::RetryLater => headers.insert(RETRY_AFTER, retry_after.clone()),
            Hint::RetryAfter(wait) => headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(*wait))),
            Hint::Allow(methods) => headers.insert(ALLOW, allow(methods)),
            Hint::Authenticate => headers.insert(WWW_AUTHENTICATE, BEARER),
            Hint::WebSocketVersion => headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Hint::AcceptEncoding(accepted) => headers.insert(ACCEPT_ENCODING, accept_encoding(accepted)),
            Hint::Close => headers.insert(CONNECTION, CLOSE),
        };
        response
    }
}

/// The beginning of a text that somebody else wrote.
pub(crate) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_DETAIL)]
}

/// A text that somebody else wrote, safe for terminals and logs: short, on one line and without control characters.
pub(crate) fn printable(text: &str) -> String {
    shortened(text).chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Rounded up.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// The value of `allow`.
pub(crate) fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).expect("methods are tokens, which headers may contain")
}

/// What may be sent instead (RFC 9110, section 12.5.3, in responses as well).
fn accept_encoding(accepted: &[Coding]) -> HeaderValue {
    let names: Vec<_> = accepted.iter().map(|coding| coding.name()).collect();
    if names.is_empty() {
        return IDENTITY;
    }
    HeaderValue::try_from(names.join(", ")).expect("codings are tokens, which headers may contain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_of_a_plugin_is_cut_between_characters() {
        let long = "ü".repeat(MAX_DETAIL);

        assert_eq!(shortened(&long).len(), MAX_DETAIL);
        assert_eq!(shortened("short"), "short");
    }
}
