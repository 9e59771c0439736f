//! `gateway plugin`: plugins made, checked, tested, pinned and signed.

pub(super) mod build;
mod check;
mod dev;
mod inspect;
pub(super) mod new;
pub(super) mod pack;
pub(super) mod pin;
mod project;
mod rollback;
mod sample;
pub(super) mod sign;
mod target;
mod template;
mod test;
pub(super) mod verification;

use std::path::{Path, PathBuf};

use anyhow::Context;

use self::verification::Verification;
use super::arguments::plugin::{PluginCommand, TestArguments};
use super::connection::Connection;
use super::failure::Failure;
use crate::config::{self, FILE_NAME};
use crate::plugin::Settings;

/// Pooled instances: the commands call one plugin at a time.
pub(super) const INSTANCES: usize = 16;

pub(super) async fn run(config: Option<&Path>, connection: &Connection, command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::New(arguments) => new::run(arguments),
        PluginCommand::Build(arguments) => build::run(&arguments),
        PluginCommand::Check { files } => check::run(settings(config)?, &files).await,
        PluginCommand::Inspect { file, output } => inspect::run(settings(config)?, &file, output).await,
        PluginCommand::Test(TestArguments { record: Some(channel), count, samples, .. }) => {
            let dir = samples.unwrap_or_else(|| PathBuf::from("samples"));
            sample::record(connection, &channel, count, &dir).await
        }
        PluginCommand::Test(TestArguments { paths, samples, runs, accept, secret, at, output, .. }) => {
            let verification = secret.map(|source| Verification::new(&source, at)).transpose()?;
            let options = test::Options { samples, runs, accept, verification };
            test::run(settings(config)?, &paths, &options, output.format).await
        }
        PluginCommand::Dev(arguments) => dev::run(settings(config)?, has_config(config), arguments).await,
        PluginCommand::Pack(arguments) => pack::run(&settings(config)?, &arguments),
        PluginCommand::Pin(arguments) => pin::run(config, arguments),
        PluginCommand::Rollback { name, output } => rollback::run(connection, &name, output).await,
        PluginCommand::Sign(arguments) => sign::run(&settings(config)?, &arguments),
    }
}

fn has_config(config: Option<&Path>) -> bool {
    config.is_some() || Path::new(FILE_NAME).is_file()
}

/// The plugin settings of the configuration, so that a plugin that passes here also passes there; without one, the defaults.
fn settings(config: Option<&Path>) -> Result<Settings, Failure> {
    if !has_config(config) {
        return Ok(default_settings("plugins".into())?);
    }
    let mut settings = config::parts(config)?.plugins()?;
    settings.instances = settings.instances.min(INSTANCES);
    Ok(settings)
}

/// The settings for plugins in `dir` without a configuration. Compiled plugins are kept where the user's caches are.
pub(super) fn default_settings(dir: PathBuf) -> anyhow::Result<Settings> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let cache = cache
        .context("no folder for compiled plugins: `HOME` is not set\nhint: name a configuration with `--config`")?;
    Ok(Settings { instances: INSTANCES, ..Settings::new(dir, cache.join("gateway")) })
}
