//! Why deliveries to an agent wait although they could be attempted.

use serde::Serialize;

use super::failure_class::FailureClass;
use crate::event::Timestamp;

/// What holds the deliveries of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    pub by: Holder,
    /// When the next attempt may start; `None` if somebody must do something before.
    pub until: Option<Timestamp>,
    /// The last failure, who paused the agent, or that it is not configured.
    pub reason: Option<String>,
}

/// Who holds the deliveries of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holder {
    /// Its breaker is open: it failed too often in a row.
    Breaker,
    /// An operator has paused it.
    Pause,
    /// It is not configured: nothing delivers them until it is.
    Absence,
}

impl Hold {
    pub(super) fn by_absence() -> Self {
        Self { by: Holder::Absence, until: None, reason: Some("the agent is not configured".to_owned()) }
    }
}

/// Why the last failed attempt of an agent failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentFailure {
    pub at: Timestamp,
    pub class: FailureClass,
    pub code: String,
    pub message: String,
}

impl AgentFailure {
    /// On one line.
    pub(super) fn text(&self) -> String {
        match (self.code.is_empty(), self.message.lines().next().unwrap_or_default()) {
            (true, message) => message.to_owned(),
            (false, "") => self.code.clone(),
            (false, message) => format!("{}: {message}", self.code),
        }
    }
}
