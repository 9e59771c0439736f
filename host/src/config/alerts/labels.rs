//! Labels and annotations: lists of their names, and tables with a glob of the value of each.

use serde_json::json;
use toml::Value;

use crate::config::problem::quoted;
use crate::config::section::{Section, Shape, found};
use crate::config::value::text;
use crate::event::Pattern;

/// The most names in a list, and globs in a table.
const MOST: usize = 64;

/// The names at `name`, each once; problems say what `one` of them is.
pub(super) fn names(section: &Section<'_>, name: &str, one: &str) -> Option<Vec<String>> {
    let texts = section.texts(name)?;
    if texts.len() > MOST {
        section.place(name).problem(format!("at most {MOST} names"), quoted(&texts.len().to_string()));
    }
    let mut names: Vec<String> = Vec::new();
    for (text, place) in texts {
        if !is_name(&text) {
            place.problem(one, quoted(&text));
        } else if names.contains(&text) {
            place.problem("each name once", quoted(&text));
        } else {
            names.push(text);
        }
    }
    Some(names)
}

/// The names of labels at `name`.
pub(super) fn label_names(section: &Section<'_>, name: &str) -> Option<Vec<String>> {
    names(section, name, LABEL)
}

/// The table `labels`: globs of the values of labels, all of which must match. `None` if it is missing or wrong.
pub(super) fn label_globs(section: &Section<'_>) -> Option<Vec<(String, Pattern)>> {
    let schema = json!({ "type": "object", "maxProperties": MOST, "additionalProperties": text() });
    let entry = section.entry("labels", &[Shape::Table], schema)?;
    let place = &entry.place;
    let Value::Table(table) = &*entry.value else {
        place.problem_with_hint("a table", found(&entry.value), place.example("{ service = \"checkout*\" }"));
        return None;
    };
    if table.len() > MOST {
        place.problem(format!("at most {MOST} labels"), quoted(&table.len().to_string()));
    }
    let glob = |(name, value): (&String, &Value)| {
        let place = place.member(name);
        if !is_name(name) {
            place.problem(LABEL, quoted(name));
        }
        let Value::String(text) = value else {
            place.problem("a pattern", found(value));
            return None;
        };
        Some((name.clone(), place.pattern(text)?))
    };
    let globs: Vec<_> = table.iter().filter_map(glob).collect();
    (globs.len() == table.len()).then_some(globs)
}

/// The name of a label at `name`.
pub(super) fn label_name(section: &Section<'_>, name: &str) -> Option<String> {
    section.parsed(name, LABEL, |text| if is_name(text) { Ok(text.to_owned()) } else { Err(()) })
}

const LABEL: &str = "the name of a label";

/// Prometheus allows any text.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}
