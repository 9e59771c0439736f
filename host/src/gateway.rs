//! The composition root: the only place where neighbours meet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::event::{ChannelName, Recipient, Timestamp};
use crate::eventlog::{EventLog, EventLogError};
use crate::http::{HttpError, Server, Services};
use crate::ingest::{Guard, Ingest, Router};
use crate::metrics::Metrics;
use crate::plugin::{PluginError, PluginHost};
use crate::skill::{self, Skills};

/// Why the gateway does not run, or does not any more.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The plugin host cannot work.
    #[error(transparent)]
    Plugins(#[from] PluginError),
    /// The event log cannot be opened, or failed in a way that only a restart mends.
    #[error(transparent)]
    Log(#[from] EventLogError),
    /// No address to serve on.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The skill folder cannot be followed.
    #[error(transparent)]
    Skills(#[from] skill::WatchError),
    /// The system refuses a signal handler or a thread.
    #[error("cannot set up the process: {0}")]
    System(#[from] std::io::Error),
}

/// Serves until SIGTERM or SIGINT, or until the event log can no longer be trusted.
pub async fn run(config: Config) -> Result<(), GatewayError> {
    let started_at = Timestamp::now();
    let grace = config.http.shutdown_grace;
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new());
    let skills = Skills::default();
    let _skills_watcher = skill::watch(config.skills, skills.clone(), Arc::clone(&metrics))?;
    let guard = Arc::new(Guard::new(&config.ingest));
    let plugins = PluginHost::start(config.plugins, Arc::clone(&metrics), guard).await?;
    let dispatch = Dispatch::new(config.dispatch, plugins.clone(), skills.clone(), Arc::clone(&metrics));
    let log = open_log(config.eventlog, &metrics, &dispatch).await?;
    let router = Arc::new(Routing(dispatch.clone()));
    let ingest = Ingest::new(config.ingest, plugins.clone(), log.clone(), router, Arc::clone(&metrics));
    let services =
        Services { ingest, dispatch: dispatch.clone(), log: log.clone(), plugins, skills, metrics, started_at };
    let server = Server::bind(config.http, services).await?;
    let deliveries = dispatch.start(&log);
    for address in server.local_addrs() {
        tracing::info!("Serving on {}", url(address));
    }
    let stop = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(server.run(stop.clone()));
    let failure = tokio::select! {
        name = signals.received() => {
            tracing::info!("Stopping on {name}");
            None
        }
        error = log.failed() => {
            tracing::error!("Stopping, because the event log cannot be trusted any more: {error}");
            Some(error)
        }
    };
    let deadline = Instant::now() + grace;
    stop.cancel();
    if let Some(Err(error)) = serving.join_next().await {
        tracing::error!("Server ended badly: {error}");
    }
    deliveries.stop(deadline.saturating_duration_since(Instant::now())).await;
    log.close().await;
    tracing::info!("Stopped");
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Opens the log off the async threads: it reads the disk, and sled recovers there after a crash.
async fn open_log(
    settings: crate::eventlog::Settings,
    metrics: &Arc<Metrics>,
    dispatch: &Dispatch,
) -> Result<EventLog, GatewayError> {
    let (metrics, sink) = (Arc::clone(metrics), Arc::new(dispatch.clone()));
    let opened = tokio::task::spawn_blocking(move || EventLog::open(&settings, metrics, sink)).await;
    Ok(opened.map_err(std::io::Error::other)??)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// Ingest's view of the routes.
struct Routing(Dispatch);

impl Router for Routing {
    fn recipients(&self, channel: &ChannelName, kind: &str, attributes: &[(String, String)]) -> Vec<Recipient> {
        self.0.recipients(channel, kind, attributes)
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
