//! `gateway serve`: logging, limits of the process, the runtime.

use std::io;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::failure::Failure;
use crate::config::{Config, LogFormat, LogSettings};
use crate::gateway::{self, GatewayError, SetLogLevel};
use crate::memory;
use crate::systemd::Inherited;

/// Open files other than connections of callers: the event log, plugins, connections to agents.
const OTHER_FILES: u64 = 512;

/// How long the process waits at its end for threads that are still busy, for example with the disk.
const LEFTOVERS: Duration = Duration::from_millis(500);

pub(super) fn run(config: Config) -> Result<(), Failure> {
    let set_log_level = start_log(&config.log)?;
    memory::keep_little();
    for warning in &config.warnings {
        tracing::warn!("Configuration: {warning}");
    }
    raise_open_files(config.http.max_connections);
    let inherited = Inherited::from_environment().map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let ended = runtime.block_on(gateway::run(config, inherited, set_log_level));
    // Tasks that still run have used up their grace period.
    runtime.shutdown_timeout(LEFTOVERS);
    ended.map_err(|error| match error {
        GatewayError::Config(problems) => problems.into(),
        error => anyhow::Error::from(error).into(),
    })
}

/// Raises the soft limit of open files to the hard limit: every connection is an open file, and most soft limits are low.
fn raise_open_files(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::debug!("Cannot raise the limit of open files: {error}");
    }
    let needed = connections as u64 + OTHER_FILES;
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed => {
            tracing::warn!(
                allowed,
                needed,
                "The limit of open files is below what `http.max_connections` needs: raise `ulimit -n`"
            );
        }
        _ => {}
    }
}

/// Log lines go to stderr; stdout is for data. Returns what changes the level.
fn start_log(settings: &LogSettings) -> Result<SetLogLevel, Failure> {
    let filter = filter(&settings.level).context("`log.level` is not a filter")?;
    let (filter, handle) = tracing_subscriber::reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))?;
    Ok(Box::new(move |level| {
        let filter = self::filter(level).map_err(anyhow::Error::from);
        if let Err(error) = filter.and_then(|filter| Ok(handle.reload(filter)?)) {
            tracing::error!("The level of the log stays as it is: {error}");
        }
    }))
}

fn filter(level: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(filter_of(level))
}

/// A bare level applies to the gateway alone: below a warning, log lines of libraries do not help an operator.
fn filter_of(level: &str) -> String {
    match level.parse::<tracing::Level>() {
        Ok(level) => format!("warn,gateway={level}"),
        Err(_) => level.to_owned(),
    }
}
