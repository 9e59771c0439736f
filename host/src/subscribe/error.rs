//! Why somebody is not let in, or not answered.

use std::sync::Arc;

use super::consumer::lease::ConsumerError;
use super::consumer::spec::SpecError;
use crate::eventlog::EventLogError;

/// Why somebody is not let in, or not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("too many connections of subscribers")]
    Connections,
    #[error("too many connections of this subscriber")]
    OfSubscriber,
    #[error("the subscriber may not hold consumer `{0}`")]
    NotAllowed(String),
    #[error("no such consumer: `{0}`")]
    UnknownConsumer(String),
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    #[error(transparent)]
    Log(#[from] EventLogError),
    #[error(transparent)]
    Spec(Arc<SpecError>),
}
