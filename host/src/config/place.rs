//! Where a value comes from, for problems and hints.

use super::key::join;
use super::problem::ConfigProblem;
use super::raw::Raw;

/// The key or environment variable of a value, present or missing.
#[derive(Clone)]
pub(super) struct SettingPlace<'a> {
    raw: &'a Raw,
    key: String,
    name: String,
    /// Set if the value comes from an environment variable.
    variable: Option<String>,
}

impl<'a> SettingPlace<'a> {
    /// `name` is the last part of `key`.
    pub(super) fn new(raw: &'a Raw, key: String, name: &str) -> Self {
        Self { raw, key, name: name.to_owned(), variable: None }
    }

    /// The same, with the value from an environment variable.
    pub(super) fn in_variable(self, variable: String) -> Self {
        Self { variable: Some(variable), ..self }
    }

    /// The key in the file, even if the value comes from a variable.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn raw(&self) -> &'a Raw {
        self.raw
    }

    /// The place of an item, if the value is a list.
    pub(super) fn item(&self, index: usize) -> Self {
        let variable = self.variable.as_ref().map(|variable| format!("{variable}[{index}]"));
        Self { raw: self.raw, key: format!("{}[{index}]", self.key), name: self.name.clone(), variable }
    }

    /// The place of a member, if the value is an inline table.
    pub(super) fn member(&self, name: &str) -> Self {
        let variable = self.variable.as_ref().map(|variable| format!("{variable}.{name}"));
        Self { raw: self.raw, key: join(&self.key, name), name: name.to_owned(), variable }
    }

    /// A hint to set `value`, given as TOML.
    pub(super) fn example(&self, value: &str) -> String {
        match &self.variable {
            Some(variable) => format!("set `{variable}={}`", value.trim_matches('"')),
            None => format!("write `{} = {value}`", self.name),
        }
    }

    /// Reports a problem with this value. `found` is in words or quoted.
    pub(super) fn problem(&self, expected: impl Into<String>, found: impl Into<String>) {
        self.note(expected.into(), found.into(), None);
    }

    /// The same with a hint.
    pub(super) fn problem_with_hint(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(expected.into(), found.into(), Some(hint.into()));
    }

    fn note(&self, expected: String, found: String, hint: Option<String>) {
        let key = self.variable.as_ref().unwrap_or(&self.key).clone();
        self.raw.note(ConfigProblem { key, expected, found: Some(found), hint });
    }
}
