//! Names to complete: those of channels, agents and plugins, and ids of incidents and silences, from the running gateway, or else from the configuration.
//!
//! A slow gateway holds nobody up, and whatever is wrong is no candidate.

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use clap_complete::engine::CompletionCandidate;
use serde_json::Value;

use super::arguments::connection::ConnectionArguments;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{is_set_up, shown};
use crate::config::Parts;

/// How long a key press may wait for the gateway.
const PATIENCE: Duration = Duration::from_millis(500);

/// A list of the admin API, and a table of the configuration or its plugin folder.
#[derive(Clone, Copy)]
enum NameOf {
    Channels,
    Agents,
    Plugins,
    /// The ids of those that are not over.
    Incidents,
    /// The ids of those that are not over.
    Silences,
}

pub(super) fn channels() -> Vec<CompletionCandidate> {
    names(NameOf::Channels)
}

pub(super) fn agents() -> Vec<CompletionCandidate> {
    names(NameOf::Agents)
}

pub(super) fn plugins() -> Vec<CompletionCandidate> {
    names(NameOf::Plugins)
}

pub(super) fn incidents() -> Vec<CompletionCandidate> {
    names(NameOf::Incidents)
}

pub(super) fn silences() -> Vec<CompletionCandidate> {
    names(NameOf::Silences)
}

fn names(of: NameOf) -> Vec<CompletionCandidate> {
    let connection = of_line();
    let Ok(connection) = connection else { return Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let running = runtime.ok().and_then(|runtime| {
        runtime.block_on(async { tokio::time::timeout(PATIENCE, of_gateway(&connection, of)).await.ok()? })
    });
    running.unwrap_or_else(|| {
        let names = connection.parts().ok().flatten().map(|parts| of_configuration(&parts, of)).unwrap_or_default();
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

fn of_configuration(parts: &Parts, of: NameOf) -> Vec<String> {
    let [channels, agents] = parts.names();
    match of {
        NameOf::Channels => channels,
        NameOf::Agents => agents,
        NameOf::Plugins => {
            let dir = parts.plugins().ok().and_then(|plugins| fs::read_dir(plugins.dir).ok());
            let files = dir.into_iter().flatten().flatten();
            files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".wasm")?.to_owned())).collect()
        }
        NameOf::Incidents | NameOf::Silences => Vec::new(),
    }
}

async fn of_gateway(connection: &Connection, of: NameOf) -> Option<Vec<CompletionCandidate>> {
    let client = Client::admin(connection).ok()?;
    let (path, member) = match of {
        NameOf::Channels => ("/admin/channels", "channels"),
        NameOf::Agents => ("/admin/agents", "agents"),
        NameOf::Plugins => ("/admin/plugins", "plugins"),
        NameOf::Incidents => ("/admin/incidents?state=unresolved", "incidents"),
        NameOf::Silences => ("/admin/silences", "silences"),
    };
    let answer = client.get(path).await.ok()?;
    let candidate = |row: &Value| match of {
        NameOf::Incidents => CompletionCandidate::new(shown(&row["id"])).help(Some(shown(&row["title"]).into())),
        NameOf::Silences => CompletionCandidate::new(shown(&row["id"])).help(Some(shown(&row["matchers"]).into())),
        _ => CompletionCandidate::new(shown(&row["name"])),
    };
    Some(
        answer[member]
            .as_array()?
            .iter()
            .filter(|row| is_set_up(row) && row["state"] != "expired")
            .map(candidate)
            .collect(),
    )
}

/// The connection that the line names so far.
fn of_line() -> Result<Connection, Failure> {
    let words: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let given = |option: &str| option_of(&words, option).or_else(|| env::var(variable_of(option)).ok());
    let file = given("--config").filter(|file| !file.is_empty()).map(PathBuf::from);
    let arguments = ConnectionArguments { url: given("--url"), token: given("--token") };
    Connection::new(file.as_deref(), arguments)
}

fn variable_of(option: &str) -> &'static str {
    match option {
        "--config" => "GATEWAY_CONFIG",
        "--url" => "GATEWAY_URL",
        _ => "GATEWAY_ADMIN_TOKEN",
    }
}

/// The value of `option` among the words of a line.
fn option_of(words: &[String], option: &str) -> Option<String> {
    let joined = format!("{option}=");
    words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix(&joined) {
        Some(value) => Some(value.to_owned()),
        None if word == option => words.get(index + 1).cloned(),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_the_line_is_found() {
        let words: Vec<String> = ["gateway", "--url=http://a", "send", "--config", "x.toml"].map(str::to_owned).into();

        assert_eq!(option_of(&words, "--url").as_deref(), Some("http://a"));
        assert_eq!(option_of(&words, "--config").as_deref(), Some("x.toml"));
        assert_eq!(option_of(&words, "--token"), None);
    }
}
