use std::process::ExitCode;

use super::output;
use crate::config::Problems;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration is wrong.
    Config(Problems),
    /// The call is wrong in a way that its grammar does not say.
    Call(&'static str),
    /// Something did not work; what to do about it stands in a line `hint:` at the end.
    Failed(anyhow::Error),
    /// It did not work, and everything was said already.
    Told,
    /// Nobody reads what the command prints any more, as with `| head`.
    Unread,
}

impl Failure {
    /// Says on stderr what went wrong.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Config(problems) => {
                output::note(&format!("error: {problems}"));
                ExitCode::from(2)
            }
            Self::Call(problem) => {
                output::note(&format!("error: {problem}"));
                ExitCode::from(2)
            }
            Self::Failed(error) => {
                output::note(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
            Self::Told => ExitCode::FAILURE,
            Self::Unread => ExitCode::SUCCESS,
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
