//! What can only be checked once the plugins are loaded, at a start and at a reload.

use std::sync::Arc;

use crate::config::{Config, ConfigProblems, Described, Judged, Source, unfit_secrets};
use crate::event::PluginName;
use crate::ingest::{self, ChannelSettings};
use crate::plugin::PluginHost;
use crate::skill;

/// A secret that can never verify a webhook is an error of the configuration, not of the first webhook.
pub(super) fn check_secrets(
    source: &Source,
    settings: &ingest::Settings,
    plugins: &PluginHost,
) -> Result<(), ConfigProblems> {
    let unfit = |channel: &ChannelSettings| {
        let generation = plugins.serving(channel.plugin.as_str())?;
        Some(unfit_secrets(channel, &generation.manifest.recipe))
    };
    let problems: Vec<_> = settings.channels.iter().filter_map(unfit).flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigProblems { file: source.file.display().to_string(), problems }) }
}

/// What `gateway check` reports about plugins and skills. What concerns it waits, and everything else is served.
pub(super) async fn findings(config: &Config, plugins: &PluginHost) -> Result<Vec<String>, std::io::Error> {
    let skills = config.skills.clone();
    // The watcher may not have looked yet.
    let skills = tokio::task::spawn_blocking(move || skill::scan(&skills)).await?;
    let judged =
        Judged { channels: &config.ingest.channels, agents: &config.dispatch.agents, routes: &config.dispatch.routes };
    let describe = |plugin: &PluginName| {
        let generation = plugins.serving(plugin.as_str())?;
        Some(Described { kind: generation.kind(), manifest: Arc::clone(&generation.manifest) })
    };
    Ok(judged.findings(&describe, &skills).iter().map(ToString::to_string).collect())
}
