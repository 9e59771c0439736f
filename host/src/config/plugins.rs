//! `[plugins]`: folders, compilation, trust.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use toml::Value;

use super::limits;
use super::place::SettingPlace;
use super::section::{Section, Shape, found};
use super::value::text;
use crate::event::PluginName;
use crate::plugin::{CallLimits, CompileSettings, Digest, PluginRules, RollbackRule, Settings, Trust, TrustedKey};

const SECOND: Duration = Duration::from_secs(1);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// `data` is the folder of the event log.
pub(super) fn plugin_settings(section: &Section<'_>, data: &Path) -> Settings {
    let limits = limits::limits(&section.section("limits"), &CallLimits::default());
    let default = Settings::new(section.raw().resolve("plugins"), data.join("compiled"));
    let compile = CompileSettings {
        memory: section.size("compile_memory", 64 * MIB..).map_or(default.compile.memory, |size| size as u64),
        time: section.duration("compile_time", SECOND..=3600 * SECOND).unwrap_or(default.compile.time),
        program: default.compile.program,
    };
    Settings {
        dir: section.path("dir").unwrap_or(default.dir),
        cache_dir: section.path("cache_dir").unwrap_or(default.cache_dir),
        cache_max: section.size("cache_max", ..).map_or(default.cache_max, |size| size as u64),
        compile,
        debounce: section.duration("debounce", Duration::ZERO..=10 * SECOND).unwrap_or(default.debounce),
        max_file: section.size("max_file", KIB..=GIB).map_or(default.max_file, |size| size as u64),
        instances: section.count("instances", 1..=10_000).unwrap_or(default.instances),
        rules: PluginRules {
            trust: trust(section),
            check_samples: section.flag("check_samples").unwrap_or(default.rules.check_samples),
            check_time: section.duration("check_time", SECOND..=3600 * SECOND).unwrap_or(default.rules.check_time),
            rollback: RollbackRule {
                calls: section
                    .count("rollback_calls", 0..=RollbackRule::MAX_CALLS.into())
                    .unwrap_or(default.rules.rollback.calls),
                share: section.fraction("rollback_share").unwrap_or(default.rules.rollback.share),
            },
            overrides: limits::overrides(section, &limits),
            limits,
        },
    }
}

fn trust(section: &Section<'_>) -> Trust {
    let keys = keys(section);
    let require_signature = section.flag("require_signature").unwrap_or(false);
    if require_signature && keys.is_none() {
        section.place("trusted_keys").problem_with_hint(
            "a key, because `plugins.require_signature` requires signatures",
            "nothing",
            "write `trusted_keys = [{ file = \"plugins.pub\" }]`",
        );
    }
    Trust { pins: pins(section), keys: keys.unwrap_or_default(), require_signature }
}

/// The pinned digests. `limits::overrides` reports invalid names of tables.
fn pins(section: &Section<'_>) -> BTreeMap<PluginName, Digest> {
    let overrides = section.named("overrides").into_iter();
    let pin = |(name, section): (&str, Section<'_>)| {
        let digest = section.parsed("sha256", "the SHA-256 of a plugin file, 64 hexadecimal digits", str::parse)?;
        Some((name.parse().ok()?, digest))
    };
    overrides.filter_map(pin).collect()
}

fn keys_schema() -> serde_json::Value {
    let file = json!({ "type": "object", "required": ["file"], "properties": { "file": text() }, "maxProperties": 1 });
    json!({ "anyOf": [text(), file, { "type": "array", "items": { "anyOf": [text(), file] } }] })
}

/// The valid keys; `None` if no keys are configured at all.
fn keys(section: &Section<'_>) -> Option<Vec<TrustedKey>> {
    let entry = section.entry("trusted_keys", &[Shape::List], keys_schema())?;
    match &*entry.value {
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let keys = items.iter().enumerate().filter_map(|(index, item)| key(&entry.place.item(index), item));
            Some(keys.collect())
        }
        single => Some(key(&entry.place, single).into_iter().collect()),
    }
}

/// A key, inline or from a file. An invalid value is never shown: it may be the private key.
fn key(place: &SettingPlace<'_>, value: &Value) -> Option<TrustedKey> {
    const KEY: &str = "an Ed25519 public key, PEM or 32 bytes in base64";
    match value {
        Value::String(text) => TrustedKey::parse(text).map_err(|_| place.problem(KEY, "another text")).ok(),
        Value::Table(table) if table.len() == 1 && table.get("file").is_some_and(Value::is_str) => {
            let path = place.raw().resolve(table.get("file")?.as_str()?);
            let found = match place.raw().read_file(&path).and_then(utf8) {
                Ok(text) => match TrustedKey::parse(&text) {
                    Ok(key) => return Some(key),
                    Err(_) => format!("other content in `{}`", path.display()),
                },
                Err(error) => format!("`{}`, which cannot be read: {error}", path.display()),
            };
            place.problem(KEY, found);
            None
        }
        other => {
            place.problem("an Ed25519 public key in base64, or `{ file = \"...\" }`", found(other));
            None
        }
    }
}

fn utf8(bytes: Vec<u8>) -> std::io::Result<String> {
    String::from_utf8(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}
