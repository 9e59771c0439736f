use super::key::join;
use super::problem::ConfigProblem;
use super::raw::Raw;

/// Where a value was written, or should be: in the file or in a variable.
#[derive(Clone)]
pub(super) struct SettingPlace<'a> {
    raw: &'a Raw,
    key: String,
    /// The last part of the key.
    name: String,
    /// Set when an environment variable decides.
    variable: Option<String>,
}

impl<'a> SettingPlace<'a> {
    /// The place of `key`, whose last part is `name`, in the file.
    pub(super) fn new(raw: &'a Raw, key: String, name: &str) -> Self {
        Self { raw, key, name: name.to_owned(), variable: None }
    }

    /// The same when an environment variable decides what stands there.
    pub(super) fn in_variable(self, variable: String) -> Self {
        Self { variable: Some(variable), ..self }
    }

    /// The key in the file, also when a variable decides.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// What the place belongs to.
    pub(super) fn raw(&self) -> &'a Raw {
        self.raw
    }

    /// The place of one item of the list that stands here.
    pub(super) fn item(&self, index: usize) -> Self {
        let variable = self.variable.as_ref().map(|variable| format!("{variable}[{index}]"));
        Self { raw: self.raw, key: format!("{}[{index}]", self.key), name: self.name.clone(), variable }
    }

    /// The place of a key of the inline table that stands here.
    pub(super) fn member(&self, name: &str) -> Self {
        let variable = self.variable.as_ref().map(|variable| format!("{variable}.{name}"));
        Self { raw: self.raw, key: join(&self.key, name), name: name.to_owned(), variable }
    }

    /// What to write here to have `value`, given as TOML.
    pub(super) fn example(&self, value: &str) -> String {
        match &self.variable {
            Some(variable) => format!("set `{variable}={}`", value.trim_matches('"')),
            None => format!("write `{} = {value}`", self.name),
        }
    }

    /// Notes that what stands here is not what it should be. `found` is in words or quoted.
    pub(super) fn problem(&self, expected: impl Into<String>, found: impl Into<String>) {
        self.note(expected.into(), found.into(), None);
    }

    /// The same, with what to do about it.
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
