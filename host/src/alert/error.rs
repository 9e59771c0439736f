//! Why something about alerts cannot be done.

use super::machine::Refusal;
use super::silence::SilenceError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// There are no channels of alerts.
    #[error("there are no alerts: `alerts.channels` is empty")]
    Off,
    /// What is durable cannot be read, or the log has failed.
    #[error("alerts are not processed any more: {0}")]
    Stopped(String),
    /// Too many requests wait.
    #[error("too many changes of alerts wait")]
    Overloaded,
    /// It is not known whether it became durable.
    #[error("the change could not be stored; look whether it is in force, and try again")]
    Unavailable,
    /// It cannot be done.
    #[error("{0}")]
    Refused(Refusal),
    /// There can be no such silence.
    #[error(transparent)]
    Silence(#[from] SilenceError),
}

impl From<Refusal> for AlertError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
