//! What can only be judged beside the plugins and the skills: `gateway check` reports it, and `serve` logs it at its start and when it reloads.
//!
//! What can never work with the plugins as they are is a problem. What may still be dropped in is a warning.

mod alerts;
mod folders;
mod kinds;
mod sync;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use url::Url;

use self::alerts::alert_warnings;
use self::folders::folder_warnings;
use self::kinds::{Declared, UNKNOWN, kind_warnings};
use self::sync::sync_warnings;
use super::problem::{ConfigProblem, quoted};
use super::unknown::nearest;
use crate::alert;
use crate::dispatch::{AgentSettings, RouteSettings};
use crate::event::{ChannelName, PluginName};
use crate::ingest::ChannelSettings;
use crate::plugin::{ConfigKey, Kind, Manifest};
use crate::skill::Catalog;
use crate::subscribe;
use crate::web;

/// Something that is probably not intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It can never work.
    Problem(ConfigProblem),
    /// It may work later.
    Warning(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => problem.fmt(f),
            Self::Warning(warning) => f.write_str(warning),
        }
    }
}

/// The parts of a configuration that plugins and skills decide on.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    pub channels: &'a [ChannelSettings],
    pub agents: &'a [AgentSettings],
    pub routes: &'a [RouteSettings],
    pub subscriptions: &'a subscribe::Settings,
    pub alerts: &'a alert::Settings,
    pub web: &'a web::Settings,
}

/// What a plugin file says of itself.
#[derive(Clone)]
pub struct Described {
    pub kind: Kind,
    pub manifest: Arc<Manifest>,
}

impl Judged<'_> {
    /// Everything that is found. `plugin` describes a plugin that can be loaded; others are not judged.
    pub fn findings(&self, plugin: &dyn Fn(&PluginName) -> Option<Described>, skills: &Catalog) -> Vec<Finding> {
        let mut findings = Vec::new();
        for channel in self.channels.iter().filter(|channel| !channel.emit) {
            let table = format!("channels.{}", channel.name);
            if let Some(described) = plugin(&channel.plugin) {
                let place = PluginTable { table: &table, plugin: &channel.plugin, expected: Kind::Channel };
                findings.extend(place.judge(&described, &channel.config).into_iter().map(Finding::Problem));
            }
        }
        // The agents that channels stand for are judged as channels.
        for agent in self.agents.iter().filter(|agent| agent.name.channel().is_none()) {
            let table = format!("agents.{}", agent.name);
            if let Some(described) = plugin(&agent.plugin) {
                let place = PluginTable { table: &table, plugin: &agent.plugin, expected: Kind::Agent };
                let mut problems = place.judge(
                    &described,
                    &agent.config_at(&described.manifest, agent.endpoints.first().map(String::as_str)),
                );
                problems.extend(endpoint_problem(agent, &described.manifest));
                let addresses = if problems.is_empty() { addresses(agent, &described.manifest) } else { Vec::new() };
                findings.extend(problems.into_iter().chain(addresses).map(Finding::Problem));
            }
        }
        findings.extend(folder_warnings(self.web).into_iter().map(Finding::Warning));
        findings.extend(sync_warnings(self.routes).into_iter().map(Finding::Warning));
        let declared = self.declared(plugin);
        findings.extend(
            alert_warnings(self.alerts, self.routes, self.subscriptions, &declared).into_iter().map(Finding::Warning),
        );
        for (index, route) in self.routes.iter().enumerate() {
            let key = format!("routes[{index}]");
            findings.extend(kind_warnings(&key, route, &declared).into_iter().map(Finding::Warning));
            findings.extend(skill_warnings(&key, route, skills).into_iter().map(Finding::Warning));
        }
        findings
    }

    /// The kinds of all channels, also of those of the gateway itself.
    fn declared(&self, plugin: &dyn Fn(&PluginName) -> Option<Described>) -> Vec<Declared> {
        let of_plugin = |channel: &ChannelSettings| {
            let kinds = plugin(&channel.plugin).and_then(|described| described.manifest.kinds.clone());
            let kinds = kinds.map(|kinds| kinds.into_iter().chain([UNKNOWN.to_owned()]).collect());
            Declared { channel: channel.name.clone(), kinds }
        };
        let built_in = |name: &str| {
            let kinds = alert::Kind::ALL.map(|kind| kind.as_str().to_owned()).to_vec();
            Some(Declared { channel: name.parse().ok()?, kinds: (name == ChannelName::ALERTS).then_some(kinds) })
        };
        self.channels.iter().map(of_plugin).chain(ChannelName::BUILT_IN.into_iter().filter_map(built_in)).collect()
    }
}

/// A table that names a plugin.
struct PluginTable<'a> {
    table: &'a str,
    plugin: &'a PluginName,
    expected: Kind,
}

impl PluginTable<'_> {
    fn judge(&self, described: &Described, config: &BTreeMap<String, Value>) -> Vec<ConfigProblem> {
        let Self { table, plugin, expected } = self;
        if described.kind != *expected {
            let article = |kind: &Kind| if *kind == Kind::Agent { "an agent" } else { "a channel" };
            return vec![ConfigProblem {
                key: format!("{table}.plugin"),
                expected: format!("{} plugin", article(expected)),
                found: Some(format!("`{plugin}`, which is {} plugin", article(&described.kind))),
                hint: Some("`gateway plugins` lists the kind of each".to_owned()),
            }];
        }
        let known = &described.manifest.config;
        let problem = |name: &str, expected: String, found: String, hint: Option<String>| ConfigProblem {
            key: format!("{table}.config.{name}"),
            expected,
            found: Some(found),
            hint,
        };
        let unknown = config.keys().filter(|name| !known.contains_key(*name)).map(|name| {
            let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
            let hint = match nearest(name, known.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}` instead of `{name}`?"),
                None if names.is_empty() => format!("the plugin `{plugin}` has no settings"),
                None => format!("the settings of `{plugin}` are {}", names.join(", ")),
            };
            problem(name, format!("a setting of the plugin `{plugin}`"), quoted(name), Some(hint))
        });
        let wrong = known.iter().filter_map(|(name, key)| match config.get(name) {
            Some(value) if !key.accepts(value) => {
                Some(problem(name, format!("{} ({})", type_name(&key.kind), key.summary), found(value), None))
            }
            None if key.required => {
                Some(problem(name, format!("{} ({})", type_name(&key.kind), key.summary), "nothing".to_owned(), None))
            }
            _ => None,
        });
        unknown.chain(wrong).collect()
    }
}

/// Settings that are a URL of a host that the agent may not reach. Only the origin is shown: the rest may be secret.
fn addresses(agent: &AgentSettings, manifest: &Manifest) -> Vec<ConfigProblem> {
    let judge = |key: String, text: &str, is_set: bool| {
        let url: Url = text.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"))?;
        let is_granted = agent.egress.grants.iter().any(|grant| grant.covers(&url));
        let (host, origin) = (url.host_str()?, url.origin().ascii_serialization());
        let entry = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        (!is_granted).then(|| ConfigProblem {
            key,
            expected: format!("a URL of a host in `agents.{}.allow_hosts`", agent.name),
            found: Some(format!("`{origin}`{}", if is_set { "" } else { ", the default" })),
            hint: Some(format!("add \"{entry}\" to `agents.{}.allow_hosts`", agent.name)),
        })
    };
    let value = |(name, key): (&String, &ConfigKey)| {
        let is_replaced = !agent.endpoints.is_empty() && manifest.address.as_ref() == Some(name);
        let value = agent.config.get(name).or(key.default.as_ref()).filter(|_| !is_replaced)?;
        judge(format!("agents.{}.config.{name}", agent.name), value.as_str()?, agent.config.contains_key(name))
    };
    let endpoint =
        |(index, text): (usize, &String)| judge(format!("agents.{}.endpoints[{index}]", agent.name), text, true);
    let endpoints = agent.endpoints.iter().enumerate().filter_map(endpoint);
    manifest.config.iter().filter_map(value).chain(endpoints).collect()
}

/// Endpoints of an agent whose plugin does not say which setting they replace.
fn endpoint_problem(agent: &AgentSettings, manifest: &Manifest) -> Option<ConfigProblem> {
    (!agent.endpoints.is_empty() && manifest.address.is_none()).then(|| ConfigProblem {
        key: format!("agents.{}.endpoints", agent.name),
        expected: format!("no endpoints, because the plugin `{}` names no setting for an address", agent.plugin),
        found: Some("some".to_owned()),
        hint: None,
    })
}

fn skill_warnings(key: &str, route: &RouteSettings, skills: &Catalog) -> Vec<String> {
    let known = || skills.skills.iter().map(|skill| skill.name.as_str());
    let unknown = route.skills.iter().filter(|name| *name != "*" && !known().any(|known| known == *name));
    let warning = |name: &String| {
        let hint = nearest(name, known()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("{key}.skills: skill {} does not exist yet{hint}", quoted(name))
    };
    unknown.map(warning).collect()
}

fn type_name(kind: &str) -> &'static str {
    match kind {
        "string" => "a text",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        _ => "a table",
    }
}

/// What kind of value it is. A setting may be a secret by mistake, so a text is not shown.
fn found(value: &Value) -> String {
    match value {
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
        scalar => quoted(&scalar.to_string()),
    }
}
