//! The valid configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use super::findings::Judged;
use super::source::Source;
use crate::event::PluginName;
use crate::{alert, dispatch, eventlog, http, ingest, notice, plugin, replay, schema, skill, subscribe, web};

/// The settings of every module, valid as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it comes from.
    pub source: Source,
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
    /// `[[schemas]]`.
    pub schemas: schema::Settings,
    /// `[subscribe]`, `[subscribers.*]` and `[consumers.*]`.
    pub subscriptions: subscribe::Settings,
    /// `[alerts]`.
    pub alerts: alert::Settings,
    /// `[web]`, `[[sites]]` and `[backends.*]`.
    pub web: web::Settings,
    /// `[log]`.
    pub log: LogSettings,
    /// `[reload]`.
    pub reload: ReloadSettings,
    /// Valid settings that are probably mistakes, one sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// The plugins of channels and agents.
    pub fn used_plugins(&self) -> BTreeSet<&PluginName> {
        let channels = self.ingest.channels.iter().map(|channel| &channel.plugin);
        channels.chain(self.dispatch.agents.iter().map(|agent| &agent.plugin)).collect()
    }

    /// What plugins and skills decide on.
    pub fn judged(&self) -> Judged<'_> {
        Judged {
            channels: &self.ingest.channels,
            agents: &self.dispatch.agents,
            routes: &self.dispatch.routes,
            subscriptions: &self.subscriptions,
            alerts: &self.alerts,
            web: &self.web,
        }
    }
}

/// Whether files are watched for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadSettings {
    /// Whether a change of the file, or of a file that it refers to, is a request to reload.
    pub watch: bool,
    /// How often they are looked at.
    pub interval: Duration,
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
