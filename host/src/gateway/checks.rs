//! What can only be checked once the plugins are loaded, at a start and at a reload.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, ConfigProblems, Described, Source, unfit_secrets};
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

/// The plugins whose files are refused by pins and signatures, one sentence for all with the same reason. The version of each
/// that serves goes on until a restart.
pub(super) async fn refusals(config: &Config, plugins: &PluginHost) -> Result<Vec<String>, std::io::Error> {
    let used: Vec<_> = config.used_plugins().into_iter().cloned().collect();
    let (settings, plugins) = (config.plugins.clone(), plugins.clone());
    let look = move || {
        let mut refused: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
        for plugin in used {
            if let Some(reason) = settings.refusal(&plugin) {
                let serves = plugins.serving(plugin.as_str()).is_some();
                refused.entry((serves, reason.to_string())).or_default().push(format!("`{plugin}`"));
            }
        }
        refused
    };
    let sentence = |((serves, reason), names): ((bool, String), Vec<String>)| {
        let noun = if names.len() == 1 { "plugin" } else { "plugins" };
        let rest = if serves { "what serves goes on until a restart" } else { "what uses it waits" };
        format!("{noun} {}: file refused, {rest}: {reason}", names.join(", "))
    };
    Ok(tokio::task::spawn_blocking(look).await?.into_iter().map(sentence).collect())
}

/// What `gateway check` reports about plugins and skills. What concerns it waits, and everything else is served.
pub(super) async fn findings(config: &Config, plugins: &PluginHost) -> Result<Vec<String>, std::io::Error> {
    let skills = config.skills.clone();
    // The watcher may not have looked yet.
    let skills = tokio::task::spawn_blocking(move || skill::scan(&skills)).await?;
    let describe = |plugin: &PluginName| {
        let generation = plugins.serving(plugin.as_str())?;
        Some(Described { kind: generation.kind(), manifest: Arc::clone(&generation.manifest) })
    };
    Ok(config.judged().findings(&describe, &skills).iter().map(ToString::to_string).collect())
}
