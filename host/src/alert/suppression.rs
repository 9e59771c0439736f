//! Why agents are not told of a signal that fires.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::SignalId;

/// Why agents are not told of a signal that fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", content = "id", rename_all = "snake_case")]
pub enum Suppression {
    /// A silence, by its id.
    Silence(Box<str>),
    /// A maintenance window, by its name.
    Maintenance(Box<str>),
    /// A signal that fires too.
    Inhibition(SignalId),
}

impl Suppression {
    /// The label of metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Silence(_) => "silence",
            Self::Maintenance(_) => "maintenance",
            Self::Inhibition(_) => "inhibition",
        }
    }
}

impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(id) => write!(f, "silence {id}"),
            Self::Maintenance(name) => write!(f, "maintenance `{name}`"),
            Self::Inhibition(signal) => write!(f, "inhibited by alert {signal}"),
        }
    }
}
