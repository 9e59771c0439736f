//! Why a command failed; decides its exit code.

use std::borrow::Cow;

use crate::config::ConfigProblems;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    Config(ConfigProblems),
    /// The arguments contradict each other in a way that the grammar does not cover.
    Call(Cow<'static, str>),
    /// Any other error; a line `hint:` at its end says what to do.
    Failed(anyhow::Error),
    /// A failure that the output already shows.
    Reported,
    /// Stdout was closed, as by `| head`.
    Closed,
}

impl Failure {
    /// The failure of writing data, as an error for whoever produces the data.
    pub(super) fn of_writing(self) -> anyhow::Error {
        match self {
            Self::Failed(error) => error,
            _ => anyhow::anyhow!("nobody reads what is written"),
        }
    }
}

impl From<ConfigProblems> for Failure {
    fn from(problems: ConfigProblems) -> Self {
        Self::Config(problems)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
