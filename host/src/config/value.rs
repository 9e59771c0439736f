//! Readers for the values of keys. For an invalid value a reader reports the problem and returns `None`.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::{Value as Json, json};
use toml::Value;

use super::place::SettingPlace;
use super::problem::{alternatives, quoted};
use super::section::{Entry, Section, Shape, found};
use super::unknown::nearest;
use crate::event::{Pattern, duration_text, parse_duration};

impl Section<'_> {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.entry(name, &[Shape::Text], text())?.text("a text")
    }

    /// A text that `parse` accepts; problems say `expected`.
    pub(super) fn parsed<T, E>(&self, name: &str, expected: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let entry = self.entry(name, &[Shape::Text], text())?;
        let text = entry.text(expected)?;
        let parsed = parse(&text).ok();
        if parsed.is_none() {
            entry.place.problem(expected, quoted(&text));
        }
        parsed
    }

    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let expected = alternatives(&words);
        let numbers = words.iter().filter_map(|word| word.parse::<i64>().ok()).map(Into::into);
        let accepted: Vec<Json> = words.iter().map(|word| (*word).into()).chain(numbers).collect();
        let entry = self.entry(name, &[Shape::Text], json!({ "enum": accepted }))?;
        let text = match &*entry.value {
            Value::Integer(number) => number.to_string(),
            _ => entry.text(&expected)?,
        };
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            match nearest(&text, words.into_iter()) {
                Some(near) => {
                    entry.place.problem_with_hint(expected, quoted(&text), entry.place.example(&format!("\"{near}\"")));
                }
                None => entry.place.problem(expected, quoted(&text)),
            }
        }
        chosen
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let entry = self.entry(name, &[Shape::Flag], json!({ "type": "boolean" }))?;
        let flag = entry.value.as_bool();
        if flag.is_none() {
            entry.place.problem("`true` or `false`", found(&entry.value));
        }
        flag
    }

    pub(super) fn count<T: TryFrom<i64>>(&self, name: &str, range: impl RangeBounds<i64>) -> Option<T> {
        let mut schema = json!({ "type": "integer" });
        if let Bound::Included(least) = range.start_bound() {
            schema["minimum"] = (*least).into();
        }
        if let Bound::Included(most) = range.end_bound() {
            schema["maximum"] = (*most).into();
        }
        let entry = self.entry(name, &[Shape::Number], schema)?;
        let number = entry.value.as_integer().filter(|number| range.contains(number));
        let count = number.and_then(|number| T::try_from(number).ok());
        if count.is_none() {
            entry.place.problem(format!("a whole number{}", limits(&range, ToString::to_string)), found(&entry.value));
        }
        count
    }

    /// A number from 0 to 1.
    pub(super) fn fraction(&self, name: &str) -> Option<f64> {
        let entry = self.entry(name, &[Shape::Number], json!({ "type": "number", "minimum": 0, "maximum": 1 }))?;
        let number = match &*entry.value {
            Value::Float(number) => Some(*number),
            Value::Integer(0) => Some(0.0),
            Value::Integer(1) => Some(1.0),
            _ => None,
        };
        let fraction = number.filter(|number| (0.0..=1.0).contains(number));
        if fraction.is_none() {
            entry.place.problem("a number from 0 to 1", found(&entry.value));
        }
        fraction
    }

    /// A size with a unit, within `range`, in bytes.
    pub(super) fn size(&self, name: &str, range: impl RangeBounds<u64>) -> Option<usize> {
        let schema = with_unit("A size with a unit", &range, |size| show_size(*size));
        let entry = self.entry(name, &[Shape::Text], schema)?;
        let place = &entry.place;
        let expected = "a size with a unit";
        let text = match &*entry.value {
            Value::Integer(number) => {
                place.problem_with_hint(expected, quoted(&number.to_string()), place.example(&size_example(*number)));
                return None;
            }
            Value::String(text) => text,
            other => {
                place.problem_with_hint(expected, found(other), place.example("\"25MiB\""));
                return None;
            }
        };
        if let Ok(number) = text.trim().parse() {
            place.problem_with_hint(expected, quoted(text), place.example(&size_example(number)));
            return None;
        }
        let Some(size) = text.parse::<ByteSize>().ok().map(|size| size.as_u64()) else {
            place.problem_with_hint(
                "a size such as `512KiB`, `25MiB` or `1GiB`",
                quoted(text),
                "the units are `B`, `KiB`, `MiB`, `GiB` and, in steps of 1000, `kB`, `MB`, `GB`",
            );
            return None;
        };
        let fitting = usize::try_from(size).ok().filter(|_| range.contains(&size));
        if fitting.is_none() {
            place.problem(format!("a size{}", limits(&range, |size| show_size(*size))), quoted(text));
        }
        fitting
    }

    /// A duration with a unit, within `range`.
    pub(super) fn duration(&self, name: &str, range: impl RangeBounds<Duration>) -> Option<Duration> {
        let schema = with_unit("A duration with a unit", &range, |limit| show_duration(*limit));
        let entry = self.entry(name, &[Shape::Text], schema)?;
        let place = &entry.place;
        let expected = "a duration with a unit";
        let text = match &*entry.value {
            Value::Integer(number) => {
                let example = place.example(&format!("\"{number}s\""));
                place.problem_with_hint(expected, quoted(&number.to_string()), example);
                return None;
            }
            Value::String(text) => text,
            other => {
                place.problem_with_hint(expected, found(other), place.example("\"5s\""));
                return None;
            }
        };
        if let Ok(number) = text.trim().parse::<u64>() {
            place.problem_with_hint(expected, quoted(text), place.example(&format!("\"{number}s\"")));
            return None;
        }
        let duration = parse_duration(text);
        let Some(duration) = duration else {
            place.problem_with_hint(
                "a duration such as `500ms`, `5s`, `10m`, `72h` or `30d`",
                quoted(text),
                "the units are `ms`, `s`, `m`, `h` and `d`; several can follow each other, as in `1h30m`",
            );
            return None;
        };
        if !range.contains(&duration) {
            place.problem(format!("a duration{}", limits(&range, |limit| show_duration(*limit))), quoted(text));
            return None;
        }
        Some(duration)
    }

    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        let entry = self.entry(name, &[Shape::Text], json!({ "type": "string", "pattern": ":[0-9]+$" }))?;
        let expected = "`ip:port`";
        let text = match &*entry.value {
            Value::String(text) => text.clone(),
            Value::Integer(port) => port.to_string(),
            other => {
                entry.place.problem(expected, found(other));
                return None;
            }
        };
        let address = text.parse().ok();
        if address.is_none() {
            let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(8080);
            let example = entry.place.example(&format!("\"127.0.0.1:{port}\""));
            entry.place.problem_with_hint(expected, quoted(&text), example);
        }
        address
    }

    /// A path, relative to the folder of the file.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let entry = self.entry(name, &[Shape::Text], json!({ "type": "string", "minLength": 1 }))?;
        let text = entry.text("a path")?;
        if text.is_empty() {
            entry.place.problem("a path", quoted(&text));
            return None;
        }
        Some(self.raw().resolve(&text))
    }

    /// A list of texts with their places. A single text counts as a list of one.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<(String, SettingPlace<'_>)>> {
        let schema = json!({ "anyOf": [text(), { "type": "array", "items": text() }] });
        let entry = self.entry(name, &[Shape::List], schema)?;
        match &*entry.value {
            Value::String(text) => Some(vec![(text.clone(), entry.place.clone())]),
            Value::Array(items) => {
                let item = |(index, item): (usize, &Value)| match item {
                    Value::String(text) => Some((text.clone(), entry.place.item(index))),
                    other => {
                        entry.place.item(index).problem("a text", found(other));
                        None
                    }
                };
                Some(items.iter().enumerate().filter_map(item).collect())
            }
            other => {
                entry.place.problem("a list of texts", found(other));
                None
            }
        }
    }
}

impl Entry<'_> {
    pub(super) fn text(&self, expected: &str) -> Option<String> {
        match &*self.value {
            Value::String(text) => Some(text.clone()),
            other => {
                self.place.problem(expected, found(other));
                None
            }
        }
    }
}

impl SettingPlace<'_> {
    /// The text of this place as a pattern.
    pub(super) fn pattern(&self, text: &str) -> Option<Pattern> {
        let pattern = Pattern::new(text);
        pattern.map_err(|error| self.problem_with_hint("a pattern", quoted(text), error.to_string())).ok()
    }
}

/// The schema of any text.
pub(super) fn text() -> Json {
    json!({ "type": "string" })
}

/// A number and a unit; the limits are for people.
fn with_unit<T>(what: &str, range: &impl RangeBounds<T>, show: impl Fn(&T) -> String) -> Json {
    json!({ "type": "string", "pattern": "[0-9].*[A-Za-z]", "$comment": format!("{what}{}", limits(range, show)) })
}

fn limits<T>(range: &impl RangeBounds<T>, show: impl Fn(&T) -> String) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(least), Bound::Included(most)) => format!(" from {} to {}", show(least), show(most)),
        (Bound::Included(least), _) => format!(", at least {}", show(least)),
        (_, Bound::Included(most)) => format!(", at most {}", show(most)),
        _ => String::new(),
    }
}

/// A size in the notation of the configuration.
pub(super) fn show_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = units.iter().find(|(bits, _)| bytes > 0 && bytes.is_multiple_of(1 << bits));
    match exact {
        Some((bits, unit)) => backticked(format_args!("{}{unit}", bytes >> bits)),
        None => backticked(format_args!("{bytes}B")),
    }
}

/// A duration in the notation of the configuration.
pub(super) fn show_duration(duration: Duration) -> String {
    backticked(duration_text(duration))
}

fn size_example(number: i64) -> String {
    let bytes = u64::try_from(number).unwrap_or(1 << 20);
    show_size(bytes).replace('`', "\"")
}

fn backticked(text: impl Display) -> String {
    format!("`{text}`")
}
