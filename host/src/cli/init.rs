//! `gateway init`: a small configuration for what somebody has, with comments that say what comes next.
//!
//! What a plugin needs is in its manifest, so the plugins are loaded if their files are there. A file that exists is never
//! changed.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use url::Url;

use super::arguments::init::{InitArguments, NamedPlugin};
use super::failure::Failure;
use super::output;
use super::plugin::default_settings;
use crate::config::FILE_NAME;
use crate::plugin::{Kind, Manifest, Settings, StandaloneHost};

const HEAD: &str = r#"# The configuration of the gateway. `gateway check` checks it, `gateway serve` starts the gateway.
# All keys with their defaults: the gateway.toml that the gateway comes with.

[http]
# Only this machine can connect. For others write "0.0.0.0:8080" and set the token below.
listen = "127.0.0.1:8080"

# Whoever has this token may read all events and replay them.
#[admin]
#token = { env = "GATEWAY_ADMIN_TOKEN" }
"#;

/// A channel or an agent, and the manifest of its plugin.
struct Entry {
    named: NamedPlugin,
    /// `None` if there is no file that loads.
    manifest: Option<Arc<Manifest>>,
}

/// Writes the file.
pub(super) async fn run(path: Option<&Path>, arguments: InitArguments) -> Result<(), Failure> {
    let path = path.unwrap_or(Path::new(FILE_NAME));
    let exists = || anyhow!("`{}` already exists\nhint: name another file with `--config`", path.display());
    if path.exists() {
        return Err(exists().into());
    }
    let InitArguments { channels, agents } = arguments;
    if let Some(repeated) = repeated(&channels).or_else(|| repeated(&agents)) {
        return Err(anyhow!("`{repeated}` is named twice\nhint: `NAME:PLUGIN` gives one of them another name").into());
    }
    let settings = default_settings(path.parent().unwrap_or(Path::new("")).join("plugins"))?;
    let (channels, agents) =
        (entries(&settings, channels, Kind::Channel).await?, entries(&settings, agents, Kind::Agent).await?);
    let text = document(&channels, &agents)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(),
        _ => anyhow!("cannot write `{}`: {error}", path.display()),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    output::text(&format!("`{}` is written\n", path.display()))?;
    output::note("`gateway check` says what is missing, `gateway serve` starts the gateway");
    Ok(())
}

fn repeated(named: &[NamedPlugin]) -> Option<&str> {
    let names: Vec<_> = named.iter().map(|named| named.name.as_str()).collect();
    names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)).map(|(_, name)| *name)
}

/// Loads the plugins, as far as they are there.
async fn entries(settings: &Settings, named: Vec<NamedPlugin>, kind: Kind) -> Result<Vec<Entry>, Failure> {
    let file = |named: &NamedPlugin| settings.dir.join(format!("{}.wasm", named.plugin));
    let is_needed = named.iter().any(|named| file(named).is_file());
    let host = is_needed.then(|| StandaloneHost::new(settings.clone())).transpose().map_err(anyhow::Error::from)?;
    let mut entries = Vec::new();
    for named in named {
        let file = file(&named);
        let manifest = match &host {
            Some(host) if file.is_file() => {
                let loaded = host.load(&file).await.with_context(|| format!("cannot load `{}`", file.display()))?;
                if loaded.kind() != kind {
                    let [is, option] = match kind {
                        Kind::Channel => ["an agent", "--agent"],
                        Kind::Agent => ["a channel", "--channel"],
                    };
                    return Err(anyhow!(
                        "the plugin `{}` is {is}\nhint: write `{option} {}`",
                        named.plugin,
                        named.name
                    )
                    .into());
                }
                Some(Arc::clone(&loaded.manifest))
            }
            _ => {
                output::note(&format!("warning: there is no `{}` yet: copy the plugin there", file.display()));
                None
            }
        };
        entries.push(Entry { named, manifest });
    }
    Ok(entries)
}

fn document(channels: &[Entry], agents: &[Entry]) -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    for channel in channels {
        text.push_str(&channel.channel());
    }
    if channels.is_empty() {
        text.push_str("\n# A channel receives webhooks at http://HOST:8080/webhooks/NAME.\n#[channels.github]\n#secret = { env = \"GITHUB_WEBHOOK_SECRET\" }\n");
    }
    for agent in agents {
        text.push_str(&agent.agent()?);
    }
    if agents.is_empty() {
        text.push_str("\n# An agent receives events.\n#[agents.http]\n#config = { url = \"http://127.0.0.1:9000/events\" }\n#allow_hosts = [\"http://127.0.0.1:9000\"]\n");
    }
    let names = |entries: &[Entry], or: &str| {
        let names: Vec<_> = entries.iter().map(|entry| format!("\"{}\"", entry.named.name)).collect();
        if names.is_empty() { or.to_owned() } else { names.join(", ") }
    };
    // A route needs both ends.
    let comment = if channels.is_empty() || agents.is_empty() { "#" } else { "" };
    let (from, to) = (names(channels, "\"github\""), names(agents, "\"http\""));
    let _ = write!(
        text,
        "\n# Which events go where. Without a route events are only stored.\n{comment}[[routes]]\n\
         {comment}channels = [{from}]\n{comment}agents = [{to}]\n"
    );
    Ok(text)
}

impl Entry {
    fn summary(&self) -> String {
        let summary = self.manifest.as_ref().map(|manifest| output::clean(&manifest.summary, false));
        summary.map_or_else(String::new, |summary| format!("# {summary}\n"))
    }

    fn head(&self, table: &str) -> String {
        let NamedPlugin { name, plugin, .. } = &self.named;
        let mut text = format!("\n{}[{table}.{name}]\n", self.summary());
        if name.as_str() != plugin.as_str() {
            let _ = writeln!(text, "plugin = \"{plugin}\"");
        }
        text
    }

    fn channel(&self) -> String {
        let name = &self.named.name;
        let mut text = self.head("channels");
        let _ = writeln!(text, "# Webhooks go to http://HOST:8080/webhooks/{name}.");
        match &self.manifest {
            Some(manifest) if manifest.recipe.is_open() => {
                text.push_str("# This plugin verifies nothing: anyone who can connect can post.\n");
            }
            _ => {
                let variable = format!("{}_WEBHOOK_SECRET", variable(name.as_str()));
                let _ = write!(
                    text,
                    "# The secret as the provider shows it. With `optional` the gateway starts without it, and this channel waits.\n\
                     secret = {{ env = \"{variable}\" }}\noptional = true\n"
                );
            }
        }
        text.push_str(&self.settings(&[]));
        text
    }

    fn agent(&self) -> anyhow::Result<String> {
        let mut text = self.head("agents");
        let Some(url) = &self.named.url else {
            text.push_str(&self.settings(&[]));
            return Ok(text);
        };
        let parsed =
            Url::parse(url).with_context(|| format!("`{url}` is not a URL such as `http://127.0.0.1:9000/events`"))?;
        let Some(host) = parsed.host().filter(|_| matches!(parsed.scheme(), "http" | "https")) else {
            bail!("`{url}` is not a URL such as `http://127.0.0.1:9000/events`");
        };
        let port = parsed.port().map_or_else(String::new, |port| format!(":{port}"));
        let origin = format!("{}://{host}{port}", parsed.scheme());
        text.push_str(&self.settings(&[("url", format!("{url:?}"))]));
        let _ = write!(
            text,
            "# The plugin can connect to these hosts only. A name with a private address needs\n\
             # {{ host = \"NAME\", private = true }}.\nallow_hosts = [{origin:?}]\n"
        );
        Ok(text)
    }

    /// The table `config`: what is given, and what the plugin requires besides.
    fn settings(&self, given: &[(&str, String)]) -> String {
        let mut text = String::new();
        let mut members: Vec<String> = given.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        for (key, setting) in self.manifest.iter().flat_map(|manifest| &manifest.config) {
            if setting.required && !given.iter().any(|(given, _)| given == key) {
                let _ = writeln!(text, "# Set `{key}`: {}", output::clean(&setting.summary, false));
                members.push(format!("{key} = {}", empty(&setting.kind)));
            }
        }
        if !members.is_empty() {
            let _ = writeln!(text, "config = {{ {} }}", members.join(", "));
        }
        text
    }
}

/// A value of this type for somebody to fill in.
fn empty(kind: &str) -> &'static str {
    match kind {
        "number" => "0",
        "boolean" => "false",
        "array" => "[]",
        "object" => "{}",
        _ => "\"\"",
    }
}

fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry { named: text.parse().unwrap(), manifest: None }
    }

    #[test]
    fn a_file_has_what_was_asked_for_and_the_route_between() {
        let text = document(&[entry("github"), entry("ops-hook:slack")], &[entry("http=http://127.0.0.1:9000/events")])
            .unwrap();

        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["channels"]["github"]["secret"]["env"].as_str(), Some("GITHUB_WEBHOOK_SECRET"));
        assert_eq!(table["channels"]["ops-hook"]["plugin"].as_str(), Some("slack"));
        assert_eq!(table["channels"]["ops-hook"]["secret"]["env"].as_str(), Some("OPS_HOOK_WEBHOOK_SECRET"));
        assert_eq!(table["agents"]["http"]["config"]["url"].as_str(), Some("http://127.0.0.1:9000/events"));
        assert_eq!(table["agents"]["http"]["allow_hosts"][0].as_str(), Some("http://127.0.0.1:9000"));
        assert_eq!(table["routes"][0]["channels"].as_array().unwrap().len(), 2);
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn without_a_channel_or_an_agent_the_rest_is_a_comment() {
        for (channels, agents) in [(&[][..], &[][..]), (&[entry("github")][..], &[][..])] {
            let table: toml::Table = document(channels, agents).unwrap().parse().unwrap();
            assert!(!table.contains_key("routes") && table.contains_key("http"));
        }
        assert!(document(&[], &[entry("http=nowhere")]).is_err());
    }
}
