use crate::config::ConfigProblems;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration is wrong.
    Config(ConfigProblems),
    /// The call is wrong in a way that its grammar does not say.
    Call(&'static str),
    /// Something did not work; what to do about it stands in a line `hint:` at the end.
    Failed(anyhow::Error),
    /// It did not work, and everything was said already.
    Told,
    /// Nobody reads what the command prints any more, as with `| head`.
    Unread,
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
