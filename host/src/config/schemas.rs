//! `[[schemas]]`.

use std::path::Path;

use bytes::Bytes;

use super::problem::quoted;
use super::routes::patterns;
use super::section::Section;
use crate::schema::{Compatibility, OnMismatch, Schema, SchemaSettings, Settings};

const ON_MISMATCH: [(&str, OnMismatch); 3] =
    [("refuse", OnMismatch::Refuse), ("quarantine", OnMismatch::Quarantine), ("tag", OnMismatch::Tag)];
const COMPATIBILITY: [(&str, Compatibility); 4] = [
    ("none", Compatibility::None),
    ("backward", Compatibility::Backward),
    ("forward", Compatibility::Forward),
    ("full", Compatibility::Full),
];

/// Reads `[[schemas]]`, in order. `prefix` is that of subscribers. Whether a file is a schema is found when it is put in force:
/// one that is none leaves the last good one there.
pub(super) fn schemas(root: &Section<'_>, prefix: &str) -> Settings {
    let mut schemas: Vec<SchemaSettings> = Vec::new();
    for section in root.list("schemas") {
        let Some(schema) = schema(&section) else { continue };
        if schemas.iter().any(|known| known.kinds == schema.kinds) {
            section.place("kinds").problem("other kinds than those of a schema above", "the same");
        }
        schemas.push(schema);
    }
    Settings { schemas, path: format!("{prefix}/schemas") }
}

fn schema(section: &Section<'_>) -> Option<SchemaSettings> {
    let on_mismatch = section.choice("on_mismatch", &ON_MISMATCH);
    let compatibility = section.choice("compatibility", &COMPATIBILITY).unwrap_or_default();
    let max_data = section.size("max_data", 1..=64 << 20).unwrap_or(SchemaSettings::MAX_DATA);
    if !section.has("kinds") {
        let place = section.place("kinds");
        place.problem_with_hint("the kinds that it is for", "nothing", place.example("[\"orders.*\"]"));
    }
    let kinds = patterns(section, "kinds");
    if let Some(kind) = kinds.iter().find(|kind| kind.is_exact() && !kind.as_str().contains('.')) {
        let hint = "a kind begins with the name of its channel: `orders.created`";
        section.place("kinds").problem_with_hint("kinds of channels", quoted(kind.as_str()), hint);
    }
    let Some(file) = section.path("file") else {
        if !section.has("file") {
            let place = section.place("file");
            place.problem_with_hint("the file of the schema", "nothing", place.example("\"schemas/order.json\""));
        }
        return None;
    };
    let content = read(section, &file);
    Some(SchemaSettings { kinds, file, content, on_mismatch, compatibility, max_data })
}

fn read(section: &Section<'_>, file: &Path) -> Result<Bytes, String> {
    let content = section.raw().read_file(file).map_err(|error| format!("it cannot be read: {error}"))?;
    if content.len() > Schema::MAX_BYTES {
        return Err(format!("it has {} bytes, expected at most {}", content.len(), Schema::MAX_BYTES));
    }
    Ok(content.into())
}
