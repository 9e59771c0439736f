//! The file as it was written, with the environment on top. Opens nothing, knows no defaults.
//!
//! Every key is optional here and is asked for by name; what nobody asked for is unknown. So each key stands once in
//! the code, beside its default and its bounds, and no list of keys can fall behind.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::place::Place;
use super::problem::{Problem, quoted};
use super::unknown::{join, unknown_keys, unknown_variables};

/// What environment variables that override a key start with.
const PREFIX: &str = "GATEWAY";

/// Environment variables, by name.
pub(super) type Environment = BTreeMap<String, OsString>;

/// The configuration as it was written.
pub(super) struct Raw {
    table: Table,
    environment: Environment,
    base: PathBuf,
    notes: RefCell<Notes>,
}

/// What came up while the configuration was read.
#[derive(Default)]
struct Notes {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// Every key that was asked for, and whether it is a table with keys of its own.
    asked: BTreeMap<String, Role>,
    /// The variable of every key that was asked for.
    variables: BTreeMap<String, String>,
}

/// What a key that was asked for stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Keys of its own.
    Table,
    /// A value.
    Leaf,
}

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

impl Raw {
    /// Reads the text of a file; all its syntax errors when it has any. Relative paths start at `base`.
    pub(super) fn parse(text: &str, base: &Path, environment: Environment) -> Result<Self, Vec<Problem>> {
        let (_, mut errors) = toml::de::DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        if !errors.is_empty() {
            return Err(errors.iter().map(|error| syntax_problem(text, error)).collect());
        }
        let table = text.parse().map_err(|error| vec![syntax_problem(text, &error)])?;
        Ok(Self { table, environment, base: base.to_owned(), notes: RefCell::default() })
    }

    /// The document.
    pub(super) fn root(&self) -> Section<'_> {
        Section { raw: self, key: String::new(), variable: PREFIX.to_owned(), table: Some(&self.table) }
    }

    /// The environment, for secrets.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// `path` as seen from the folder of the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Keeps a remark that does not stop anything.
    pub(super) fn warn(&self, warning: String) {
        self.notes.borrow_mut().warnings.push(warning);
    }

    /// Keeps a problem.
    pub(super) fn note(&self, problem: Problem) {
        self.notes.borrow_mut().problems.push(problem);
    }

    /// Ends the reading: the warnings, or every problem, among them the keys and variables that nobody asked for.
    pub(super) fn finish(self) -> Result<Vec<String>, Vec<Problem>> {
        let Notes { mut problems, warnings, asked, variables } = self.notes.into_inner();
        unknown_keys(&self.table, "", &asked, &mut problems);
        unknown_variables(&format!("{PREFIX}__"), &self.environment, &variables, &mut problems);
        if problems.is_empty() { Ok(warnings) } else { Err(problems) }
    }

    /// Every key that was asked for, without those inside lists.
    #[cfg(test)]
    pub(super) fn asked_keys(&self) -> Vec<String> {
        self.notes.borrow().asked.keys().cloned().collect()
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
    pub(super) place: Place<'a>,
}

impl<'a> Section<'a> {
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
        self.table.is_some_and(|table| table.contains_key(name)) || self.raw.environment.contains_key(&variable)
    }

    /// The whole key of `name` in this table.
    pub(super) fn key(&self, name: &str) -> String {
        join(&self.key, name)
    }

    /// The place of `name` in the file.
    pub(super) fn place(&self, name: &str) -> Place<'a> {
        Place::new(self.raw, self.key(name), name)
    }

    /// The place of the table itself.
    pub(super) fn own_place(&self) -> Place<'a> {
        Place::new(self.raw, self.key.clone(), &self.key)
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
        let mut notes = self.raw.notes.borrow_mut();
        notes.asked.insert(self.key(name), Role::Leaf);
        notes.variables.insert(variable.clone(), self.key(name));
        drop(notes);
        let place = self.place(name);
        if let Some(text) = self.raw.environment.get(&variable) {
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
        self.raw.notes.borrow_mut().asked.insert(self.key(name), Role::Table);
        self.table?.get(name)
    }

    fn below(&self, name: &str, table: Option<&'a Table>) -> Self {
        Self { raw: self.raw, key: self.key(name), variable: self.variable_of(name), table }
    }

    fn variable_of(&self, name: &str) -> String {
        format!("{}__{}", self.variable, name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// Line and column, and no line of the file itself: it may hold a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let key = match error.span() {
        Some(span) => {
            let mut start = span.start.min(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let before = &text[..start];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}")
        }
        None => String::new(),
    };
    Problem { key, expected: error.message().to_owned(), found: None, hint: None }
}
