//! A call that fails: an error of JSON-RPC, with the status that goes with it.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::http::answer::{Response, with_json};
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::shared::{RequestContext, Shared};
use crate::subscribe::{McpError, SubscribeError};

#[derive(Debug)]
pub(super) enum Failure {
    Mcp(McpError),
    /// Whatever could as well have happened at another path.
    Refused(Refusal),
}

impl From<McpError> for Failure {
    fn from(error: McpError) -> Self {
        Self::Mcp(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        Self::Refused(error.into())
    }
}

impl Failure {
    /// The answer; without `id` if the request had none that can be read.
    pub(super) fn response(self, shared: &Shared, context: &RequestContext, id: Option<&Value>) -> Response {
        let (error, mut response) = match self {
            Self::Mcp(error) => {
                tracing::debug!(request_id = %context.id, code = error.code, data = %error.data, "Call refused: {}", error.message);
                let response = with_json(status(error.code), &());
                (error, response)
            }
            Self::Refused(refusal) => {
                let problem = HttpProblem::from(&refusal);
                let response = shared.refuse_with(context.id, &refusal, &problem);
                (error_of(&problem), response)
            }
        };
        let mut message = json!({"jsonrpc": "2.0", "error": error});
        if let Some(id) = id {
            message["id"] = id.clone();
        }
        *response.body_mut() = with_json(StatusCode::OK, &message).into_body();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// What Streamable HTTP says of a code; of the others nothing, so they are answers like any other.
const fn status(code: i32) -> StatusCode {
    match code {
        McpError::PARSE_ERROR
        | McpError::INVALID_REQUEST
        | McpError::INVALID_PARAMS
        | McpError::HEADER_MISMATCH
        | McpError::UNSUPPORTED_PROTOCOL_VERSION => StatusCode::BAD_REQUEST,
        McpError::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

/// The error that a problem is. Its status and its headers stay.
fn error_of(problem: &HttpProblem) -> McpError {
    let detail = &*problem.detail;
    match problem.code {
        "too_many_connections" => McpError::exhausted("subscriptions", detail),
        "rate_limited" => McpError::exhausted("attempts", detail),
        "overloaded" => McpError::exhausted("load", detail),
        _ if problem.status.is_client_error() => {
            McpError::new(McpError::INVALID_REQUEST, format!("Invalid request: {detail}"))
        }
        _ => McpError::new(McpError::INTERNAL_ERROR, detail.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_is_an_error_by_what_a_client_can_do() {
        let limited = Refusal::RateLimited { wait: Duration::ZERO, status: StatusCode::TOO_MANY_REQUESTS };
        for (refusal, code) in [
            (Refusal::TooLarge { limit: 5 }, McpError::INVALID_REQUEST),
            (Refusal::BodyTimeout(Duration::ZERO), McpError::INVALID_REQUEST),
            (limited, McpError::RESOURCE_EXHAUSTED),
            (SubscribeError::Connections.into(), McpError::RESOURCE_EXHAUSTED),
            (SubscribeError::OfSubscriber.into(), McpError::RESOURCE_EXHAUSTED),
            (Refusal::Internal("disk sda1".to_owned()), McpError::INTERNAL_ERROR),
        ] {
            let error = error_of(&HttpProblem::from(&refusal));

            assert_eq!(error.code, code, "{refusal:?}");
            assert!(!format!("{error:?}").contains("sda1"));
        }
    }
}
