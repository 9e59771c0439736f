//! `gateway check`.

mod live;

use std::collections::BTreeMap;
use std::path::Path;

use super::arguments::CheckArguments;
use super::connection::Connection;
use super::failure::Failure;
use super::output;
use super::plugin::INSTANCES;
use crate::config::{self, Config, ConfigProblems, depends_on_plugin, unfit_secrets};
use crate::event::PluginName;
use crate::plugin::{self, StandaloneHost};

/// Checks the configuration, alone or against the running gateway.
pub(super) async fn run(
    path: Option<&Path>,
    connection: &Connection,
    arguments: CheckArguments,
) -> Result<(), Failure> {
    if arguments.live {
        return live::run(connection, arguments.format).await;
    }
    let config = config::load(path)?;
    if let Some(tls) = &config.http.tls {
        tls.check().map_err(anyhow::Error::from)?;
    }
    let mut warnings = warnings(&config);
    check_secrets(&config, &mut warnings).await?;
    for warning in warnings {
        output::note(&format!("warning: {warning}"));
    }
    let file = config.source.file.display();
    let counts = [
        counted(config.ingest.channels.len(), "channel"),
        counted(config.dispatch.agents.len(), "agent"),
        counted(config.dispatch.routes.len(), "route"),
    ];
    output::text(&format!("`{file}` is valid: {}\n", counts.join(", ")))
}

/// Warnings: settings that are valid and probably not intended.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.warnings.clone();
    for channel in &config.ingest.channels {
        if let Some(reason) = &channel.missing_secret {
            warnings.push(format!("channel `{}` will wait: {reason}", channel.name));
        }
    }
    let channels = config.ingest.channels.iter().map(|channel| ("channel", channel.name.as_str(), &channel.plugin));
    let agents = config.dispatch.agents.iter().map(|agent| ("agent", agent.name.as_str(), &agent.plugin));
    for (noun, name, plugin) in channels.chain(agents) {
        let file = config.plugins.dir.join(format!("{plugin}.wasm"));
        if !file.is_file() {
            warnings.push(format!("{noun} `{name}` will wait: the plugin `{}` does not exist", file.display()));
        }
    }
    warnings
}

/// Loads the plugins of channels with a secret, and checks that their verification can use it.
async fn check_secrets(config: &Config, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let channels = config.ingest.channels.iter().filter(|channel| depends_on_plugin(channel));
    let mut by_plugin = BTreeMap::<_, Vec<_>>::new();
    channels.for_each(|channel| by_plugin.entry(&channel.plugin).or_default().push(channel));
    let file = |plugin: &PluginName| config.plugins.dir.join(format!("{plugin}.wasm"));
    by_plugin.retain(|plugin, _| file(plugin).is_file());
    if by_plugin.is_empty() {
        return Ok(());
    }
    let settings = plugin::Settings { instances: config.plugins.instances.min(INSTANCES), ..config.plugins.clone() };
    let host = StandaloneHost::new(settings).map_err(anyhow::Error::from)?;
    let mut problems = Vec::new();
    for (plugin, channels) in by_plugin {
        match host.load(&file(plugin)).await {
            Ok(generation) => {
                let unfit = |channel| unfit_secrets(channel, &generation.manifest.recipe);
                problems.extend(channels.into_iter().flat_map(unfit));
            }
            Err(error) => warnings.push(format!("plugin `{plugin}` cannot be loaded, its channels will wait: {error}")),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfigProblems { file: config.source.file.display().to_string(), problems }.into())
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
