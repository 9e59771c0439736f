//! A configuration that is valid as a whole.

use crate::{dispatch, eventlog, http, ingest, plugin, replay, skill};

/// Everything the gateway is started with, valid as a whole.
#[derive(Clone, Debug)]
pub struct Config {
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
    /// `[skills]`.
    pub skills: skill::Settings,
    /// `[log]`.
    pub log: LogSettings,
    /// What is odd and stops nothing, one sentence each.
    pub warnings: Vec<String>,
}

/// What is logged, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter of `tracing_subscriber`: a level, or a list of them by module.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
