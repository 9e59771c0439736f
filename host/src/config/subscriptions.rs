//! `[subscribe]`, `[subscribers.NAME]` and `[consumers.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::access::{Callers, named_callers, rate_of};
use super::problem::quoted;
use super::routes::patterns;
use super::section::Section;
use super::value::show_duration;
use crate::dispatch::AgentSettings;
use crate::event::{ChannelName, EventPatterns, Pattern};
use crate::eventlog::RetentionLimits;
use crate::ingest::ChannelSettings;
use crate::subscribe::{AliasSettings, ConsumerSpec, Form, Limits, McpSettings, Settings, Since, SubscriberSettings};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Reads everything about subscriptions.
pub(super) fn subscriptions(
    root: &Section<'_>,
    callers: &Callers,
    channels: &[ChannelSettings],
    agents: &[AgentSettings],
    retention: &RetentionLimits,
) -> Settings {
    let section = root.section("subscribe");
    let consumers: BTreeMap<_, _> = root
        .named("consumers")
        .into_iter()
        .map(|(name, section)| (name.to_owned(), consumer(name, &section)))
        .collect();
    let names: Vec<_> = consumers.keys().map(String::as_str).collect();
    let subscribers = subscribers(root, callers, &names);
    warn_of_shared_consumers(root, &subscribers, &names);
    warn_of_idle_holds(root, &consumers, retention);
    let prefix = path(&section, "prefix").unwrap_or_else(|| Settings::PREFIX.to_owned());
    let prefix = prefix.trim_end_matches('/').to_owned();
    if prefix.is_empty() {
        section.place("prefix").problem("a path below `/`", "`/` itself");
    }
    let settings = Settings {
        aliases: section.list("paths").iter().filter_map(alias).collect(),
        origins: origins(&section),
        limits: limits(&section),
        mcp: mcp(&section),
        prefix,
        subscribers,
        consumers,
    };
    if settings.aliases.iter().any(|alias| alias.path == settings.mcp.path) {
        let found = format!("`{}`, which is one of `subscribe.paths`", settings.mcp.path);
        section.section("mcp").place("path").problem("a path of its own", found);
    }
    let has_emitters = channels.iter().any(|channel| channel.emit);
    let has_speakers = agents.iter().any(|agent| !agent.callers.is_empty());
    if settings.is_on() || has_emitters || has_speakers {
        check_channels(&section, &settings, channels);
    }
    settings
}

fn path(section: &Section<'_>, name: &str) -> Option<String> {
    let path = section.text(name)?;
    if path.starts_with('/') && !path.contains(['?', '#', '{', '}', '*']) && path.is_ascii() {
        return Some(path);
    }
    section.place(name).problem("a path that starts with `/`", quoted(&path));
    None
}

fn mcp(section: &Section<'_>) -> McpSettings {
    let section = section.section("mcp");
    let default = McpSettings::default();
    McpSettings {
        path: path(&section, "path").unwrap_or(default.path),
        poll: section.duration("poll", SECOND / 10..=HOUR).unwrap_or(default.poll),
    }
}

/// A channel cannot be mounted where subscribers are answered.
fn check_channels(section: &Section<'_>, settings: &Settings, channels: &[ChannelSettings]) {
    let below = |path: &str, prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for channel in channels {
        let mcp = settings.mcp.path.as_str();
        let taken = channel.paths.iter().find(|path| below(path, mcp) || below(mcp, path));
        if let Some(path) = taken.filter(|_| settings.is_on()) {
            let found = format!("`{path}` of channel `{}`", channel.name);
            let hint = "choose another `subscribe.mcp.path`, or another path for the channel";
            section.section("mcp").place("path").problem_with_hint("a path that no channel has", found, hint);
        }
        let taken = channel.paths.iter().find(|path| {
            below(path, &settings.prefix) || settings.aliases.iter().any(|alias| below(&alias.path, path))
        });
        if let Some(path) = taken {
            let found = format!("`{path}` of channel `{}`", channel.name);
            let hint = "choose another `prefix`, or another path for the channel";
            section.place("prefix").problem_with_hint("paths that no channel has", found, hint);
        }
    }
}

fn alias(section: &Section<'_>) -> Option<AliasSettings> {
    let forms = [("gateway", Form::Gateway), ("cloudevents", Form::CloudEvents), ("plain", Form::Plain)];
    let form = section.choice("shape", &forms).unwrap_or_default();
    let stats = path(section, "stats");
    if !section.has("path") {
        section.place("path").problem("a path that starts with `/`", "nothing");
    }
    Some(AliasSettings { path: path(section, "path")?, form, stats })
}

fn origins(section: &Section<'_>) -> Vec<String> {
    let origin = |(text, place): (String, super::place::SettingPlace<'_>)| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_origin = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '*']));
        if !is_origin {
            place.problem("an origin such as `https://app.example.com`", quoted(&text));
        }
        is_origin.then_some(text)
    };
    section.texts("origins").unwrap_or_default().into_iter().filter_map(origin).collect()
}

fn limits(section: &Section<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        connections: section.count("max_connections", 1..=1_000_000).unwrap_or(default.connections),
        connections_per_subscriber: section
            .count("max_connections_per_subscriber", 1..=1_000_000)
            .unwrap_or(default.connections_per_subscriber),
        attempts: rate_of(&section.section("attempts")).unwrap_or(default.attempts),
        max_payload: section.size("max_payload", 0..=64 << 20).unwrap_or(default.max_payload),
        max_message: section.size("max_message", 1 << 10..=16 << 20).unwrap_or(default.max_message),
        messages: rate_of(&section.section("messages")).unwrap_or(default.messages),
        ping: section.duration("ping", SECOND / 10..=HOUR).unwrap_or(default.ping),
        timeout: section.duration("timeout", SECOND / 5..=2 * HOUR).unwrap_or(default.timeout),
        write_timeout: section.duration("write_timeout", SECOND / 10..=HOUR).unwrap_or(default.write_timeout),
        max_age: section.duration("max_age", Duration::ZERO..).filter(|age| !age.is_zero()),
    };
    if limits.timeout <= limits.ping {
        section.place("timeout").problem("a time longer than `ping`", "a shorter one");
    }
    limits
}

fn subscribers(root: &Section<'_>, callers: &Callers, consumers: &[&str]) -> BTreeMap<String, SubscriberSettings> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let read = |(name, section): (&str, Section<'_>)| {
        if !section.has("callers") {
            let place = section.place("callers");
            place.problem_with_hint(
                "the callers that it authenticates as",
                "nothing",
                place.example(&format!("[\"{name}\"]")),
            );
        }
        let known = named_callers(&section, callers, "omit the table to let nobody subscribe");
        for caller in &known {
            if let Some(owner) = owners.insert(caller.name.clone(), name.to_owned()) {
                let found = format!("`{}`, which is one of `{owner}`", caller.name);
                section.place("callers").problem("callers of this subscriber alone", found);
            }
        }
        let held = section.texts("consumers").unwrap_or_default().into_iter().map(|(consumer, place)| {
            if consumer != "*" && !consumers.contains(&consumer.as_str()) {
                // One that an operator makes is not in the file.
                let key = place.key();
                section.raw().warn(format!("{key}: consumer `{consumer}` is not in [consumers]"));
            }
            consumer
        });
        // Built-in channels must be named.
        let grant = EventPatterns { channels: patterns(&section, "channels"), ..event_patterns(&section) };
        let subscriber = SubscriberSettings { callers: known, grant: Arc::new(grant), consumers: held.collect() };
        (name.to_owned(), subscriber)
    };
    root.named("subscribers").into_iter().map(read).collect()
}

/// A consumer has one position: what the filter of one holder passes by, another one with more rights never gets.
fn warn_of_shared_consumers(
    root: &Section<'_>,
    subscribers: &BTreeMap<String, SubscriberSettings>,
    consumers: &[&str],
) {
    for consumer in consumers {
        let may_hold = |held: &SubscriberSettings| held.consumers.iter().any(|name| name == consumer || name == "*");
        let mut holders = subscribers.iter().filter(|(_, subscriber)| may_hold(subscriber));
        if let Some((first, one)) = holders.next()
            && let Some((second, _)) = holders.find(|(_, other)| other.grant != one.grant)
        {
            root.raw().warn(format!(
                "consumers.{consumer}: subscribers `{first}` and `{second}` may hold it and may read different events; \
                 what one of them may not read, the other never gets"
            ));
        }
    }
}

/// Everything is kept for so long anyway.
fn warn_of_idle_holds(root: &Section<'_>, consumers: &BTreeMap<String, ConsumerSpec>, retention: &RetentionLimits) {
    let is_idle = |hold: u64| hold > 0 && retention.max_age.is_none_or(|age| Duration::from_millis(hold) <= age);
    for (name, _) in consumers.iter().filter(|(_, spec)| is_idle(spec.hold_ms)) {
        let age = retention.max_age.map_or("no limit".to_owned(), show_duration);
        root.raw().warn(format!("consumers.{name}.hold: changes nothing, `eventlog.retention.max_age` is {age}"));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Channels, kinds and subjects; none where the key is missing, which means all.
fn event_patterns(section: &Section<'_>) -> EventPatterns {
    let given = |name| {
        let patterns = patterns(section, name);
        if section.has(name) { patterns } else { Vec::new() }
    };
    EventPatterns { channels: given("channels"), kinds: given("kinds"), subjects: given("subjects") }
}

fn consumer(name: &str, section: &Section<'_>) -> ConsumerSpec {
    if name.parse::<ChannelName>().is_err() {
        section.own_place().problem("a name of `a-z`, `0-9` and `-`", quoted(name));
    }
    let default = ConsumerSpec::default();
    let start = section.parsed("start", "`latest`, `earliest`, a cursor or a time", |text| {
        text.parse::<Since>().map(|_| text.to_owned())
    });
    let texts = |patterns: Vec<Pattern>| patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let EventPatterns { channels, kinds, subjects } = event_patterns(section);
    let most = i64::try_from(ConsumerSpec::MAX_WINDOW).unwrap_or(i64::MAX);
    ConsumerSpec {
        start: start.unwrap_or(default.start),
        channels: texts(channels),
        kinds: texts(kinds),
        subjects: texts(subjects),
        window: section.count("window", 1..=most).unwrap_or(default.window),
        ack_timeout_ms: section.duration("ack_timeout", SECOND / 10..=24 * HOUR).map_or(default.ack_timeout_ms, millis),
        max_attempts: section.count("max_attempts", 1..=1_000_000).unwrap_or(default.max_attempts),
        parked_max: section.count("parked_max", 0..=10_000_000).unwrap_or(default.parked_max),
        hold_ms: section.duration("hold", Duration::ZERO..=ConsumerSpec::LONGEST).map_or(default.hold_ms, millis),
        // What the file has does not go by itself.
        idle_expiry_ms: 0,
    }
}
