//! Why the gateway does not start, or stopped.

use crate::config::ConfigProblems;
use crate::eventlog::EventLogError;
use crate::http::HttpError;
use crate::plugin::PluginError;
use crate::schema::SchemaError;
use crate::skill;
use crate::systemd::{NotifyError, SocketError};

/// Why the gateway does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// What can only be checked once the plugins are loaded.
    #[error(transparent)]
    Config(#[from] ConfigProblems),
    #[error(transparent)]
    Plugins(#[from] PluginError),
    /// The event log cannot be opened, or failed in a way that needs a restart.
    #[error(transparent)]
    Log(#[from] EventLogError),
    /// Another process has the event log.
    #[error("{0}\nhint: stop that process, or name another folder in `eventlog.dir`")]
    LogInUse(EventLogError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("schema {0}")]
    Schemas(#[from] SchemaError),
    #[error(transparent)]
    Skills(#[from] skill::WatchError),
    #[error(transparent)]
    Sockets(#[from] SocketError),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// A signal handler or a thread.
    #[error("cannot set up the process: {0}")]
    System(#[from] std::io::Error),
}
