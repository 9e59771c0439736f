//! Agents, and channels that deliver answers to their source.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::access::{Callers, named_callers};
use super::binding::{config_table, plugin_name};
use super::delivery::{AgentParts, Policy};
use super::grants;
use super::limits::{PluginLimits, parsed_name};
use super::problem::quoted;
use super::section::Section;
use crate::caller::Caller;
use crate::dispatch::{AgentSettings, HealthSettings, RouteSettings};
use crate::event::{AgentName, Pattern};
use crate::ingest::ChannelSettings;

/// Reads `[agents.*]`.
pub(super) fn agents(root: &Section<'_>, plugins: &PluginLimits<'_>, callers: &Callers) -> Vec<AgentSettings> {
    let mut owners = BTreeMap::new();
    let tables = root.named("agents");
    let read = |(name, section): (&str, Section<'_>)| {
        let callers = own_callers(name, &section, callers, &mut owners);
        agent(name, &section, plugins, callers)
    };
    tables.into_iter().filter_map(read).collect()
}

/// Those who speak for an agent. `owners` has whom each of them speaks for: what one says is said by one agent.
fn own_callers(
    name: &str,
    section: &Section<'_>,
    callers: &Callers,
    owners: &mut BTreeMap<String, String>,
) -> Vec<Arc<Caller>> {
    let known = named_callers(section, callers, "omit the key to let nobody speak for the agent");
    for caller in &known {
        if let Some(owner) = owners.insert(caller.name.clone(), name.to_owned()) {
            let found = format!("`{}`, which is one of `{owner}`", caller.name);
            section.place("callers").problem("callers of this agent alone", found);
        }
    }
    known
}

fn agent(
    name: &str,
    section: &Section<'_>,
    plugins: &PluginLimits<'_>,
    callers: Vec<Arc<Caller>>,
) -> Option<AgentSettings> {
    let egress = grants::egress(name, section);
    let state = grants::state(section);
    let config = config_table(section);
    let policy = Policy::read(section);
    let endpoints = endpoints(section);
    let health = health(section);
    let plugin = plugin_name(name, section);
    let name: AgentName = parsed_name(name, section)?;
    if name.channel().is_some() {
        section.place("").problem("a name without `@`, which stands for a channel", quoted(name.as_str()));
        return None;
    }
    let plugin = plugin?;
    let limits = plugins.of(&plugin);
    Some(policy.of(AgentParts { name, plugin, config, endpoints, health, callers, egress, state, limits }))
}

/// The addresses of an agent that has several.
fn endpoints(section: &Section<'_>) -> Vec<String> {
    const MOST: usize = 64;
    let texts = section.texts("endpoints").unwrap_or_default();
    if texts.len() > MOST {
        section.place("endpoints").problem(format!("at most {MOST} endpoints"), texts.len().to_string());
    }
    let mut endpoints: Vec<String> = Vec::new();
    for (text, place) in texts {
        let is_url = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_url {
            // The text may hold a password.
            place.problem_with_hint("an http or https URL", "another text", "such as `http://127.0.0.1:9000/events`");
        } else if endpoints.contains(&text) {
            place.problem("each endpoint once", "one of them again");
        } else {
            endpoints.push(text);
        }
    }
    endpoints
}

/// What the host asks the endpoints for.
fn health(section: &Section<'_>) -> Option<HealthSettings> {
    let path = section.text("health");
    let interval = section.duration("health_interval", Duration::from_secs(1)..=Duration::from_secs(3600));
    let path = path?;
    if !path.starts_with('/') {
        section.place("health").problem("a path that starts with `/`", quoted(&path));
    }
    Some(HealthSettings { path, interval: interval.unwrap_or(Duration::from_secs(10)) })
}

/// The channels that deliver answers to their source, each as an agent of its own: those in a route with `respond = true`.
pub(super) fn responders(
    root: &Section<'_>,
    channels: &[ChannelSettings],
    routes: &[RouteSettings],
) -> Vec<AgentSettings> {
    let tables: BTreeMap<_, _> = root.named("channels").into_iter().collect();
    let responding = |channel: &&ChannelSettings| {
        let takes = |pattern: &Pattern| pattern.matches_channel(&channel.name);
        routes.iter().any(|route| route.respond && route.channels.iter().any(takes))
    };
    let responder = |channel: &ChannelSettings| {
        let section = tables.get(channel.name.as_str())?.section("respond");
        let ChannelSettings { name, plugin, config, egress, state, limits, .. } = channel.clone();
        let name = AgentName::of_channel(&name);
        let (endpoints, health, callers) = (Vec::new(), None, Vec::new());
        let parts = AgentParts { name, plugin, config, endpoints, health, callers, egress, state, limits };
        Some(Policy::read(&section).of(parts))
    };
    channels.iter().filter(responding).filter_map(responder).collect()
}
