mod live;

use std::path::Path;

use super::arguments::CheckArguments;
use super::failure::Failure;
use super::output;
use crate::config::{self, Config, FILE_NAME};

/// Tells whether the configuration is valid, and what is odd about it; or how it fares in the running gateway.
pub(super) async fn run(path: Option<&Path>, arguments: CheckArguments) -> Result<(), Failure> {
    let config = config::load(path)?;
    if let Some(tls) = &config.http.tls {
        tls.check().map_err(anyhow::Error::from)?;
    }
    if arguments.live {
        return live::run(&config, arguments.format).await;
    }
    for remark in remarks(&config) {
        output::note(&format!("warning: {remark}"));
    }
    let file = path.unwrap_or(Path::new(FILE_NAME)).display();
    let counts = [
        counted(config.ingest.channels.len(), "channel"),
        counted(config.dispatch.agents.len(), "agent"),
        counted(config.dispatch.routes.len(), "route"),
    ];
    output::text(&format!("`{file}` is valid: {}\n", counts.join(", ")))
}

/// What works and is probably not what was meant.
fn remarks(config: &Config) -> Vec<String> {
    let mut remarks = config.warnings.clone();
    for channel in &config.ingest.channels {
        if let Some(reason) = &channel.missing_secret {
            remarks.push(format!("channel `{}` will wait: {reason}", channel.name));
        }
    }
    let channels = config.ingest.channels.iter().map(|channel| ("channel", channel.name.as_str(), &channel.plugin));
    let agents = config.dispatch.agents.iter().map(|agent| ("agent", agent.name.as_str(), &agent.plugin));
    for (noun, name, plugin) in channels.chain(agents) {
        let file = config.plugins.dir.join(format!("{plugin}.wasm"));
        if !file.is_file() {
            remarks.push(format!("{noun} `{name}` will wait: there is no plugin `{}`", file.display()));
        }
    }
    remarks
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
