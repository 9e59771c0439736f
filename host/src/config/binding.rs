//! The plugin of a channel or agent, and its settings.

use std::collections::BTreeMap;

use serde_json::json;
use toml::Value;

use super::problem::quoted;
use super::section::{Section, Shape, found};
use super::value::text;
use crate::event::PluginName;

/// The key `plugin`, or else the name of the table.
pub(super) fn plugin_name(name: &str, section: &Section<'_>) -> Option<PluginName> {
    match section.entry("plugin", &[Shape::Text], text()) {
        None => name.parse().ok(),
        Some(entry) => {
            let text = entry.text("the name of a plugin")?;
            let plugin = text.parse().ok();
            if plugin.is_none() {
                entry.place.problem_with_hint(
                    "the name of a plugin",
                    quoted(&text),
                    "it is the name of its file in the plugin folder, without `.wasm`",
                );
            }
            plugin
        }
    }
}

/// The free table `config`, as the plugin gets it.
pub(super) fn config_table(section: &Section<'_>) -> BTreeMap<String, serde_json::Value> {
    let Some(entry) = section.entry("config", &[Shape::Table], json!({ "type": "object" })) else {
        return BTreeMap::new();
    };
    match &*entry.value {
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        other => {
            entry.place.problem("a table", found(other));
            BTreeMap::new()
        }
    }
}

/// A value as JSON.
pub(super) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Datetime(moment) => moment.to_string().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}
