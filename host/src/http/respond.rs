//! What callers are told: every refusal with its status, its stable code and its public text, and the shape of all answers.
//!
//! The only place where that is decided. What a caller must not see (`Problem::internal`) goes to the log under the same
//! request id.

use std::borrow::Cow;
use std::time::Duration;

use ::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;

use crate::event::RequestId;
use crate::eventlog::EventLogError;
use crate::ingest::{Coding, IngestError, RecordError};
use crate::plugin::CallError;
use crate::replay::ReplayError;

use super::payload::Payload;
use super::refusal::Refusal;
use super::webhook::rate_limit::whole_seconds;

/// Every answer.
pub(super) type Answer = Response<Payload>;

/// Names the request in every answer.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"gateway\"");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
/// The connection ends with the answer.
pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The longest text of a plugin that is passed on, in bytes.
const MAX_DETAIL: usize = 1024;

/// What a caller is told of a refusal.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Stable: callers decide by it.
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: Cow<'static, str>,
    /// The query parameter that is wrong.
    pub(super) parameter: Option<String>,
    /// The member of the body that is wrong, as a JSON pointer, and what is wrong with it.
    pub(super) member: Option<(String, String)>,
    /// What only the log is told.
    pub(super) internal: Option<String>,
    pub(super) hint: Hint,
}

/// What a header tells the caller besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    None,
    RetryLater,
    RetryAfter(Duration),
    Allow(Vec<Method>),
    Authenticate,
    AcceptEncoding(Vec<Coding>),
    /// The rest of the request is not read.
    Close,
}

/// A problem as JSON (RFC 9457).
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    uri: Uri,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[MemberError<'a>; 1]>,
    request_id: RequestId,
}

/// What is wrong with one member of the body.
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

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { status, code, title, detail, parameter: None, member: None, internal: None, hint: Hint::None }
    }

    fn hint(self, hint: Hint) -> Self {
        Self { hint, ..self }
    }

    fn internal(self, internal: impl ToString) -> Self {
        Self { internal: Some(internal.to_string()), ..self }
    }

    /// The answer, without its request id as a header.
    pub(super) fn answer(&self, id: RequestId, retry_after: &HeaderValue) -> Answer {
        let Self { status, code, title, detail, parameter, member, .. } = self;
        let body = Body {
            uri: Uri(code),
            title,
            status: status.as_u16(),
            detail,
            code,
            parameter: parameter.as_deref(),
            errors: member.as_ref().map(|(pointer, detail)| [MemberError { pointer, detail }]),
            request_id: id,
        };
        let mut answer = with_json(*status, &body);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
        match &self.hint {
            Hint::None => None,
            Hint::RetryLater => headers.insert(RETRY_AFTER, retry_after.clone()),
            Hint::RetryAfter(wait) => headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(*wait))),
            Hint::Allow(methods) => headers.insert(ALLOW, allow(methods)),
            Hint::Authenticate => headers.insert(WWW_AUTHENTICATE, BEARER),
            Hint::AcceptEncoding(taken) => headers.insert(ACCEPT_ENCODING, accept_encoding(taken)),
            Hint::Close => headers.insert(CONNECTION, CLOSE),
        };
        answer
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotFound => {
                Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "nothing is served at this path")
            }
            Refusal::UnknownChannel => Self::new(
                StatusCode::NOT_FOUND,
                "unknown_channel",
                "Unknown channel",
                "no channel is mounted at this path",
            ),
            Refusal::UnknownEvent(id) => {
                let detail = format!("there is no event `{}`", shortened(id));
                Self::new(StatusCode::NOT_FOUND, "unknown_event", "Unknown event", detail)
            }
            Refusal::UnknownDelivery(id) => {
                let detail = format!("there is no delivery `{}`", shortened(id));
                Self::new(StatusCode::NOT_FOUND, "unknown_delivery", "Unknown delivery", detail)
            }
            Refusal::UnknownReplay(id) => {
                let detail = format!("there is no replay `{}`", shortened(id));
                Self::new(StatusCode::NOT_FOUND, "unknown_replay", "Unknown replay", detail)
            }
            Refusal::Replay(error) => replay(error),
            Refusal::Record(error @ RecordError::Unknown(_)) => {
                let detail = shortened(&error.to_string()).to_owned();
                Self::new(StatusCode::NOT_FOUND, "unknown_channel", "Unknown channel", detail)
            }
            Refusal::Record(error @ RecordError::Busy(_)) => {
                Self::new(StatusCode::CONFLICT, "recording", "Recorded already", error.to_string())
            }
            Refusal::Method(methods) => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
                "the path has other methods",
            )
            .hint(Hint::Allow(methods.clone())),
            Refusal::Host(reason) => {
                Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", *reason).hint(Hint::Close)
            }
            Refusal::Misdirected => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected",
                "Misdirected request",
                "`host` is no name under which this gateway receives webhooks",
            ),
            Refusal::Address => Self::new(
                StatusCode::FORBIDDEN,
                "address_refused",
                "Address refused",
                "the channel takes no requests from this address",
            ),
            Refusal::Caller(error) => {
                let detail = format!("the channel knows its callers, and this is none of them: {error}");
                Self::new(StatusCode::UNAUTHORIZED, "unknown_caller", "Unknown caller", detail).hint(Hint::Authenticate)
            }
            Refusal::RateLimited { wait, status } => {
                Self::new(*status, "rate_limited", "Too many requests", "the rate is exceeded, try again later")
                    .hint(Hint::RetryAfter(*wait))
            }
            Refusal::Encoding { taken } => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding_not_supported",
                "Content encoding not supported",
                "the body is encoded, expected it as it is, or in a coding that `accept-encoding` of this answer names",
            )
            .hint(Hint::AcceptEncoding(taken.clone())),
            Refusal::Undecodable(coding) => {
                let detail = format!("the body is not what its `content-encoding` says, expected `{coding}`");
                Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail)
            }
            Refusal::TooLarge { limit } => {
                let detail = format!("the body is too large, expected at most {limit} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large", detail).hint(Hint::Close)
            }
            Refusal::BodyTimeout(limit) => {
                let detail = format!("the body was not complete after {limit:?}");
                Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "Body too slow", detail).hint(Hint::Close)
            }
            Refusal::Body(error) => Self::new(
                StatusCode::BAD_REQUEST,
                "malformed",
                "Malformed request",
                "the body ended early or is malformed",
            )
            .internal(error)
            .hint(Hint::Close),
            Refusal::Malformed(detail) => {
                Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", shortened(detail).to_owned())
            }
            Refusal::Overloaded(_) => {
                unavailable("overloaded", "Overloaded", "too many requests are in flight, try again later")
            }
            Refusal::Parameter(bad) => Self {
                parameter: Some(bad.name.clone()),
                ..Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", "Invalid parameter", bad.to_string())
            },
            Refusal::Unauthorized => Self::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "Unauthorized",
                "expected the admin token as `authorization: Bearer`",
            )
            .hint(Hint::Authenticate),
            Refusal::Forbidden(reason) => Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", *reason),
            Refusal::Unrouted => Self::new(
                StatusCode::CONFLICT,
                "unrouted",
                "No route",
                "no route takes the event any more, so it cannot be replayed",
            ),
            Refusal::Ingest(error) => ingest(error),
            Refusal::Log(error) => log(error),
            Refusal::PluginResponse { status } => {
                plugin_failed().internal(format_args!("its response has the status {status}"))
            }
            Refusal::Undelivered { code, message } => {
                let detail = format!("the agent did not take the event: `{}`", shortened(code));
                Self::new(StatusCode::BAD_GATEWAY, "agent_failed", "Agent failed", detail).internal(message)
            }
            Refusal::AgentTimeout(limit) => {
                let detail =
                    format!("the agent has not answered after {limit:?}; the event is stored and its delivery goes on");
                Self::new(StatusCode::GATEWAY_TIMEOUT, "agent_timeout", "Agent too slow", detail)
            }
            Refusal::Internal(error) => {
                let detail = "the gateway failed; its log says why under this request id";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail).internal(error)
            }
        }
    }
}

fn ingest(error: &IngestError) -> Problem {
    match error {
        // The channel's detail names configuration keys: for the operator, who finds it in `/admin/channels` as well.
        IngestError::Waiting { .. } => {
            unavailable("channel_waiting", "Channel waits", "the channel is not ready, try again later").internal(error)
        }
        IngestError::Method(methods) => Problem::from(&Refusal::Method(methods.clone())),
        IngestError::AmbiguousContentType => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", error.to_string())
        }
        IngestError::ContentType(_) | IngestError::Charset => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_not_supported",
            "Content type not supported",
            error.to_string(),
        ),
        IngestError::Verification(reason) => {
            Problem::new(StatusCode::UNAUTHORIZED, "verification_failed", "Verification failed", reason.to_string())
        }
        IngestError::Rejected(rejection) => {
            // 410 would tell the sender never to call again.
            let is_fit = |status: &StatusCode| status.is_client_error() && *status != StatusCode::GONE;
            let status = StatusCode::from_u16(rejection.status).ok().filter(is_fit);
            let detail = shown(&rejection.detail);
            Problem {
                member: member(&detail),
                ..Problem::new(
                    status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
                    "rejected",
                    "Rejected by the channel",
                    detail,
                )
            }
        }
        IngestError::Plugin(CallError::Busy) => {
            unavailable("channel_busy", "Channel busy", "the channel has too many requests, try again later")
        }
        IngestError::Plugin(_) | IngestError::Receipt(_) | IngestError::State(_) => plugin_failed().internal(error),
        IngestError::Log(error) => log(error),
    }
}

fn replay(error: &ReplayError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error.to_string());
    match error {
        ReplayError::Busy => unavailable("overloaded", "Overloaded", "deliveries are being counted, try again later"),
        ReplayError::TooSlow { .. } => unavailable(
            "too_many_deliveries",
            "Too many deliveries",
            "the deliveries could not be counted in time; ask for fewer with `since`, or try again later",
        )
        .internal(error),
        ReplayError::TooMany { .. } => conflict("too_many_replays", "Too many replays"),
        ReplayError::Open => conflict("delivery_open", "Delivery open"),
        ReplayError::Superseded => conflict("delivery_superseded", "Delivery superseded"),
        ReplayError::UnknownAgent(_) => conflict("unknown_agent", "Unknown agent"),
        ReplayError::Unknown(id) => Problem::from(&Refusal::UnknownReplay(id.to_string())),
        ReplayError::UnknownDelivery => {
            Problem::new(StatusCode::NOT_FOUND, "unknown_delivery", "Unknown delivery", error.to_string())
        }
        ReplayError::Log(error) => log(error),
    }
}

fn log(error: &EventLogError) -> Problem {
    let store = |title, detail| unavailable("store_unavailable", title, detail).internal(error);
    match error {
        EventLogError::Overloaded => {
            unavailable("overloaded", "Overloaded", "too many events wait to be stored, try again later")
        }
        EventLogError::Full(_) => store("Event log full", "the event log has no room, try again later"),
        EventLogError::Poisoned(_) | EventLogError::Closed | EventLogError::Locked { .. } | EventLogError::Io(_) => {
            store("Event log unavailable", "the event log takes no events, try again later")
        }
        EventLogError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large", error.to_string())
        }
        EventLogError::Conflict(_) | EventLogError::Superseded => {
            let detail = "it was changed at the same time; look at it again, then retry";
            Problem::new(StatusCode::CONFLICT, "conflict", "Conflict", detail).internal(error)
        }
        EventLogError::NotFound => {
            Problem::new(StatusCode::NOT_FOUND, "unknown_event", "Unknown event", "there is no such event")
        }
        EventLogError::Corrupt { .. }
        | EventLogError::Format { .. }
        | EventLogError::Version { .. }
        | EventLogError::Addition { .. }
        | EventLogError::Backup(_) => {
            let detail = "what is stored cannot be read; the gateway's log says why under this request id";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "store_damaged", "Event log damaged", detail)
                .internal(error)
        }
    }
}

fn unavailable(code: &'static str, title: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail).hint(Hint::RetryLater)
}

fn plugin_failed() -> Problem {
    let detail = "the channel's plugin failed on this request; the gateway's log says why under this request id";
    Problem::new(StatusCode::BAD_GATEWAY, "plugin_failed", "Plugin failed", detail)
}

/// The beginning of a text that somebody else wrote.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_DETAIL)]
}

/// What a plugin wrote, for a caller's terminal and log: of a bounded length, on one line and without control characters.
fn shown(text: &str) -> String {
    shortened(text).chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The JSON pointer in backticks at the start of a detail, and what it says of that member.
fn member(detail: &str) -> Option<(String, String)> {
    let (pointer, rest) = detail.strip_prefix('`')?.split_once('`')?;
    let rest = rest.trim_start_matches([':', ' ']);
    (pointer.starts_with('/') && !rest.is_empty()).then(|| (pointer.to_owned(), rest.to_owned()))
}

fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).expect("methods are tokens, which headers may contain")
}

/// What may be sent instead (RFC 9110, section 12.5.3, in answers as well).
fn accept_encoding(taken: &[Coding]) -> HeaderValue {
    let names: Vec<_> = taken.iter().map(|coding| coding.name()).collect();
    if names.is_empty() {
        return IDENTITY;
    }
    HeaderValue::try_from(names.join(", ")).expect("codings are tokens, which headers may contain")
}

/// An answer with `body` as JSON.
pub(super) fn with_json(status: StatusCode, body: &impl Serialize) -> Answer {
    let mut text = Vec::with_capacity(256);
    serde_json::to_writer(&mut text, body).expect("the values have text keys, and writing to memory does not fail");
    text.push(b'\n');
    with_body(status, JSON, Bytes::from(text))
}

/// An answer with `json`, which is JSON already.
pub(super) fn with_json_text(status: StatusCode, json: impl Into<Bytes>) -> Answer {
    with_body(status, JSON, json.into())
}

/// An answer with `body`.
pub(super) fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Answer::new(Payload::whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// Keeps answers of the admin API out of caches and from being taken for something else.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
}

#[cfg(test)]
mod tests {
    use crate::caller::CallerError;
    use crate::plugin::Rejection;
    use crate::replay::ReplayId;
    use crate::verify::VerifyError;

    use super::super::refusal::Shortage;
    use super::*;

    fn rejected(status: u16) -> Refusal {
        Refusal::Ingest(IngestError::Rejected(Rejection { status, detail: "no `action`".to_owned() }))
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let limit = Duration::from_secs(1);
        let trap = IngestError::Plugin(CallError::Trap("unreachable".to_owned()));
        let stopped = IngestError::Plugin(CallError::Limit { limit: "cpu", detail: "over".to_owned() });
        let waiting = IngestError::Waiting { channel: "github".parse().unwrap(), detail: "no secret".to_owned() };
        let missing = VerifyError::Missing { what: "the header `x`".to_owned() };
        for (refusal, status, code) in [
            (Refusal::NotFound, 404, "not_found"),
            (Refusal::Record(RecordError::Unknown("x".to_owned())), 404, "unknown_channel"),
            (Refusal::Record(RecordError::Busy("x".parse().unwrap())), 409, "recording"),
            (Refusal::UnknownChannel, 404, "unknown_channel"),
            (Refusal::UnknownEvent("x".to_owned()), 404, "unknown_event"),
            (Refusal::UnknownDelivery("x".to_owned()), 404, "unknown_delivery"),
            (Refusal::UnknownReplay("x".to_owned()), 404, "unknown_replay"),
            (ReplayError::Busy.into(), 503, "overloaded"),
            (ReplayError::TooSlow { within: limit }.into(), 503, "too_many_deliveries"),
            (ReplayError::TooMany { running: 8 }.into(), 409, "too_many_replays"),
            (ReplayError::Open.into(), 409, "delivery_open"),
            (ReplayError::Superseded.into(), 409, "delivery_superseded"),
            (ReplayError::UnknownAgent("a".parse().unwrap()).into(), 409, "unknown_agent"),
            (ReplayError::Unknown(ReplayId(3)).into(), 404, "unknown_replay"),
            (ReplayError::UnknownDelivery.into(), 404, "unknown_delivery"),
            (ReplayError::Log(EventLogError::Closed).into(), 503, "store_unavailable"),
            (Refusal::Method(vec![Method::POST]), 405, "method_not_allowed"),
            (Refusal::Host("twice"), 400, "malformed"),
            (Refusal::Misdirected, 421, "misdirected"),
            (Refusal::Address, 403, "address_refused"),
            (Refusal::Caller(CallerError::NoCertificate), 401, "unknown_caller"),
            (Refusal::RateLimited { wait: limit, status: StatusCode::TOO_MANY_REQUESTS }, 429, "rate_limited"),
            (Refusal::Encoding { taken: Vec::new() }, 415, "encoding_not_supported"),
            (Refusal::Undecodable(Coding::Gzip), 400, "malformed"),
            (Refusal::TooLarge { limit: 5 }, 413, "too_large"),
            (Refusal::BodyTimeout(limit), 408, "body_timeout"),
            (Refusal::Body("reset".to_owned()), 400, "malformed"),
            (Refusal::Malformed("no JSON".to_owned()), 400, "malformed"),
            (Refusal::Overloaded(Shortage::Bytes), 503, "overloaded"),
            (Refusal::Unauthorized, 401, "unauthorized"),
            (Refusal::Forbidden("no"), 403, "forbidden"),
            (Refusal::Unrouted, 409, "unrouted"),
            (Refusal::Ingest(waiting), 503, "channel_waiting"),
            (
                Refusal::Ingest(IngestError::ContentType(vec!["text/plain".to_owned()])),
                415,
                "content_type_not_supported",
            ),
            (Refusal::Ingest(IngestError::Charset), 415, "content_type_not_supported"),
            (Refusal::Ingest(IngestError::AmbiguousContentType), 400, "malformed"),
            (Refusal::Ingest(missing.into()), 401, "verification_failed"),
            (Refusal::Ingest(VerifyError::Mismatch.into()), 401, "verification_failed"),
            (rejected(400), 400, "rejected"),
            (rejected(422), 422, "rejected"),
            (rejected(200), 422, "rejected"),
            (rejected(410), 422, "rejected"),
            (Refusal::Ingest(CallError::Busy.into()), 503, "channel_busy"),
            (Refusal::Ingest(trap), 502, "plugin_failed"),
            (Refusal::Ingest(stopped), 502, "plugin_failed"),
            (Refusal::Ingest(IngestError::Receipt("kind".to_owned())), 502, "plugin_failed"),
            (Refusal::PluginResponse { status: 101 }, 502, "plugin_failed"),
            (Refusal::Undelivered { code: "c".to_owned(), message: "m".to_owned() }, 502, "agent_failed"),
            (Refusal::AgentTimeout(limit), 504, "agent_timeout"),
            (Refusal::Log(EventLogError::Overloaded), 503, "overloaded"),
            (Refusal::Log(EventLogError::Full("f".to_owned())), 503, "store_unavailable"),
            (Refusal::Log(EventLogError::Poisoned("p".to_owned())), 503, "store_unavailable"),
            (Refusal::Log(EventLogError::Closed), 503, "store_unavailable"),
            (Refusal::Log(EventLogError::Io("i".to_owned())), 503, "store_unavailable"),
            (Refusal::Log(EventLogError::NotFound), 404, "unknown_event"),
            (
                Refusal::Log(EventLogError::Corrupt { key: "k".to_owned(), detail: "d".to_owned() }),
                500,
                "store_damaged",
            ),
            (Refusal::Log(EventLogError::TooLarge { what: "w", bytes: 2, limit: 1 }), 413, "too_large"),
            (Refusal::Internal("x".to_owned()), 500, "internal"),
        ] {
            let problem = Problem::from(&refusal);

            assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{refusal:?}");
            assert_eq!(problem.hint == Hint::RetryLater, status == 503, "{refusal:?}");
        }
    }

    #[test]
    fn what_went_wrong_inside_stays_inside() {
        let secret = "/var/lib/gateway: disk sda1";
        for refusal in [
            Refusal::Log(EventLogError::Poisoned(secret.to_owned())),
            Refusal::Log(EventLogError::Io(secret.to_owned())),
            Refusal::Ingest(CallError::Trap(secret.to_owned()).into()),
            Refusal::Undelivered { code: "refused".to_owned(), message: secret.to_owned() },
            Refusal::Internal(secret.to_owned()),
        ] {
            let problem = Problem::from(&refusal);

            assert!(!problem.detail.contains(secret), "{}", problem.detail);
            assert!(problem.internal.as_ref().unwrap().contains(secret), "{problem:?}");
        }
    }

    #[test]
    fn a_member_that_a_plugin_names_is_told_by_itself() {
        for (detail, expected) in [
            ("`/alerts/0/status`: expected `firing`", Some(("/alerts/0/status", "expected `firing`"))),
            ("`/` is empty", Some(("/", "is empty"))),
            ("`status`: expected text", None),
            ("expected `/status`", None),
            ("`/status`", None),
            ("`/status", None),
            ("", None),
        ] {
            let found = member(detail);

            assert_eq!(found.as_ref().map(|(pointer, rest)| (pointer.as_str(), rest.as_str())), expected, "{detail}");
        }
        let rejection = Rejection { status: 400, detail: "`/a`: no\r\n\u{1b}[2Jtext".to_owned() };
        let problem = Problem::from(&Refusal::Ingest(IngestError::Rejected(rejection)));
        assert_eq!(problem.detail, "`/a`: no\u{fffd}\u{fffd}\u{fffd}[2Jtext");
        assert_eq!(problem.member.unwrap().0, "/a");
    }

    #[test]
    fn a_long_text_of_a_plugin_is_cut_between_characters() {
        let long = "ü".repeat(MAX_DETAIL);

        assert_eq!(shortened(&long).len(), MAX_DETAIL);
        assert_eq!(shortened("short"), "short");
    }
}
