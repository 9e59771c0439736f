use std::io;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use crate::config::{Config, LogFormat, LogSettings};
use crate::gateway;

/// Serves until it is told to stop.
pub(super) fn run(config: Config) -> Result<(), Failure> {
    start_log(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("Configuration: {warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    Ok(runtime.block_on(gateway::run(config)).map_err(anyhow::Error::from)?)
}

/// Log lines go to stderr: stdout is for data.
fn start_log(settings: &LogSettings) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(filter_of(&settings.level)).context("`log.level` is no filter")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match settings.format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))?)
}

/// A bare level is meant for the gateway: what its libraries say below a warning helps nobody who runs it.
fn filter_of(level: &str) -> String {
    match level.parse::<tracing::Level>() {
        Ok(level) => format!("warn,gateway={level}"),
        Err(_) => level.to_owned(),
    }
}
