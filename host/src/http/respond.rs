//! From a refusal to its status, its stable code and its public text.
//!
//! Details that callers must not see (`HttpProblem::internal`) go to the log under the same request id. The nouns of the admin API
//! have problems of their own.

use ::http::{Method, StatusCode};

use super::problem::{Hint, HttpProblem, printable, shortened};
use super::refusal::Refusal;
use crate::alert::{AlertError, Refusal as Unsaid, SilenceError};
use crate::eventlog::EventLogError;
use crate::ingest::IngestError;
use crate::plugin::CallError;
use crate::web::WebError;

/// The methods that are named to a caller whose method is never passed on.
const PASSED_ON: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

impl From<&Refusal> for HttpProblem {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::not_found("not_found", "Not found", "nothing is served at this path"),
            Refusal::UnknownChannel => {
                Self::not_found("unknown_channel", "Unknown channel", "no channel is mounted at this path")
            }
            Refusal::Method(methods) => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
                "the path has other methods",
            )
            .hint(Hint::Allow(methods.clone())),
            Refusal::Host(reason) => malformed(*reason).hint(Hint::Close),
            Refusal::Misdirected => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected",
                "Misdirected request",
                "this gateway receives no webhooks under the name in `host`",
            ),
            Refusal::Address => Self::new(
                StatusCode::FORBIDDEN,
                "address_refused",
                "Address refused",
                "the channel accepts no requests from this address",
            ),
            Refusal::Caller(error) => {
                let detail = format!("the channel accepts known callers only: {error}");
                Self::new(StatusCode::UNAUTHORIZED, "unknown_caller", "Unknown caller", detail).hint(Hint::Authenticate)
            }
            Refusal::RateLimited { wait, status } => {
                Self::new(*status, "rate_limited", "Too many requests", "the rate is exceeded, try again later")
                    .hint(Hint::RetryAfter(*wait))
            }
            Refusal::TooLarge { limit } => too_large(format!("the body is too large, expected at most {limit} bytes")),
            Refusal::BodyTimeout(limit) => {
                let detail = format!("the body was not complete after {limit:?}");
                Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "Body too slow", detail).hint(Hint::Close)
            }
            Refusal::Body(error) => malformed("the body ended early or is malformed").internal(error).hint(Hint::Close),
            Refusal::Malformed(detail) => malformed(shortened(detail).to_owned()),
            Refusal::Overloaded(_) => {
                Self::unavailable("overloaded", "Overloaded", "too many requests are in flight, try again later")
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
            Refusal::Ingest(error) => ingest(error),
            Refusal::Log(error) => log(error),
            Refusal::Alert(error) => alert(error),
            Refusal::PluginResponse { status } => {
                plugin_failed().internal(format_args!("its response has the status {status}"))
            }
            Refusal::Undelivered { code, message } => {
                let detail = format!("the agent did not accept the event: `{}`", shortened(code));
                Self::new(StatusCode::BAD_GATEWAY, "agent_failed", "Agent failed", detail).internal(message)
            }
            Refusal::AgentTimeout(limit) => {
                let detail =
                    format!("the agent has not answered after {limit:?}; the event is stored and its delivery goes on");
                Self::new(StatusCode::GATEWAY_TIMEOUT, "agent_timeout", "Agent too slow", detail)
            }
            Refusal::Web(error) => web(error),
            Refusal::Problem(problem) => Self::clone(problem),
            Refusal::Internal(error) => {
                let detail = "the gateway failed; its log says why under this request id";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail).internal(error)
            }
        }
    }
}

fn ingest(error: &IngestError) -> HttpProblem {
    match error {
        // The detail names keys of the configuration: for the operator, who finds it in `/admin/channels` as well.
        IngestError::Waiting { .. } => {
            HttpProblem::unavailable("channel_waiting", "Channel waits", "the channel is not ready, try again later")
                .internal(error)
        }
        IngestError::Method(methods) => HttpProblem::from(&Refusal::Method(methods.clone())),
        IngestError::AmbiguousContentType | IngestError::Undecodable(_) => malformed(error.to_string()),
        IngestError::ContentType(_) | IngestError::Charset => HttpProblem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_not_supported",
            "Content type not supported",
            error.to_string(),
        ),
        IngestError::Encoding { accepted } => HttpProblem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "encoding_not_supported",
            "Content encoding not supported",
            "the body is encoded, expected it as it is, or in a coding that `accept-encoding` of this answer names",
        )
        .hint(Hint::AcceptEncoding(accepted.clone())),
        IngestError::TooLarge { limit } => HttpProblem::from(&Refusal::TooLarge { limit: *limit }),
        IngestError::NoRoom(no_room) => HttpProblem::from(&Refusal::from(*no_room)),
        IngestError::Verification(reason) => {
            HttpProblem::new(StatusCode::UNAUTHORIZED, "verification_failed", "Verification failed", reason.to_string())
        }
        IngestError::Rejected(rejection) => {
            // 410 would tell the sender never to call again.
            let is_fit = |status: &StatusCode| status.is_client_error() && *status != StatusCode::GONE;
            let status = StatusCode::from_u16(rejection.status).ok().filter(is_fit);
            let detail = printable(&rejection.detail);
            HttpProblem {
                members: member(&detail).into_iter().collect(),
                ..HttpProblem::new(
                    status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
                    "rejected",
                    "Rejected by the channel",
                    detail,
                )
            }
        }
        IngestError::Schema(mismatch) => {
            let detail = format!("event {} of kind `{}` does not match its schema", mismatch.index, mismatch.kind);
            let members = mismatch.violations.iter().map(|at| (at.pointer.clone(), at.detail.clone())).collect();
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            HttpProblem {
                members,
                ..HttpProblem::new(status, "schema_mismatch", "Schema mismatch", printable(&detail))
            }
        }
        IngestError::Plugin(CallError::Busy) => HttpProblem::unavailable(
            "channel_busy",
            "Channel busy",
            "the channel has too many requests, try again later",
        ),
        IngestError::TooManyEvents { .. } => too_large(format!("the request is too large: {error}")),
        IngestError::Plugin(_) | IngestError::Receipt(_) | IngestError::State(_) => plugin_failed().internal(error),
        IngestError::Log(error) => log(error),
        IngestError::Internal(error) => HttpProblem::from(&Refusal::Internal(error.clone())),
    }
}

fn log(error: &EventLogError) -> HttpProblem {
    let store = |title, detail| HttpProblem::unavailable("store_unavailable", title, detail).internal(error);
    match error {
        EventLogError::Overloaded => {
            HttpProblem::unavailable("overloaded", "Overloaded", "too many events wait to be stored, try again later")
        }
        EventLogError::Full(_) => store("Event log full", "the event log is full; try again later"),
        EventLogError::Poisoned(_) | EventLogError::Closed | EventLogError::Locked { .. } | EventLogError::Io(_) => {
            store("Event log unavailable", "the event log is not accepting events; try again later")
        }
        EventLogError::TooLarge { .. } => too_large(error.to_string()),
        EventLogError::Conflict(_) | EventLogError::Superseded => {
            let detail = "the state was changed at the same time; check it, then retry";
            HttpProblem::conflict("conflict", "Conflict", detail).internal(error)
        }
        EventLogError::NotFound => HttpProblem::not_found("unknown_event", "Unknown event", "there is no such event"),
        EventLogError::Corrupt { .. }
        | EventLogError::Format { .. }
        | EventLogError::Version { .. }
        | EventLogError::Addition { .. }
        | EventLogError::Backup(_) => {
            let detail = "what is stored cannot be read; the gateway's log says why under this request id";
            HttpProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "store_damaged", "Event log damaged", detail)
                .internal(error)
        }
    }
}

fn web(error: &WebError) -> HttpProblem {
    match error {
        WebError::NotFound => HttpProblem::from(&Refusal::NotFound),
        WebError::Path => malformed("the path can be read in more than one way"),
        WebError::TransferCoding => malformed("`transfer-encoding` is not `chunked` alone").hint(Hint::Close),
        WebError::Method(_) => HttpProblem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            "`CONNECT` and `TRACE` are never passed on",
        )
        .hint(Hint::Allow(PASSED_ON.to_vec())),
        WebError::Loop => {
            let detail = "the request came through this gateway twice before";
            HttpProblem::new(StatusCode::LOOP_DETECTED, "loop_detected", "Loop detected", detail)
        }
        WebError::TooLarge { limit } => too_large(format!("the body is too large, expected at most {limit} bytes")),
        WebError::SlowCaller(limit) => HttpProblem::from(&Refusal::BodyTimeout(*limit)),
        WebError::BadBody | WebError::CallerLeft => HttpProblem::from(&Refusal::Body(error.to_string())),
        WebError::Backend { failure, .. } if failure.is_timeout() => {
            let detail = "what serves this path took too long";
            HttpProblem::new(StatusCode::GATEWAY_TIMEOUT, "backend_timeout", "Backend too slow", detail).internal(error)
        }
        WebError::Backend { .. } => {
            let detail = "what serves this path failed; the gateway's log says why under this request id";
            HttpProblem::new(StatusCode::BAD_GATEWAY, "backend_failed", "Backend failed", detail).internal(error)
        }
        WebError::Down { .. } => {
            HttpProblem::unavailable("backend_down", "Backend down", "what serves this path is down, try again later")
                .internal(error)
        }
        WebError::MustRevalidate(_) => {
            let detail = "what is stored is too old, and what serves this path failed";
            HttpProblem::new(StatusCode::GATEWAY_TIMEOUT, "backend_failed", "Backend failed", detail).internal(error)
        }
        WebError::NotStored => {
            let detail = "nothing is stored for this request, and it asks for nothing else";
            HttpProblem::new(StatusCode::GATEWAY_TIMEOUT, "not_stored", "Not stored", detail)
        }
        WebError::Busy(_) => {
            HttpProblem::unavailable("overloaded", "Overloaded", "too many requests are in flight, try again later")
                .internal(error)
        }
    }
}

fn alert(error: &AlertError) -> HttpProblem {
    let text = error.to_string();
    match error {
        AlertError::Overloaded => {
            HttpProblem::unavailable("overloaded", "Overloaded", "too many changes of alerts wait, try again later")
        }
        AlertError::Unavailable => {
            HttpProblem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "Change not confirmed", text)
                .hint(Hint::RetryLater)
        }
        AlertError::Off => HttpProblem::conflict("alerts_off", "No alerts", text),
        AlertError::Refused(Unsaid::NotFound) => {
            HttpProblem::not_found("incident_not_found", "Incident not found", text)
        }
        AlertError::Refused(Unsaid::Resolved) => HttpProblem::conflict("incident_resolved", "Incident resolved", text),
        AlertError::Refused(Unsaid::Unfit(_)) => {
            HttpProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "incident_unfit", "Incident unfit", text)
        }
        AlertError::Silence(SilenceError::NotFound(_)) => {
            HttpProblem::not_found("silence_not_found", "Silence not found", text)
        }
        AlertError::Silence(SilenceError::TooMany { .. }) => {
            HttpProblem::conflict("too_many_silences", "Too many silences", text)
        }
        AlertError::Silence(SilenceError::Matchers(_) | SilenceError::Invalid { .. }) => {
            HttpProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "silence_unfit", "Silence unfit", printable(&text))
        }
    }
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> HttpProblem {
    HttpProblem::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail)
}

fn too_large(detail: String) -> HttpProblem {
    HttpProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large", detail)
}

fn plugin_failed() -> HttpProblem {
    let detail = "the channel's plugin failed on this request; the gateway's log says why under this request id";
    HttpProblem::new(StatusCode::BAD_GATEWAY, "plugin_failed", "Plugin failed", detail)
}

/// The JSON pointer in backticks at the start of a detail, and what it says of that member.
fn member(detail: &str) -> Option<(String, String)> {
    let (pointer, rest) = detail.strip_prefix('`')?.split_once('`')?;
    let rest = rest.trim_start_matches([':', ' ']);
    (pointer.starts_with('/') && !rest.is_empty()).then(|| (pointer.to_owned(), rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::http::Method;

    use super::super::refusal::Shortage;
    use super::*;
    use crate::alert::SilenceId;
    use crate::caller::CallerError;
    use crate::coding::Coding;
    use crate::ingest::NoRoom;
    use crate::plugin::Rejection;
    use crate::verify::VerifyError;
    use crate::web::{Bound, Failure};

    fn rejected(status: u16) -> Refusal {
        Refusal::Ingest(IngestError::Rejected(Rejection { status, detail: "no `action`".to_owned() }))
    }

    fn failed(failure: Failure) -> Refusal {
        WebError::Backend { backend: "app".to_owned(), failure }.into()
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let limit = Duration::from_secs(1);
        let trap = IngestError::Plugin(CallError::Trap("unreachable".to_owned()));
        let stopped = IngestError::Plugin(CallError::Limit { limit: "cpu", detail: "over".to_owned() });
        let waiting = IngestError::Waiting { channel: "github".parse().unwrap(), detail: "no secret".to_owned() };
        let (expected, found) = ("a text".to_owned(), "an empty one".to_owned());
        let unfit_silence = SilenceError::Invalid { field: "comment", expected, found };
        let missing = VerifyError::Missing { what: "the header `x`".to_owned() };
        for (refusal, status, code) in [
            (Refusal::NotFound, 404, "not_found"),
            (Refusal::UnknownChannel, 404, "unknown_channel"),
            (Refusal::Method(vec![Method::POST]), 405, "method_not_allowed"),
            (Refusal::Host("twice"), 400, "malformed"),
            (Refusal::Misdirected, 421, "misdirected"),
            (Refusal::Address, 403, "address_refused"),
            (Refusal::Caller(CallerError::NoCertificate), 401, "unknown_caller"),
            (Refusal::RateLimited { wait: limit, status: StatusCode::TOO_MANY_REQUESTS }, 429, "rate_limited"),
            (Refusal::Ingest(IngestError::Encoding { accepted: Vec::new() }), 415, "encoding_not_supported"),
            (Refusal::Ingest(IngestError::Undecodable(Coding::Gzip)), 400, "malformed"),
            (Refusal::TooLarge { limit: 5 }, 413, "too_large"),
            (Refusal::BodyTimeout(limit), 408, "body_timeout"),
            (Refusal::Body("reset".to_owned()), 400, "malformed"),
            (Refusal::Malformed("no JSON".to_owned()), 400, "malformed"),
            (Refusal::Overloaded(Shortage::Bytes), 503, "overloaded"),
            (IngestError::NoRoom(NoRoom).into(), 503, "overloaded"),
            (IngestError::TooLarge { limit: 5 }.into(), 413, "too_large"),
            (HttpProblem::conflict("unrouted", "No route", "no").into(), 409, "unrouted"),
            (Refusal::Unauthorized, 401, "unauthorized"),
            (Refusal::Forbidden("no"), 403, "forbidden"),
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
            (Refusal::Ingest(IngestError::TooManyEvents { events: 2, limit: 1 }), 413, "too_large"),
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
            (Refusal::Alert(AlertError::Overloaded), 503, "overloaded"),
            (Refusal::Alert(AlertError::Unavailable), 503, "store_unavailable"),
            (Refusal::Alert(AlertError::Off), 409, "alerts_off"),
            (Refusal::Alert(Unsaid::NotFound.into()), 404, "incident_not_found"),
            (Refusal::Alert(Unsaid::Resolved.into()), 409, "incident_resolved"),
            (Refusal::Alert(Unsaid::Unfit("no".to_owned()).into()), 422, "incident_unfit"),
            (Refusal::Alert(SilenceError::NotFound(SilenceId::FIRST).into()), 404, "silence_not_found"),
            (Refusal::Alert(SilenceError::TooMany { limit: 1 }.into()), 409, "too_many_silences"),
            (Refusal::Alert(unfit_silence.into()), 422, "silence_unfit"),
            (Refusal::Log(EventLogError::Superseded), 409, "conflict"),
            (
                Refusal::Log(EventLogError::Corrupt { key: "k".to_owned(), detail: "d".to_owned() }),
                500,
                "store_damaged",
            ),
            (Refusal::Log(EventLogError::TooLarge { what: "w", bytes: 2, limit: 1 }), 413, "too_large"),
            (WebError::NotFound.into(), 404, "not_found"),
            (WebError::Path.into(), 400, "malformed"),
            (WebError::TransferCoding.into(), 400, "malformed"),
            (WebError::Method(Method::TRACE).into(), 405, "method_not_allowed"),
            (WebError::Loop.into(), 508, "loop_detected"),
            (WebError::TooLarge { limit: 5 }.into(), 413, "too_large"),
            (WebError::SlowCaller(limit).into(), 408, "body_timeout"),
            (WebError::BadBody.into(), 400, "malformed"),
            (failed(Failure::Connect("refused".to_owned())), 502, "backend_failed"),
            (failed(Failure::Broken("reset".to_owned())), 502, "backend_failed"),
            (failed(Failure::Unexpected), 502, "backend_failed"),
            (failed(Failure::ConnectTimeout(limit)), 504, "backend_timeout"),
            (failed(Failure::AnswerTimeout(limit)), 504, "backend_timeout"),
            (WebError::Down { backend: "app".to_owned() }.into(), 503, "backend_down"),
            (WebError::Busy(Bound::Route).into(), 503, "overloaded"),
            (Refusal::Internal("x".to_owned()), 500, "internal"),
        ] {
            let problem = HttpProblem::from(&refusal);

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
            failed(Failure::Connect(secret.to_owned())),
            Refusal::Internal(secret.to_owned()),
        ] {
            let problem = HttpProblem::from(&refusal);

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
        let problem = HttpProblem::from(&Refusal::Ingest(IngestError::Rejected(rejection)));
        assert_eq!(problem.detail, "`/a`: no\u{fffd}\u{fffd}\u{fffd}[2Jtext");
        assert_eq!(problem.members[0].0, "/a");
    }
}
