//! `where` of a route.

use serde_json::json;
use toml::{Table, Value};

use super::place::SettingPlace;
use super::problem::quoted;
use super::section::{Section, Shape, found};
use super::unknown::nearest;
use crate::dispatch::{Condition, Field, Number, Pointer, Scalar, Test};
use crate::event::{CloudEvent, is_attribute_name};

/// The start of the names of values in the data.
const DATA: &str = "data.";

/// What a condition can be.
const EXPECTED: &str = "a text, a number, `true`, `false`, a list of these, or a table";
const MEMBERS: [&str; 4] = ["pattern", "min", "max", "not"];

fn table_schema() -> serde_json::Value {
    json!({ "type": "object", "maxProperties": Condition::MAX, "additionalProperties": { "$ref": "#/$defs/condition" } })
}

/// The schema of one condition, `#/$defs/condition`.
pub(super) fn schema() -> serde_json::Value {
    let pattern =
        json!({ "anyOf": [{ "type": "string" }, { "type": "array", "minItems": 1, "items": { "type": "string" } }] });
    let table = json!({
        "type": "object",
        "properties": {
            "pattern": pattern,
            "min": { "type": "number" },
            "max": { "type": "number" },
            "not": { "$ref": "#/$defs/condition" },
        },
        "additionalProperties": false,
        "minProperties": 1,
    });
    let list = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/condition" } });
    json!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, list, table] })
}

/// Reads `where`.
pub(super) fn conditions(section: &Section<'_>) -> Vec<Condition> {
    let Some(entry) = section.entry("where", &[Shape::Table], table_schema()) else { return Vec::new() };
    let Value::Table(table) = &*entry.value else {
        entry.place.problem_with_hint(
            "a table",
            found(&entry.value),
            entry.place.example("{ severity = \"critical\" }"),
        );
        return Vec::new();
    };
    if table.len() > Condition::MAX {
        entry.place.problem(format!("at most {} conditions", Condition::MAX), quoted(&table.len().to_string()));
    }
    let condition = |(name, value): (&String, &Value)| {
        let place = entry.place.member(name);
        Some(Condition { field: field(name, &place)?, test: Values::new(&place).test(value, &place)? })
    };
    table.iter().filter_map(condition).collect()
}

fn field(name: &str, place: &SettingPlace<'_>) -> Option<Field> {
    if name == "subject" {
        return Some(Field::Subject);
    }
    if let Some(text) = name.strip_prefix(DATA) {
        let pointer = Pointer::new(text);
        if pointer.is_none() {
            place.problem_with_hint(
                format!("a JSON pointer of at most {} parts after `data.`", Pointer::MAX_DEPTH),
                quoted(text),
                "write `\"data./repository/private\"`; `~1` stands for a `/` within a name, and `~0` for a `~`",
            );
        }
        return pointer.map(Field::Data);
    }
    if name == "data" {
        let hint = "write `\"data./repository/private\"` in quotes, with a JSON pointer after `data.`";
        place.problem_with_hint("a value in the data", "`data`", hint);
    } else if CloudEvent::reserves(name) || !is_attribute_name(name) {
        let hint = match name {
            "type" | "kind" => "the route's `kinds` are patterns of kinds",
            "source" | "channel" => "the route's `channels` are patterns of channels",
            _ => "attributes have names of 1 to 20 of `a-z` and `0-9`; values in the data are `\"data./pointer\"`",
        };
        place.problem_with_hint(
            "the name of an attribute, `subject`, or `data.` and a JSON pointer",
            quoted(name),
            hint,
        );
    } else {
        return Some(Field::Attribute(name.to_owned()));
    }
    None
}

/// Counts the values of one condition.
struct Values<'a> {
    condition: &'a SettingPlace<'a>,
    count: usize,
}

impl<'a> Values<'a> {
    fn new(condition: &'a SettingPlace<'a>) -> Self {
        Self { condition, count: 0 }
    }

    fn count(&mut self) {
        self.count += 1;
        if self.count == Condition::MAX_VALUES + 1 {
            self.condition.problem(format!("at most {} values", Condition::MAX_VALUES), "more");
        }
    }

    fn test(&mut self, value: &Value, place: &SettingPlace<'_>) -> Option<Test> {
        self.count();
        match value {
            Value::String(text) => Some(Test::Is(Scalar::Text(text.clone().into()))),
            Value::Boolean(flag) => Some(Test::Is(Scalar::Flag(*flag))),
            Value::Integer(_) | Value::Float(_) => number(value, place).map(|number| Test::Is(Scalar::Number(number))),
            Value::Array(items) if items.is_empty() => {
                place.problem("at least one value", "an empty list");
                None
            }
            Value::Array(items) => {
                let tests = items.iter().enumerate().map(|(index, item)| self.test(item, &place.item(index)));
                tests.collect::<Option<_>>().map(Test::AnyOf)
            }
            Value::Table(table) => self.table(table, place),
            Value::Datetime(_) => {
                place.problem(EXPECTED, found(value));
                None
            }
        }
    }

    /// `{ pattern = .. }`, `{ min = .., max = .. }` and `{ not = .. }`, alone or together.
    fn table(&mut self, table: &Table, place: &SettingPlace<'_>) -> Option<Test> {
        let mut tests = Vec::new();
        let (mut min, mut max) = (None, None);
        for (name, value) in table {
            let place = place.member(name);
            match name.as_str() {
                "pattern" => tests.push(self.patterns(value, &place)?),
                "min" => min = Some(number(value, &place)?),
                "max" => max = Some(number(value, &place)?),
                "not" => tests.push(Test::Not(Box::new(self.test(value, &place)?))),
                _ => {
                    let expected = "`pattern`, `min`, `max` or `not`";
                    match nearest(name, MEMBERS.into_iter()) {
                        Some(near) => {
                            place.problem_with_hint(expected, quoted(name), format!("did you mean `{near}`?"))
                        }
                        None => place.problem(expected, quoted(name)),
                    }
                    return None;
                }
            }
        }
        if let (Some(least), Some(most)) = (min, max)
            && least > most
        {
            place.member("max").problem(format!("at least `min` ({least})"), quoted(&most.to_string()));
        }
        if min.is_some() || max.is_some() {
            tests.push(Test::Range { min, max });
        }
        match tests.len() {
            0 => {
                place.problem("`pattern`, `min`, `max` or `not`", "an empty table");
                None
            }
            1 => tests.pop(),
            _ => Some(Test::All(tests)),
        }
    }

    fn patterns(&mut self, value: &Value, place: &SettingPlace<'_>) -> Option<Test> {
        self.count();
        match value {
            Value::String(text) => place.pattern(text).map(Test::Like),
            Value::Array(items) if !items.is_empty() => {
                let tests = items.iter().enumerate().map(|(index, item)| self.patterns(item, &place.item(index)));
                tests.collect::<Option<_>>().map(Test::AnyOf)
            }
            other => {
                place.problem("a pattern, or a list of patterns", found(other));
                None
            }
        }
    }
}

fn number(value: &Value, place: &SettingPlace<'_>) -> Option<Number> {
    let number = match value {
        Value::Integer(number) => Some(Number::Whole((*number).into())),
        Value::Float(number) if number.is_finite() => Some(Number::Real(*number)),
        _ => None,
    };
    if number.is_none() {
        place.problem("a number", found(value));
    }
    number
}
