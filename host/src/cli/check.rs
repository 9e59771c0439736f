//! `gateway check`.

mod live;

use std::path::Path;

use super::arguments::CheckArguments;
use super::failure::Failure;
use super::output;
use crate::config::{self, Config, FILE_NAME};

/// Checks the configuration, alone or against the running gateway.
pub(super) async fn run(path: Option<&Path>, arguments: CheckArguments) -> Result<(), Failure> {
    let config = config::load(path)?;
    if let Some(tls) = &config.http.tls {
        tls.check().map_err(anyhow::Error::from)?;
    }
    if arguments.live {
        return live::run(&config, arguments.format).await;
    }
    for warning in warnings(&config) {
        output::note(&format!("warning: {warning}"));
    }
    let file = path.unwrap_or(Path::new(FILE_NAME)).display();
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

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
