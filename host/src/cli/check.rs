//! `gateway check`.

mod live;
mod surroundings;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::arguments::CheckArguments;
use super::connection::Connection;
use super::failure::Failure;
use super::output;
use super::plugin::INSTANCES;
use crate::config::{self, Config, ConfigProblem, ConfigProblems, Described, Finding, unfit_secrets};
use crate::event::PluginName;
use crate::ingest::ChannelSettings;
use crate::plugin::{self, StandaloneHost};
use crate::schema::SchemaSettings;
use crate::skill;

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
    let mut problems = surroundings::problems(&config);
    let mut warnings = warnings(&config);
    warnings.extend(surroundings::warnings(&config));
    let refused = refused(&config);
    let plugins = match load(&config, &refused, &mut warnings).await {
        Ok(plugins) => plugins,
        // Whatever keeps plugins from being loaded is probably among them.
        Err(_) if !problems.is_empty() => BTreeMap::new(),
        Err(error) => return Err(error),
    };
    problems.extend(refused.into_values());
    problems.extend(config.schemas.schemas.iter().filter_map(unusable));
    problems.extend(unfit(&config, &plugins));
    for finding in config.judged().findings(&|plugin| plugins.get(plugin).cloned(), &skill::scan(&config.skills)) {
        match finding {
            Finding::Problem(problem) => problems.push(problem),
            Finding::Warning(warning) => warnings.push(warning),
        }
    }
    for warning in warnings {
        output::note(&format!("warning: {warning}"));
    }
    let file = config.source.file.display().to_string();
    if !problems.is_empty() {
        return Err(ConfigProblems { file, problems }.into());
    }
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
    let channels = config.ingest.channels.iter().filter(|channel| !channel.emit);
    let channels = channels.map(|channel| ("channel", channel.name.as_str(), &channel.plugin));
    let agents = config.dispatch.agents.iter().map(|agent| ("agent", agent.name.as_str(), &agent.plugin));
    for (noun, name, plugin) in channels.chain(agents) {
        let file = config.plugins.dir.join(format!("{plugin}.wasm"));
        // Whatever else is wrong with the file is said when it is loaded.
        if fs::metadata(&file).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            let near = similar_plugin(&config.plugins.dir, plugin);
            let hint = near.map(|near| format!("; did you mean `plugin = \"{near}\"`?")).unwrap_or_default();
            warnings.push(format!("{noun} `{name}` will wait: the plugin `{}` does not exist{hint}", file.display()));
        }
    }
    warnings
}

/// The plugin in the folder whose name is most similar.
fn similar_plugin(dir: &Path, plugin: &PluginName) -> Option<String> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let names: Vec<_> =
        files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".wasm").map(str::to_owned)).collect();
    config::nearest(plugin.as_str(), names.iter().map(String::as_str)).map(str::to_owned)
}

/// Plugins whose files the pins or the required signatures refuse: those that are used, and those that are pinned.
fn refused(config: &Config) -> BTreeMap<PluginName, ConfigProblem> {
    let plugins = config.used_plugins().into_iter().chain(config.plugins.rules.trust.pins.keys());
    let problem = |plugin: &PluginName| {
        let reason = config.plugins.refusal(plugin)?.to_string();
        let (expected, hint) = match reason.split_once("\nhint: ") {
            Some((reason, hint)) => (reason, Some(hint.to_owned())),
            None => (&*reason, None),
        };
        let key = config.plugins.dir.join(format!("{plugin}.wasm")).display().to_string();
        Some((plugin.clone(), ConfigProblem { key, expected: expected.to_owned(), found: None, hint }))
    };
    plugins.filter_map(problem).collect()
}

/// Loads the plugins of channels and agents but for the `refused` ones, and says which ones cannot be.
async fn load(
    config: &Config,
    refused: &BTreeMap<PluginName, ConfigProblem>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<PluginName, Described>, Failure> {
    let settings = plugin::Settings { instances: config.plugins.instances.min(INSTANCES), ..config.plugins.clone() };
    let host = StandaloneHost::new(settings).map_err(anyhow::Error::from)?;
    let mut plugins = BTreeMap::new();
    for plugin in config.used_plugins() {
        let file = config.plugins.dir.join(format!("{plugin}.wasm"));
        if !file.exists() || refused.contains_key(plugin) {
            continue;
        }
        match host.load(&file).await {
            Ok(generation) => {
                let described = Described { kind: generation.kind(), manifest: Arc::clone(&generation.manifest) };
                plugins.insert(plugin.clone(), described);
            }
            Err(error) => {
                warnings.push(format!("plugin `{plugin}` cannot be loaded, what uses it will wait: {error}"));
            }
        }
    }
    Ok(plugins)
}

/// Secrets that the verification of a plugin can never use.
fn unfit(config: &Config, plugins: &BTreeMap<PluginName, Described>) -> Vec<ConfigProblem> {
    let unfit =
        |channel: &ChannelSettings| Some(unfit_secrets(channel, &plugins.get(&channel.plugin)?.manifest.recipe));
    config.ingest.channels.iter().filter_map(unfit).flatten().collect()
}

/// A schema whose file is none.
fn unusable(schema: &SchemaSettings) -> Option<ConfigProblem> {
    let expected = schema.problem()?;
    Some(ConfigProblem { key: schema.file.display().to_string(), expected, found: None, hint: None })
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
