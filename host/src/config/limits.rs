//! Limits of plugins, and overrides for single plugins.

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::quoted;
use super::section::Section;
use crate::event::PluginName;
use crate::plugin::{CallLimits, MAX_MEMORY, MAX_TABLE_ELEMENTS, PluginRules, Reuse};

/// One page of WebAssembly, the smallest memory.
const PAGE: u64 = 64 << 10;

/// The limits of all plugins.
pub(super) struct PluginLimits<'a>(pub(super) &'a PluginRules);

impl PluginLimits<'_> {
    pub(super) fn of(&self, plugin: &PluginName) -> CallLimits {
        self.0.limits_of(plugin).clone()
    }
}

/// The limits in `section`, with `base` as the default.
pub(super) fn limits(section: &Section<'_>, base: &CallLimits) -> CallLimits {
    const LEAST: Duration = Duration::from_millis(1);
    CallLimits {
        memory: section.size("memory", PAGE..=MAX_MEMORY as u64).unwrap_or(base.memory),
        table_elements: section.count("table_elements", 1..=MAX_TABLE_ELEMENTS as i64).unwrap_or(base.table_elements),
        cpu: section.duration("cpu", Duration::from_millis(10)..).unwrap_or(base.cpu),
        time: section.duration("time", LEAST..).unwrap_or(base.time),
        concurrency: section.count("concurrency", 1..).unwrap_or(base.concurrency),
        queue: section.count("queue", 0..).unwrap_or(base.queue),
        output: section.size("output", 1 << 10..=MAX_MEMORY as u64).unwrap_or(base.output),
        max_events: section.count("max_events", 1..=100_000).unwrap_or(base.max_events),
        log_lines: section.count("log_lines", 0..).unwrap_or(base.log_lines),
        log_rate: section.count("log_rate", 0..).unwrap_or(base.log_rate),
        resources: section.count("resources", 1..).unwrap_or(base.resources),
        reuse: base.reuse,
    }
}

/// The limits of each plugin in `[plugins.overrides]`.
pub(super) fn overrides(section: &Section<'_>, base: &CallLimits) -> BTreeMap<PluginName, CallLimits> {
    let mut overrides = BTreeMap::new();
    for (name, section) in section.named("overrides") {
        let limits = CallLimits { reuse: reuse(&section), ..limits(&section, base) };
        if let Some(name) = parsed_name(name, &section) {
            overrides.insert(name, limits);
        }
    }
    overrides
}

fn reuse(section: &Section<'_>) -> Option<Reuse> {
    let section = section.section("reuse");
    let max_calls = section.count("max_calls", 1..).unwrap_or(1000);
    let max_memory = section.size("max_memory", PAGE..=MAX_MEMORY as u64).unwrap_or(32 << 20);
    section.is_present().then_some(Reuse { max_calls, max_memory })
}

/// What the name of a channel, agent or plugin is.
pub(super) const NAME: &str = "a name of 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`";

/// Parses the name of a table as that of a channel, agent or plugin.
pub(super) fn parsed_name<T: std::str::FromStr>(name: &str, section: &Section<'_>) -> Option<T> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        section.own_place().problem(NAME, quoted(name));
    }
    parsed
}
