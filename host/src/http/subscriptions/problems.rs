//! What subscribers are told when something is refused.

use ::http::StatusCode;

use crate::http::problem::{Hint, HttpProblem};
use crate::http::refusal::Refusal;
use crate::subscribe::{ConsumerError, SubscribeError};

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        let text = error.to_string();
        match error {
            SubscribeError::Connections => HttpProblem::unavailable(
                "overloaded",
                "Overloaded",
                "too many subscribers are connected, try again later",
            )
            .into(),
            SubscribeError::OfSubscriber => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                HttpProblem::new(status, "too_many_connections", "Too many connections", text)
                    .hint(Hint::RetryLater)
                    .into()
            }
            SubscribeError::NotAllowed(_) => {
                HttpProblem::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", text).into()
            }
            SubscribeError::UnknownConsumer(_) => {
                HttpProblem::not_found("unknown_consumer", "Unknown consumer", text).into()
            }
            SubscribeError::Consumer(error) => error.into(),
            SubscribeError::Log(error) => Self::Log(error),
            SubscribeError::Spec(_) => Self::Malformed(text),
        }
    }
}

impl From<ConsumerError> for Refusal {
    fn from(error: ConsumerError) -> Self {
        let (code, text) = (error.code(), error.to_string());
        match error {
            ConsumerError::StaleLease => HttpProblem::conflict(code, "Stale lease", text).into(),
            ConsumerError::Active => HttpProblem::conflict(code, "Consumer active", text).into(),
            ConsumerError::Deleted => HttpProblem::not_found("unknown_consumer", "Unknown consumer", text).into(),
            ConsumerError::BadCursor(_) => HttpProblem::new(StatusCode::BAD_REQUEST, code, "Bad cursor", text).into(),
            ConsumerError::Log(error) => Self::Log(error),
        }
    }
}
