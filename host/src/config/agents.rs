//! Agents, and channels that deliver answers to their source.

use std::collections::BTreeMap;

use super::binding::{config_table, plugin_name};
use super::delivery::{AgentParts, Policy};
use super::grants;
use super::limits::{PluginLimits, parsed_name};
use super::problem::quoted;
use super::section::Section;
use crate::dispatch::{AgentSettings, Pattern, RouteSettings};
use crate::event::AgentName;
use crate::ingest::ChannelSettings;

/// Reads `[agents.*]`.
pub(super) fn agents(root: &Section<'_>, plugins: &PluginLimits<'_>) -> Vec<AgentSettings> {
    root.named("agents").into_iter().filter_map(|(name, section)| agent(name, &section, plugins)).collect()
}

fn agent(name: &str, section: &Section<'_>, plugins: &PluginLimits<'_>) -> Option<AgentSettings> {
    let egress = grants::egress(name, section);
    let state = grants::state(section);
    let config = config_table(section);
    let policy = Policy::read(section);
    let plugin = plugin_name(name, section);
    let name: AgentName = parsed_name(name, section)?;
    if name.channel().is_some() {
        section.place("").problem("a name without `@`, which stands for a channel", quoted(name.as_str()));
        return None;
    }
    let plugin = plugin?;
    let limits = plugins.of(&plugin);
    Some(policy.of(AgentParts { name, plugin, config, egress, state, limits }))
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
        Some(Policy::read(&section).of(AgentParts { name, plugin, config, egress, state, limits }))
    };
    channels.iter().filter(responding).filter_map(responder).collect()
}
