//! Tables of the document, and the values in them, as the file or a variable has them.

use std::borrow::Cow;

use toml::{Table, Value};

use super::asked::PREFIX;
use super::key::join;
use super::place::SettingPlace;
use super::problem::quoted;
use super::raw::Raw;

/// What a value can be.
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

/// What stands at a key, in words for a problem.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        scalar => quoted(&scalar.to_string()),
    }
}

/// One table of the document, at its place. A table that is not there has no keys.
#[derive(Clone)]
pub(super) struct Section<'a> {
    raw: &'a Raw,
    key: String,
    variable: String,
    table: Option<&'a Table>,
}

/// One value, and where it comes from.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    /// What was written.
    pub(super) value: Cow<'a, Value>,
    /// Where.
    pub(super) place: SettingPlace<'a>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(super) fn root(raw: &'a Raw) -> Self {
        Self { raw, key: String::new(), variable: PREFIX.to_owned(), table: Some(raw.table()) }
    }

    /// What the section belongs to.
    pub(super) fn raw(&self) -> &'a Raw {
        self.raw
    }

    /// Whether it stands in the file.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether `name` has a value, in the file or in a variable.
    pub(super) fn has(&self, name: &str) -> bool {
        let variable = self.variable_of(name);
        self.table.is_some_and(|table| table.contains_key(name)) || self.raw.environment().contains_key(&variable)
    }

    /// The whole key of `name` in this table.
    pub(super) fn key(&self, name: &str) -> String {
        join(&self.key, name)
    }

    /// The place of `name` in the file.
    pub(super) fn place(&self, name: &str) -> SettingPlace<'a> {
        SettingPlace::new(self.raw, self.key(name), name)
    }

    /// The place of the table itself.
    pub(super) fn own_place(&self) -> SettingPlace<'a> {
        SettingPlace::new(self.raw, self.key.clone(), &self.key)
    }

    /// The table `name` in this one.
    pub(super) fn section(&self, name: &str) -> Self {
        let table = self.ask_table(name).and_then(|value| match value {
            Value::Table(table) => Some(table),
            other => {
                self.place(name).problem("a table", found(other));
                None
            }
        });
        self.below(name, table)
    }

    /// The tables in the table `name`, by their names.
    pub(super) fn named(&self, name: &str) -> Vec<(&'a str, Self)> {
        let all = self.section(name);
        let names = all.table.into_iter().flat_map(Table::keys);
        names.map(|name| (name.as_str(), all.section(name))).collect()
    }

    /// The tables in the list `name`.
    pub(super) fn list(&self, name: &str) -> Vec<Self> {
        match self.ask_table(name) {
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

    /// The value of `name`, if there is one: that of its environment variable, else that in the file.
    ///
    /// A variable is read as TOML when that gives one of `shapes`, and as a text otherwise.
    pub(super) fn entry(&self, name: &str, shapes: &[Shape]) -> Option<Entry<'a>> {
        let variable = self.variable_of(name);
        self.raw.ask_value(self.key(name), variable.clone());
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

    fn ask_table(&self, name: &str) -> Option<&'a Value> {
        self.raw.ask_table(self.key(name));
        self.table?.get(name)
    }

    fn below(&self, name: &str, table: Option<&'a Table>) -> Self {
        Self { raw: self.raw, key: self.key(name), variable: self.variable_of(name), table }
    }

    fn variable_of(&self, name: &str) -> String {
        format!("{}__{}", self.variable, name.to_ascii_uppercase().replace('-', "_"))
    }
}
