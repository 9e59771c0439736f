//! `[[routes]]`.

use std::time::Duration;

use super::conditions::conditions;
use super::problem::quoted;
use super::section::Section;
use super::unknown::nearest;
use crate::dispatch::{AgentSettings, Mode, RouteSettings};
use crate::event::{AgentName, ChannelName, OnTimeout, Pattern, Priority, SyncMode};
use crate::ingest::ChannelSettings;

const PRIORITIES: [(&str, Priority); 3] = [
    (Priority::High.as_str(), Priority::High),
    (Priority::Normal.as_str(), Priority::Normal),
    (Priority::Low.as_str(), Priority::Low),
];

/// Reads `[[routes]]`, in order.
pub(super) fn routes(root: &Section<'_>, channels: &[ChannelSettings], agents: &[AgentSettings]) -> Vec<RouteSettings> {
    let sections = root.list("routes");
    if sections.is_empty() {
        root.raw().warn("routes: no routes, so events are stored and not delivered".to_owned());
    }
    let agent_tables: Vec<_> = root.named("agents").into_iter().map(|(name, _)| name).collect();
    let read = |section: &Section<'_>| route(section, channels, agents, &agent_tables);
    sections.iter().map(read).collect()
}

fn route(
    section: &Section<'_>,
    channels: &[ChannelSettings],
    agents: &[AgentSettings],
    agent_tables: &[&str],
) -> RouteSettings {
    let patterns = patterns(section, "channels");
    for pattern in &patterns {
        if pattern.is_exact()
            && !ChannelName::BUILT_IN.contains(&pattern.as_str())
            && !channels.iter().any(|channel| pattern.matches(channel.name.as_str()))
        {
            let key = section.key("channels");
            let near = nearest(pattern.as_str(), channels.iter().map(|channel| channel.name.as_str()));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            section.raw().warn(format!("{key}: channel `{}` does not exist yet{hint}", pattern.as_str()));
        }
    }
    let agents = route_agents(section, agents, agent_tables);
    let skills = section.texts("skills").unwrap_or_default();
    RouteSettings {
        channels: patterns,
        kinds: self::patterns(section, "kinds"),
        conditions: conditions(section),
        fallback: section.flag("fallback").unwrap_or(false),
        mode: mode(section, agents.len()),
        priority: section.choice("priority", &PRIORITIES),
        respond: section.flag("respond").unwrap_or(false),
        agents,
        skills: skills.into_iter().map(|(skill, _)| skill).collect(),
    }
}

/// The patterns at `name`; without that key one that matches all.
pub(super) fn patterns(section: &Section<'_>, name: &str) -> Vec<Pattern> {
    let Some(texts) = section.texts(name) else { return vec![Pattern::default()] };
    if texts.is_empty() {
        section.place(name).problem_with_hint(
            "at least one pattern",
            "an empty list",
            format!("omit `{name}` to match all"),
        );
    }
    texts.into_iter().filter_map(|(text, place)| place.pattern(&text)).collect()
}

fn route_agents(section: &Section<'_>, agents: &[AgentSettings], agent_tables: &[&str]) -> Vec<AgentName> {
    let Some(texts) = section.texts("agents") else {
        if !section.has("agents") {
            let place = section.place("agents");
            place.problem_with_hint("the names of agents", "nothing", place.example("[\"stub\"]"));
        }
        return Vec::new();
    };
    if texts.is_empty() {
        section.place("agents").problem("at least one agent", "an empty list");
    }
    let mut names: Vec<AgentName> = Vec::new();
    for (text, place) in texts {
        if let Some(agent) = agents.iter().find(|agent| agent.name.as_str() == text) {
            if names.contains(&agent.name) {
                place.problem("each agent once", quoted(&text));
            } else {
                names.push(agent.name.clone());
            }
        } else if !agent_tables.contains(&text.as_str()) {
            let hint = match nearest(&text, agent_tables.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `[agents.{text}]`"),
            };
            place.problem_with_hint("the name of an agent", quoted(&text), hint);
        }
    }
    names
}

fn mode(section: &Section<'_>, agents: usize) -> Mode {
    let is_sync = section.choice("mode", &[("async", false), ("sync", true)]).unwrap_or(false);
    let timeout = section.duration("timeout", Duration::from_millis(1)..);
    let on_timeout = section.choice("on_timeout", &[("202", OnTimeout::Accepted), ("504", OnTimeout::GatewayTimeout)]);
    if !is_sync {
        for name in ["timeout", "on_timeout"].into_iter().filter(|name| section.has(name)) {
            section.place(name).problem_with_hint(
                format!("no `{name}` without `mode = \"sync\"`"),
                "one",
                "`agents.NAME.timeout` limits the time of an agent",
            );
        }
        return Mode::Async;
    }
    if agents != 1 && section.texts("agents").is_some_and(|texts| texts.len() != 1) {
        let found = format!("{agents}");
        section.place("agents").problem("exactly one agent with `mode = \"sync\"`", quoted(&found));
    }
    if !section.has("timeout") {
        let place = section.place("timeout");
        place.problem_with_hint("the time a request waits for the agent", "nothing", place.example("\"10s\""));
    }
    Mode::Sync(SyncMode {
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        on_timeout: on_timeout.unwrap_or(OnTimeout::Accepted),
    })
}
