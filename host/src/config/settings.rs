//! The valid configuration.

use crate::{dispatch, eventlog, http, ingest, notice, plugin, replay, skill};

/// The settings of every module, valid as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path of the file, as given.
    pub file: String,
    /// `[http]` and `[admin]`.
    pub http: http::Settings,
    /// `[eventlog]`.
    pub eventlog: eventlog::Settings,
    /// `[plugins]`.
    pub plugins: plugin::Settings,
    /// `[channels.*]`.
    pub ingest: ingest::Settings,
    /// `[agents.*]`, `[[routes]]` and `[dispatch]`.
    pub dispatch: dispatch::Settings,
    /// `[dispatch] replay_*`.
    pub replay: replay::Settings,
    /// `[notices]`.
    pub notices: notice::Settings,
    /// `[skills]`.
    pub skills: skill::Settings,
    /// `[log]`.
    pub log: LogSettings,
    /// Valid settings that are probably mistakes, one sentence each.
    pub warnings: Vec<String>,
}

/// The log of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter of `tracing_subscriber`: a level, or levels by module.
    pub level: String,
    /// The format of a line.
    pub format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}
