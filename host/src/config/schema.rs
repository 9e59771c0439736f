//! The JSON Schema of `gateway.toml`: the questions that the code asks of the shipped file, with its comments.
//!
//! The shipped file has every key, so reading it with all of them asks everything there is to ask. Bounds and choices come with the
//! questions, descriptions from the comments. A value of the file that makes no difference to the configuration is a default.

mod docs;
mod tree;

use std::path::Path;

use serde_json::{Value, json};
use toml::Table;

use self::docs::descriptions;
use self::tree::Tree;
use super::asked::Environment;
use super::binding::json;
use super::check::assemble;
use super::conditions;
use super::raw::Raw;

/// The file in the repository, which is shipped.
const SHIPPED: &str = include_str!("../../../gateway.toml");

/// Without a route that sends answers back, `channels.hook.respond` would make no difference.
const ANSWERS: &str = r#"
[[routes]]
channels = ["hook"]
agents = ["stub"]
respond = true
"#;

/// The schema.
pub fn schema() -> Value {
    let document = with_everything_on() + ANSWERS;
    let table: Table = document.parse().expect("a test reads the shipped file with every key");
    let raw = Raw::of(table.clone(), Path::new(""), Environment::new());
    let as_it_is = outcome(&raw);
    let mut tree = Tree::of(&raw.asked());
    for (key, description) in descriptions(SHIPPED) {
        tree.describe(&key, &description);
    }
    for key in tree.leaves() {
        let mut rest = table.clone();
        if let Some(value) = remove(&mut rest, &key)
            && outcome(&Raw::of(rest, Path::new(""), Environment::new())) == as_it_is
        {
            tree.set_default(&key, json(&value));
        }
    }
    let mut schema = tree.into_schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Configuration of the gateway");
    schema["$defs"] = json!({ "condition": conditions::schema() });
    schema
}

/// What the gateway makes of a document, good or bad.
fn outcome(raw: &Raw) -> String {
    let config = assemble(raw);
    format!("{config:?} {:?}", raw.notes())
}

/// Takes the value of a key, such as `routes[0].agents`, out of the document.
fn remove(table: &mut Table, key: &str) -> Option<toml::Value> {
    let Some((first, rest)) = key.split_once('.') else { return table.remove(key) };
    let inner = match first.split_once('[') {
        None => table.get_mut(first)?,
        Some((name, index)) => {
            let index: usize = index.trim_end_matches(']').parse().ok()?;
            table.get_mut(name)?.as_array_mut()?.get_mut(index)?
        }
    };
    remove(inner.as_table_mut()?, rest)
}

/// The shipped file with every key and example uncommented.
pub(super) fn with_everything_on() -> String {
    let switch_on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with([' ', ':']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    SHIPPED.lines().map(switch_on).collect::<Vec<_>>().join("\n")
}
