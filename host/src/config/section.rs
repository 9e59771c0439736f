//! Tables of the document and their values, from the file or from variables.

use std::borrow::Cow;

use toml::{Table, Value};

use super::asked::{PREFIX, Role};
use super::key::join;
use super::place::SettingPlace;
use super::problem::quoted;
use super::raw::Raw;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Flag,
    List,
    Table,
}

impl Shape {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Integer(_) | Value::Float(_) => Some(Self::Number),
            Value::Boolean(_) => Some(Self::Flag),
            Value::Array(_) => Some(Self::List),
            Value::Table(_) => Some(Self::Table),
            Value::Datetime(_) => None,
        }
    }
}

/// Describes a value for a problem.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        scalar => quoted(&scalar.to_string()),
    }
}

/// A table of the document. A missing table has no keys.
#[derive(Clone)]
pub(super) struct Section<'a> {
    raw: &'a Raw,
    key: String,
    variable: String,
    table: Option<&'a Table>,
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub(super) value: Cow<'a, Value>,
    pub(super) place: SettingPlace<'a>,
}

impl<'a> Section<'a> {
    /// The document itself.
    pub(super) fn root(raw: &'a Raw) -> Self {
        Self { raw, key: String::new(), variable: PREFIX.to_owned(), table: Some(raw.table()) }
    }

    pub(super) fn raw(&self) -> &'a Raw {
        self.raw
    }

    /// Whether the file has this table.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether `name` has a value, in the file or in a variable.
    pub(super) fn has(&self, name: &str) -> bool {
        let variable = self.variable_of(name);
        self.table.is_some_and(|table| table.contains_key(name)) || self.raw.environment().contains_key(&variable)
    }

    /// The full key of `name`.
    pub(super) fn key(&self, name: &str) -> String {
        join(&self.key, name)
    }

    pub(super) fn place(&self, name: &str) -> SettingPlace<'a> {
        SettingPlace::new(self.raw, self.key(name), name)
    }

    pub(super) fn own_place(&self) -> SettingPlace<'a> {
        SettingPlace::new(self.raw, self.key.clone(), &self.key)
    }

    /// The table `name`.
    pub(super) fn section(&self, name: &str) -> Self {
        let table = self.ask_table(name, Role::Table).and_then(|value| match value {
            Value::Table(table) => Some(table),
            other => {
                self.place(name).problem("a table", found(other));
                None
            }
        });
        self.below(name, table)
    }

    /// The tables inside the table `name`, with their names.
    pub(super) fn named(&self, name: &str) -> Vec<(&'a str, Self)> {
        let all = self.section(name);
        self.raw.ask_table(self.key(name), Role::Named);
        let names = all.table.into_iter().flat_map(Table::keys);
        names.map(|name| (name.as_str(), all.section(name))).collect()
    }

    /// The list of tables `name`.
    pub(super) fn list(&self, name: &str) -> Vec<Self> {
        match self.ask_table(name, Role::List) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let item = |(index, value): (usize, &'a Value)| {
                    let section = Self {
                        raw: self.raw,
                        key: format!("{}[{index}]", self.key(name)),
                        variable: format!("{}__{index}", self.variable_of(name)),
                        table: value.as_table(),
                    };
                    if !value.is_table() {
                        section.own_place().problem("a table", found(value));
                    }
                    section
                };
                items.iter().enumerate().map(item).collect()
            }
            Some(other) => {
                let place = self.place(name);
                let hint = format!("write `[[{}]]`", place.key());
                place.problem_with_hint("a list of tables", found(other), hint);
                Vec::new()
            }
        }
    }

    /// The value of `name` from its environment variable, or else from the file.
    ///
    /// The text of a variable is parsed as TOML. It stays a text unless the result has one of `shapes`. `schema` is the JSON Schema
    /// of the values that the caller accepts.
    pub(super) fn entry(
        &self,
        name: &str,
        shapes: &[Shape],
        schema: impl Into<serde_json::Value>,
    ) -> Option<Entry<'a>> {
        let variable = self.variable_of(name);
        self.raw.ask_value(self.key(name), variable.clone());
        self.raw.expect(self.key(name), schema.into());
        let place = self.place(name);
        if let Some(text) = self.raw.environment().get(&variable) {
            let text = text.to_string_lossy();
            let read = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
            let read = read.and_then(|mut table| table.remove("value"));
            let fitting = read.filter(|value| Shape::of(value).is_some_and(|shape| shapes.contains(&shape)));
            let place = place.in_variable(variable);
            return Some(Entry {
                value: Cow::Owned(fitting.unwrap_or_else(|| Value::String(text.into_owned()))),
                place,
            });
        }
        let value = self.table?.get(name)?;
        Some(Entry { value: Cow::Borrowed(value), place })
    }

    fn ask_table(&self, name: &str, role: Role) -> Option<&'a Value> {
        self.raw.ask_table(self.key(name), role);
        self.table?.get(name)
    }

    fn below(&self, name: &str, table: Option<&'a Table>) -> Self {
        Self { raw: self.raw, key: self.key(name), variable: self.variable_of(name), table }
    }

    fn variable_of(&self, name: &str) -> String {
        format!("{}__{}", self.variable, name.to_ascii_uppercase().replace('-', "_"))
    }
}
