use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::channels::{config_table, plugin_name};
use super::grants;
use super::limits::{Plugins, parsed_name};
use super::problem::quoted;
use super::raw::Section;
use super::value::show_duration;
use crate::dispatch::{AgentSettings, BreakerSettings, OnFailure, Pattern, RetrySettings, RouteSettings};
use crate::egress::EgressSettings;
use crate::event::{AgentName, PluginName};
use crate::ingest::ChannelSettings;
use crate::plugin::Limits;

const LEAST: Duration = Duration::from_millis(1);

/// The agents of `[agents.*]`.
pub(super) fn agents(root: &Section<'_>, plugins: &Plugins<'_>) -> Vec<AgentSettings> {
    root.named("agents").into_iter().filter_map(|(name, section)| agent(name, &section, plugins)).collect()
}

fn agent(name: &str, section: &Section<'_>, plugins: &Plugins<'_>) -> Option<AgentSettings> {
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

/// The channels that take answers back to their source, each as an agent of its own: those with events of a route that
/// says `respond = true`.
pub(super) fn responders(
    root: &Section<'_>,
    channels: &[ChannelSettings],
    routes: &[RouteSettings],
) -> Vec<AgentSettings> {
    let tables: BTreeMap<_, _> = root.named("channels").into_iter().collect();
    let responding = |channel: &&ChannelSettings| {
        let takes = |pattern: &Pattern| pattern.matches(channel.name.as_str());
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

/// Reads `[channels.NAME.respond]` where no route makes use of it, so that what is wrong there is told all the same.
pub(super) fn check_policy(section: &Section<'_>) {
    Policy::read(section);
}

/// How deliveries to somebody are made.
struct Policy {
    retry: RetrySettings,
    breaker: BreakerSettings,
    on_failure: OnFailure,
    time: Duration,
    concurrency: usize,
    queue: usize,
}

/// Who they are made to.
struct AgentParts {
    name: AgentName,
    plugin: PluginName,
    config: BTreeMap<String, serde_json::Value>,
    egress: EgressSettings,
    state: usize,
    limits: Limits,
}

impl Policy {
    fn read(section: &Section<'_>) -> Self {
        let on_failure = section.choice("on_failure", &[("block", OnFailure::Block), ("skip", OnFailure::Skip)]);
        Self {
            retry: retry(&section.section("retry")),
            breaker: breaker(&section.section("breaker")),
            on_failure: on_failure.unwrap_or(OnFailure::Block),
            time: section.duration("timeout", LEAST..).unwrap_or(Duration::from_secs(30)),
            concurrency: section.count("concurrency", 1..).unwrap_or(16),
            queue: section.count("queue", 1..).unwrap_or(10_000),
        }
    }

    fn of(self, parts: AgentParts) -> AgentSettings {
        let Self { retry, breaker, on_failure, time, concurrency, queue } = self;
        let AgentParts { name, plugin, config, egress, state, limits } = parts;
        let limits = Limits { time, concurrency, ..limits };
        AgentSettings { name, plugin, config, egress, state, limits, retry, on_failure, breaker, queue }
    }
}

fn retry(section: &Section<'_>) -> RetrySettings {
    let default = RetrySettings::default();
    let settings = RetrySettings {
        attempts: section.count("attempts", 1..).and_then(NonZeroU32::new).unwrap_or(default.attempts),
        first_wait: section.duration("first_wait", LEAST..).unwrap_or(default.first_wait),
        max_wait: section.duration("max_wait", LEAST..).unwrap_or(default.max_wait),
        jitter: section.fraction("jitter").unwrap_or(default.jitter),
        max_retry_after: section.duration("max_retry_after", Duration::ZERO..).unwrap_or(default.max_retry_after),
        max_age: section.duration("max_age", LEAST..).unwrap_or(default.max_age),
    };
    if settings.first_wait > settings.max_wait {
        section.place("first_wait").problem(
            format!("a duration of at most `max_wait` ({})", show_duration(settings.max_wait)),
            show_duration(settings.first_wait),
        );
    }
    settings
}

fn breaker(section: &Section<'_>) -> BreakerSettings {
    let default = BreakerSettings::default();
    let settings = BreakerSettings {
        failures: section.count("failures", 0..).unwrap_or(default.failures),
        first_open: section.duration("first_open", LEAST..).unwrap_or(default.first_open),
        max_open: section.duration("max_open", LEAST..).unwrap_or(default.max_open),
    };
    if settings.first_open > settings.max_open {
        section.place("first_open").problem(
            format!("a duration of at most `max_open` ({})", show_duration(settings.max_open)),
            show_duration(settings.first_open),
        );
    }
    settings
}
