//! References to secrets, in the environment or in files.

use std::fs;
use std::io::ErrorKind;

use ::http::HeaderValue;
use serde_json::json;
use toml::Value;

use super::place::SettingPlace;
use super::problem::quoted;
use super::section::{Section, Shape, found};
use crate::verify::Secret;

/// The largest secret file in bytes; a larger one is a mistake.
const MAX_FILE: u64 = 64 * 1024;

/// The secrets that a `secret` key refers to.
#[derive(Default)]
pub(super) struct Secrets<'a> {
    /// The available secrets, in order, each with its place.
    pub(super) present: Vec<(Secret, SettingPlace<'a>)>,
    /// The references without a secret.
    pub(super) missing: Vec<Missing<'a>>,
}

/// A reference without a secret.
pub(super) struct Missing<'a> {
    pub(super) place: SettingPlace<'a>,
    /// Such as "environment variable `X` is not set".
    pub(super) reason: String,
    hint: String,
}

impl Missing<'_> {
    pub(super) fn report(&self, further_hint: Option<&str>) {
        let hint = match further_hint {
            Some(further) => format!("{}, or {further}", self.hint),
            None => self.hint.clone(),
        };
        self.place.problem_with_hint("a secret", format!("nothing: {}", self.reason), hint);
    }
}

/// Where a secret comes from.
enum Reference<'a> {
    Environment(&'a str),
    File(&'a str),
}

fn schema() -> serde_json::Value {
    let place = json!({ "type": "string", "minLength": 1 });
    let reference = json!({
        "type": "object",
        "properties": { "env": place, "file": place },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    json!({ "anyOf": [reference, { "type": "array", "minItems": 1, "items": reference }] })
}

/// Resolves the references at `name`: one, or a list of them. `None` if the key is missing.
///
/// Hints suggest `variable`.
pub(super) fn secrets<'a>(section: &Section<'a>, name: &str, variable: &str) -> Option<Secrets<'a>> {
    let entry = section.entry(name, &[Shape::Table, Shape::List], schema())?;
    let mut secrets = Secrets::default();
    match &*entry.value {
        Value::Array(items) if items.is_empty() => {
            entry.place.problem_with_hint("a secret", "an empty list", suggestion(&entry.place, variable));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                secrets.follow(&entry.place.item(index), item, variable);
            }
        }
        single => secrets.follow(&entry.place, single, variable),
    }
    Some(secrets)
}

/// Resolves the single reference at `name`. A missing secret is a problem.
pub(super) fn required_secret<'a>(
    section: &Section<'a>,
    name: &str,
    variable: &str,
) -> Option<(Secret, SettingPlace<'a>)> {
    let mut secrets = secrets(section, name, variable)?;
    secrets.missing.iter().for_each(|missing| missing.report(None));
    if secrets.present.len() > 1 {
        section.place(name).problem("a single secret", "a list of them");
    }
    secrets.present.pop()
}

impl<'a> Secrets<'a> {
    fn follow(&mut self, place: &SettingPlace<'a>, value: &Value, variable: &str) {
        let Some(reference) = reference(place, value, variable) else { return };
        let (source, read) = match reference {
            Reference::Environment(name) => (format!("environment variable `{name}`"), from_environment(place, name)),
            Reference::File(path) => (format!("file `{path}`"), from_file(place, path)),
        };
        let hint = match reference {
            Reference::Environment(name) => format!("set `{name}`"),
            Reference::File(path) => format!("write the secret into `{}`", place.raw().resolve(path).display()),
        };
        match read.map(Secret::new) {
            Err(reason) => {
                self.missing.push(Missing { place: place.clone(), reason: format!("{source} {reason}"), hint });
            }
            Ok(Err(_)) => {
                self.missing.push(Missing { place: place.clone(), reason: format!("{source} is empty"), hint });
            }
            Ok(Ok(secret)) => {
                let bytes = secret.expose();
                if [bytes.first(), bytes.last()].iter().any(|byte| byte.is_some_and(u8::is_ascii_whitespace)) {
                    let key = place.key();
                    place.raw().warn(format!("{key}: the secret from {source} begins or ends with white space"));
                }
                self.present.push((secret, place.clone()));
            }
        }
    }
}

/// Parses `{ env = "X" }` or `{ file = "path" }`. Any other value is never shown: it may be the secret itself.
fn reference<'v>(place: &SettingPlace<'_>, value: &'v Value, variable: &str) -> Option<Reference<'v>> {
    const EXPECTED: &str = "`{ env = \"...\" }` or `{ file = \"...\" }`";
    let Value::Table(table) = value else {
        let (found, hint) = match value {
            Value::String(_) => {
                ("plain text", format!("secrets do not belong in the configuration: {}", suggestion(place, variable)))
            }
            Value::Array(_) => ("a list", suggestion(place, variable)),
            _ => ("something else", suggestion(place, variable)),
        };
        place.problem_with_hint(EXPECTED, found, hint);
        return None;
    };
    match (table.len(), table.get("env"), table.get("file")) {
        (1, Some(name), None) => Some(Reference::Environment(member(place, "env", name)?)),
        (1, None, Some(path)) => Some(Reference::File(member(place, "file", path)?)),
        (_, Some(_), Some(_)) => {
            place.problem(EXPECTED, "both");
            None
        }
        _ => {
            let names: Vec<_> = table.keys().map(|name| quoted(name)).collect();
            let found = if names.is_empty() {
                "an empty table".to_owned()
            } else {
                format!("a table with {}", names.join(" and "))
            };
            place.problem_with_hint(EXPECTED, found, suggestion(place, variable));
            None
        }
    }
}

fn member<'v>(place: &SettingPlace<'_>, name: &str, value: &'v Value) -> Option<&'v str> {
    let expected = if name == "env" { "the name of an environment variable" } else { "a path" };
    match value {
        Value::String(text) if name == "env" && !is_variable(text) => {
            // Never shown: it may be the secret itself.
            place.member(name).problem(expected, "another text");
            None
        }
        Value::String(text) if !text.is_empty() => Some(text),
        Value::String(_) => {
            place.member(name).problem(expected, "an empty text");
            None
        }
        other => {
            place.member(name).problem(expected, found(other));
            None
        }
    }
}

fn is_variable(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(allowed) && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn suggestion(place: &SettingPlace<'_>, variable: &str) -> String {
    place.example(&format!("{{ env = \"{variable}\" }}"))
}

fn from_environment(place: &SettingPlace<'_>, name: &str) -> Result<Vec<u8>, String> {
    match place.raw().environment().get(name) {
        Some(value) => Ok(value.clone().into_encoded_bytes()),
        None => Err("is not set".to_owned()),
    }
}

/// The bytes of the file, without one final newline, which editors add.
fn from_file(place: &SettingPlace<'_>, path: &str) -> Result<Vec<u8>, String> {
    let path = place.raw().resolve(path);
    let explain = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let meta = fs::metadata(&path).inspect_err(|_| place.raw().note_file(&path, None)).map_err(explain)?;
    if !meta.is_file() {
        return Err("is not a file".to_owned());
    }
    if meta.len() > MAX_FILE {
        return Err("is too large for a secret".to_owned());
    }
    let mut bytes = place.raw().read_file(&path).map_err(explain)?;
    if bytes.pop_if(|last| *last == b'\n').is_some() {
        bytes.pop_if(|last| *last == b'\r');
    }
    Ok(bytes)
}

/// Whether a secret is a valid header value: visible ASCII characters only.
pub(super) fn is_header_text(secret: &Secret) -> bool {
    secret.expose().iter().all(u8::is_ascii_graphic) && HeaderValue::from_bytes(secret.expose()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    /// Compares the secrets, or the problems.
    fn check(text: &str, expected: Result<&[&str], &[&str]>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in [("one", "alpha\n"), ("two", "alpha\n\n"), ("crlf", "alpha\r\n"), ("none", "\n")] {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let environment = [("SET", "beta"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.into()));
        let raw = Raw::parse(text, dir.path(), environment.into()).unwrap();
        let found = secrets(&Section::root(&raw), "secret", "API_SECRET").unwrap();
        found.missing.iter().for_each(|missing| missing.report(None));
        let bytes: Vec<_> =
            found.present.iter().map(|(secret, _)| String::from_utf8_lossy(secret.expose()).into_owned()).collect();
        drop(found);

        let outcome = raw.finish().map_err(|problems| {
            problems
                .into_iter()
                .map(|problem| format!("{problem}; {}", problem.hint.as_deref().unwrap_or_default()))
                .collect::<Vec<_>>()
        });
        let root = dir.path().display().to_string();
        match (outcome, expected) {
            (Ok(_), Ok(expected)) => assert_eq!(bytes, expected, "{text}"),
            (Err(problems), Err(expected)) => {
                let problems: Vec<_> = problems.iter().map(|problem| problem.replace(&root, "DIR")).collect();
                assert_eq!(problems, expected, "{text}");
            }
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    #[test]
    fn references_lead_to_secrets_and_one_newline_is_removed() {
        check("secret = { env = 'SET' }", Ok(&["beta"]));
        check("secret = { file = 'one' }", Ok(&["alpha"]));
        check("secret = { file = 'crlf' }", Ok(&["alpha"]));
        check("secret = { file = 'two' }", Ok(&["alpha\n"]));
        check("secret = [{ env = 'SET' }, { file = 'one' }]", Ok(&["beta", "alpha"]));
    }

    #[test]
    fn missing_secrets_are_reported_without_showing_anything() {
        const EXPECTED: &str = "expected `{ env = \"...\" }` or `{ file = \"...\" }`";
        check(
            "secret = { env = 'UNSET' }",
            Err(&["secret: expected a secret, found nothing: environment variable `UNSET` is not set; set `UNSET`"]),
        );
        check(
            "secret = { env = 'EMPTY' }",
            Err(&["secret: expected a secret, found nothing: environment variable `EMPTY` is empty; set `EMPTY`"]),
        );
        check(
            "secret = [{ file = 'none' }, { file = 'gone' }]",
            Err(&[
                "secret[0]: expected a secret, found nothing: file `none` is empty; write the secret into `DIR/none`",
                "secret[1]: expected a secret, found nothing: file `gone` does not exist; write the secret into `DIR/gone`",
            ]),
        );
        check(
            "secret = 'hunter2'",
            Err(&[&format!(
                "secret: {EXPECTED}, found plain text; secrets do not belong in the configuration: write `secret = {{ env = \"API_SECRET\" }}`"
            )]),
        );
        check(
            "secret = { env = 'hunter-2' }",
            Err(&["secret.env: expected the name of an environment variable, found another text; "]),
        );
        check("secret = { env = 'SET', file = 'one' }", Err(&[&format!("secret: {EXPECTED}, found both; ")]));
        check(
            "secret = { var = 'SET' }",
            Err(&[&format!(
                "secret: {EXPECTED}, found a table with `var`; write `secret = {{ env = \"API_SECRET\" }}`"
            )]),
        );
    }
}
