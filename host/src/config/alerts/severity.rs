//! `[alerts.severity]`.

use std::collections::BTreeMap;

use serde_json::json;
use toml::Value;

use crate::alert::Level;
use crate::config::problem::{alternatives, quoted};
use crate::config::section::{Section, Shape, found};
use crate::config::unknown::nearest;

/// Words of senders, with their levels.
pub(super) fn severity(section: &Section<'_>) -> BTreeMap<String, Level> {
    let names = Level::ALL.map(Level::as_str);
    let schema = json!({ "type": "object", "additionalProperties": { "enum": names } });
    let mut words = BTreeMap::new();
    let Some(entry) = section.entry("severity", &[Shape::Table], schema) else { return words };
    let Value::Table(table) = &*entry.value else {
        entry.place.problem_with_hint("a table", found(&entry.value), entry.place.example("{ ticket = \"low\" }"));
        return words;
    };
    for (word, value) in table {
        let place = entry.place.member(word);
        let known = value.as_str().and_then(Level::named);
        let Some(level) = known else {
            let near = value.as_str().and_then(|text| nearest(text, names.into_iter()));
            match near {
                Some(near) => {
                    let example = place.example(&format!("\"{near}\""));
                    place.problem_with_hint(alternatives(&names), found(value), example);
                }
                None => place.problem(alternatives(&names), found(value)),
            }
            continue;
        };
        let folded = word.trim().to_lowercase();
        if folded.is_empty() {
            place.problem("a word of a sender", quoted(word));
        } else if words.insert(folded, level).is_some() {
            place.problem("each word once, in capitals or not", quoted(word));
        }
    }
    words
}
