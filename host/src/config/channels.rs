//! Channels: paths, secrets, verification, limits.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::{HeaderName, Method};
use serde_json::json;
use toml::Value;

use super::access::{self, Callers};
use super::binding::{config_table, plugin_name};
use super::limits::{PluginLimits, parsed_name};
use super::place::SettingPlace;
use super::problem::quoted;
use super::secret::secrets;
use super::section::{Section, Shape, found};
use super::value::{show_size, text};
use super::{delivery, grants};
use crate::coding::Coding;
use crate::event::ChannelName;
use crate::ingest::{ChannelSettings, PollSettings, is_media_type};
use crate::plugin::{OnUnknown, StateGroup};
use crate::verify::{Recipe, Scheme, Secret};

/// Paths that no channel can have.
const RESERVED: [&str; 3] = ["/admin", "/health", "/metrics"];
/// The longest time for which an event is held.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Reads `[channels.*]`.
pub(super) fn channels(
    root: &Section<'_>,
    plugins: &PluginLimits<'_>,
    callers: &Callers,
    max_body: usize,
) -> Vec<ChannelSettings> {
    let mut claimed = BTreeMap::new();
    let tables = root.named("channels");
    let read = |(name, section): (&str, Section<'_>)| channel(name, &section, plugins, callers, max_body, &mut claimed);
    tables.into_iter().filter_map(read).collect()
}

fn channel(
    name: &str,
    section: &Section<'_>,
    plugins: &PluginLimits<'_>,
    callers: &Callers,
    max_body: usize,
    claimed: &mut BTreeMap<String, String>,
) -> Option<ChannelSettings> {
    let emit = emit(section);
    let paths = if emit { Vec::new() } else { paths(name, section, claimed) };
    let verification = verification(section);
    let (secrets, missing_secret) = channel_secrets(name, section, verification.as_ref());
    let access = access::access(section, callers);
    let rate_limit = access::rate(section, "rate_limit");
    let overload_status = access::overload_status(section);
    let required = section.flag("required").unwrap_or(false);
    let methods = methods(section);
    let content_types = content_types(section);
    let on_unknown = section.choice("on_unknown", &[("keep", OnUnknown::Keep), ("refuse", OnUnknown::Refuse)]);
    let max_body = channel_max_body(section, max_body);
    let encodings = encodings(section);
    let keep_headers = keep_headers(section);
    let config = config_table(section);
    let egress = grants::egress(name, section);
    let state = grants::state(section);
    let poll = poll(&section.section("poll"));
    let states = states(section);
    let late_window = section.duration("late_window", Duration::ZERO..=HOUR).unwrap_or(ChannelSettings::LATE_WINDOW);
    delivery::check_policy(&section.section("respond"));
    let plugin = plugin_name(name, section);
    let silent_after = section.duration("silent_after", Duration::from_secs(1)..);
    let name: ChannelName = parsed_name(name, section)?;
    if name.is_built_in() {
        let hint = format!(
            "rename the table, such as `[channels.my-{name}]`; `paths = [\"/webhooks/{name}\"]` keeps its address"
        );
        section.own_place().problem_with_hint(
            "another name, because the gateway has a channel of this name itself",
            quoted(name.as_str()),
            hint,
        );
        return None;
    }
    let plugin = plugin?;
    let limits = plugins.of(&plugin);
    Some(ChannelSettings {
        name,
        plugin,
        emit,
        paths,
        secrets,
        missing_secret,
        verification,
        access,
        rate_limit,
        overload_status,
        required,
        methods,
        content_types,
        on_unknown,
        max_body,
        encodings,
        states,
        late_window,
        keep_repeats: false,
        silent_after,
        keep_headers,
        config,
        limits,
        egress,
        state,
        poll,
    })
}

/// Whether callers emit the events of the channel. Then everything about webhooks and plugins means nothing.
fn emit(section: &Section<'_>) -> bool {
    const MEANINGLESS: [&str; 17] = [
        "plugin",
        "path",
        "paths",
        "secret",
        "verification",
        "methods",
        "content_types",
        "on_unknown",
        "encodings",
        "states",
        "keep_headers",
        "config",
        "allow_hosts",
        "state",
        "poll",
        "respond",
        "late_window",
    ];
    if !section.flag("emit").unwrap_or(false) {
        return false;
    }
    for name in MEANINGLESS.into_iter().filter(|name| section.has(name)) {
        section.place(name).problem(format!("no `{name}` with `emit = true`"), "one");
    }
    if !section.has("callers") {
        let place = section.place("callers");
        place.problem_with_hint("the callers that may emit", "nothing", place.example("[\"shop\"]"));
    }
    true
}

/// The kinds whose keys name states, instead of those of the plugin; an empty list means none.
fn states(section: &Section<'_>) -> Option<Vec<StateGroup>> {
    let group = |section: &Section<'_>| {
        let [name, time, peer] = ["name", "time", "peer"].map(|key| section.text(key));
        let texts = |key: &str| section.texts(key).unwrap_or_default().into_iter().map(|(text, _)| text).collect();
        let group =
            StateGroup { name: name.unwrap_or_default(), kinds: texts("kinds"), thing: texts("thing"), time, peer };
        if group.name.is_empty() {
            section.place("name").problem("a name for these states", "nothing");
        }
        if group.kinds.is_empty() {
            section.place("kinds").problem("at least one kind", "nothing");
        }
        if let Some(name) = group.bad_attribute() {
            section.own_place().problem("names of attributes, of 1 to 20 of `a-z` and `0-9`", quoted(name));
        }
        group
    };
    let groups: Vec<_> = section.list("states").iter().map(group).collect();
    section.has("states").then_some(groups)
}

fn poll(section: &Section<'_>) -> PollSettings {
    PollSettings {
        every: section.duration("every", Duration::ZERO..).unwrap_or(Duration::from_secs(60)),
        timeout: section.duration("timeout", Duration::from_millis(1)..).unwrap_or(Duration::from_secs(30)),
    }
}

/// `path` or `paths`, or else the usual one. `claimed` holds the paths of all channels, each with its owner.
pub(super) fn paths(name: &str, section: &Section<'_>, claimed: &mut BTreeMap<String, String>) -> Vec<String> {
    let single = section.entry("path", &[Shape::Text], text());
    let several = section.texts("paths");
    let written = match (single, several) {
        (None, None) => vec![(format!("/webhooks/{name}"), section.place("paths"))],
        (None, Some(paths)) => {
            if paths.is_empty() {
                section.place("paths").problem("at least one path", "an empty list");
            }
            paths
        }
        (Some(entry), None) => entry.text("a path").map(|path| vec![(path, entry.place.clone())]).unwrap_or_default(),
        (Some(entry), Some(_)) => {
            entry.place.problem("either `path` or `paths`", "both");
            Vec::new()
        }
    };
    let mut paths = Vec::new();
    for (path, place) in written {
        match path_problem(&path) {
            Some(expected) => place.problem(expected, quoted(&path)),
            None => {
                let path = path.trim_end_matches('/').to_owned();
                if is_free(&path, name, &place, claimed) {
                    claimed.insert(path.clone(), name.to_owned());
                    paths.push(path);
                }
            }
        }
    }
    paths
}

/// Whether `path` neither equals another claimed path nor lies above or below one.
fn is_free(path: &str, name: &str, place: &SettingPlace<'_>, claimed: &BTreeMap<String, String>) -> bool {
    let rival = claimed.iter().find(|(other, _)| is_below(path, other) || is_below(other, path));
    match rival {
        None => true,
        Some((other, owner)) => {
            let owner = if owner == name { "this channel".to_owned() } else { format!("channel `{owner}`") };
            let relation = match path {
                same if same == other => format!("already used by {owner}"),
                below if is_below(below, other) => format!("below `{other}` of {owner}"),
                _ => format!("above `{other}` of {owner}"),
            };
            let found = format!("{}, {relation}", quoted(path));
            place.problem_with_hint("a unique path", found, format!("give `channels.{name}` another `path`"));
            false
        }
    }
}

pub(super) fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `path` has one spelling only: no escapes, no empty segments, no dots, no slash at its end.
pub(super) fn is_plain_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(c);
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    path.starts_with('/') && path.chars().all(allowed) && !path.split('/').skip(1).any(odd)
}

fn path_problem(path: &str) -> Option<String> {
    let trimmed = path.trim_end_matches('/');
    if !is_plain_path(trimmed) {
        return Some("a path such as `/webhooks/github`".to_owned());
    }
    let reserved = RESERVED.iter().find(|reserved| is_below(trimmed, reserved))?;
    Some(format!("a path outside `{reserved}`, which is reserved"))
}

fn verification_schema() -> serde_json::Value {
    let scheme = json!({ "type": "object", "required": ["scheme"], "properties": { "scheme": text() } });
    json!({ "anyOf": [{ "const": "none" }, { "type": "array", "minItems": 1, "items": scheme }] })
}

/// `verification`, if it is there.
pub(super) fn verification(section: &Section<'_>) -> Option<Recipe> {
    let entry = section.entry("verification", &[Shape::List], verification_schema())?;
    let expected = "`none` or a list of tables";
    match &*entry.value {
        Value::String(text) if text == "none" => Some(Recipe::open()),
        Value::Array(items) if items.is_empty() => {
            entry.place.problem_with_hint(
                expected,
                "an empty list",
                format!("to switch verification off, {}", entry.place.example("\"none\"")),
            );
            None
        }
        Value::Array(items) => {
            let scheme = |(index, item): (usize, &Value)| match item.clone().try_into::<Scheme>() {
                Ok(scheme) => Some(scheme),
                Err(error) => {
                    let place = entry.place.item(index);
                    place.problem("a verification scheme", format!("an invalid one: {}", error.message().trim()));
                    None
                }
            };
            let schemes: Vec<_> = items.iter().enumerate().filter_map(scheme).collect();
            if schemes.len() < items.len() {
                return None;
            }
            Recipe::new(schemes)
                .map_err(|error| entry.place.problem("a consistent list", format!("an inconsistent one: {error}")))
                .ok()
        }
        other => {
            entry.place.problem(expected, found(other));
            None
        }
    }
}

fn channel_secrets(name: &str, section: &Section<'_>, recipe: Option<&Recipe>) -> (Vec<Secret>, Option<String>) {
    let variable = format!("{}_WEBHOOK_SECRET", name.to_ascii_uppercase().replace('-', "_"));
    let optional = section.flag("optional").unwrap_or(false);
    let Some(secrets) = secrets(section, "secret", &variable) else {
        if recipe.is_some_and(|recipe| !recipe.is_open()) {
            let place = section.place("secret");
            let example = place.example(&format!("{{ env = \"{variable}\" }}"));
            place.problem_with_hint("a secret for its `verification`", "nothing", example);
        }
        return (Vec::new(), None);
    };
    if recipe.is_some_and(Recipe::is_open) {
        section.raw().warn(format!("channels.{name}.secret: unused, because `verification` is `none`"));
    }
    for (secret, place) in &secrets.present {
        if let Some(Err(expected)) = recipe.map(|recipe| recipe.accepts_secret(secret)) {
            place.problem(format!("a secret that fits its `verification` ({expected})"), "another one");
        }
    }
    let further = format!("set `optional = true` to let channel `{name}` wait for it");
    let mut missing_secret = None;
    for missing in &secrets.missing {
        if !optional {
            missing.report(Some(&further));
        } else if secrets.present.is_empty() {
            missing_secret.get_or_insert_with(|| missing.reason.clone());
        } else {
            section.raw().warn(format!("{}: {}", missing.place.key(), missing.reason));
        }
    }
    (secrets.present.into_iter().map(|(secret, _)| secret).collect(), missing_secret)
}

fn methods(section: &Section<'_>) -> Option<Vec<Method>> {
    let texts = section.texts("methods")?;
    if texts.is_empty() {
        section.place("methods").problem("at least one method", "an empty list");
    }
    let method = |(text, place): &(String, SettingPlace<'_>)| match text.as_str() {
        "GET" => Some(Method::GET),
        "POST" => Some(Method::POST),
        "PUT" => Some(Method::PUT),
        other => {
            place.problem("`GET`, `POST` or `PUT`", quoted(other));
            None
        }
    };
    Some(texts.iter().filter_map(method).collect())
}

fn content_types(section: &Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts("content_types")?;
    if texts.is_empty() {
        section.place("content_types").problem("at least one media type, or `*/*` for any", "an empty list");
    }
    let media_type = |(text, place): &(String, SettingPlace<'_>)| {
        let known = text.to_ascii_lowercase();
        let is_known = is_media_type(&known);
        if !is_known {
            place.problem("a media type without parameters, such as `text/csv`, `text/*` or `*/*`", quoted(text));
        }
        is_known.then_some(known)
    };
    Some(texts.iter().filter_map(media_type).collect())
}

fn channel_max_body(section: &Section<'_>, most: usize) -> Option<usize> {
    let max_body = section.size("max_body", 1..)?;
    if max_body > most {
        section.place("max_body").problem_with_hint(
            "a size of at most `http.max_body`",
            show_size(max_body as u64),
            format!("raise `http.max_body` above {}", show_size(most as u64)),
        );
    }
    Some(max_body)
}

fn encodings(section: &Section<'_>) -> Vec<Coding> {
    let coding = |(text, place): &(String, SettingPlace<'_>)| {
        let coding = Coding::ALL.into_iter().find(|coding| coding.name() == text);
        if coding.is_none() {
            place.problem("`gzip`, `deflate`, `zstd` or `br`", quoted(text));
        }
        coding
    };
    section.texts("encodings").unwrap_or_default().iter().filter_map(coding).collect()
}

fn keep_headers(section: &Section<'_>) -> Vec<HeaderName> {
    let header = |(text, place): &(String, SettingPlace<'_>)| {
        let name = text.parse().ok();
        if name.is_none() {
            place.problem("the name of a header", quoted(text));
        }
        name
    };
    section.texts("keep_headers").unwrap_or_default().iter().filter_map(header).collect()
}
