//! The parsed file and the environment. Knows no defaults.
//!
//! Every key is optional here. Code reads it by name, and keys that no code reads are unknown. So each key appears once in
//! the code, with its default and its bounds, and there is no list of keys to maintain.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;
use toml::Table;

use super::asked::{Asked, Environment, PREFIX, Role};
use super::problem::ConfigProblem;
use super::source::{Digest, Source, digest};
use super::unknown::{unknown_keys, unknown_variables};

/// The raw configuration.
pub(super) struct Raw {
    table: Table,
    environment: Environment,
    base: PathBuf,
    notes: RefCell<Notes>,
}

/// What was found while the configuration was read.
#[derive(Default)]
struct Notes {
    problems: Vec<ConfigProblem>,
    warnings: Vec<String>,
    asked: Asked,
    files: BTreeMap<PathBuf, Option<Digest>>,
}

impl Raw {
    /// Parses the text of a file, or returns all syntax errors. Relative paths start at `base`.
    pub(super) fn parse(text: &str, base: &Path, environment: Environment) -> Result<Self, Vec<ConfigProblem>> {
        let (_, mut errors) = toml::de::DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        if !errors.is_empty() {
            return Err(errors.iter().map(|error| syntax_problem(text, error)).collect());
        }
        let table = text.parse().map_err(|error| vec![syntax_problem(text, &error)])?;
        Ok(Self::of(table, base, environment))
    }

    /// The same of a parsed file.
    pub(super) fn of(table: Table, base: &Path, environment: Environment) -> Self {
        Self { table, environment, base: base.to_owned(), notes: RefCell::default() }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Resolves a path relative to the folder of the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Reads a file that the configuration refers to.
    pub(super) fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let read = fs::read(path);
        self.note_file(path, read.as_ref().ok().map(Vec::as_slice));
        read
    }

    /// Notes that the configuration depends on this file, and what it holds.
    pub(super) fn note_file(&self, path: &Path, content: Option<&[u8]>) {
        self.notes.borrow_mut().files.insert(path.to_owned(), content.map(digest));
    }

    pub(super) fn warn(&self, warning: String) {
        self.notes.borrow_mut().warnings.push(warning);
    }

    pub(super) fn note(&self, problem: ConfigProblem) {
        self.notes.borrow_mut().problems.push(problem);
    }

    /// Marks `key` as known, and `variable` as the one that overrides it.
    pub(super) fn ask_value(&self, key: String, variable: String) {
        let asked = &mut self.notes.borrow_mut().asked;
        asked.keys.insert(key.clone(), Role::Leaf);
        asked.variables.insert(variable, key);
    }

    /// Marks `key` as one whose value fits a JSON Schema.
    pub(super) fn expect(&self, key: String, schema: Value) {
        self.notes.borrow_mut().asked.values.insert(key, schema);
    }

    /// Marks `key` as a known table or list of tables.
    pub(super) fn ask_table(&self, key: String, role: Role) {
        self.notes.borrow_mut().asked.keys.insert(key, role);
    }

    /// The problems that were noted so far; they are forgotten.
    pub(super) fn take_problems(&self) -> Vec<ConfigProblem> {
        std::mem::take(&mut self.notes.borrow_mut().problems)
    }

    /// Returns the warnings and the source, or all problems, including unknown keys and variables.
    pub(super) fn finish(self) -> Result<(Vec<String>, Source), Vec<ConfigProblem>> {
        let Notes { mut problems, warnings, asked, files } = self.notes.into_inner();
        unknown_keys(&self.table, "", &asked, &mut problems);
        unknown_variables(&format!("{PREFIX}__"), &self.environment, &asked, &mut problems);
        if problems.is_empty() {
            Ok((warnings, Source { files, document: self.table, ..Source::default() }))
        } else {
            Err(problems)
        }
    }

    /// Everything that was asked.
    pub(super) fn asked(&self) -> Asked {
        self.notes.borrow().asked.clone()
    }

    /// The problems and warnings so far.
    pub(super) fn notes(&self) -> (Vec<ConfigProblem>, Vec<String>) {
        let notes = self.notes.borrow();
        (notes.problems.clone(), notes.warnings.clone())
    }
}

/// A syntax error with line and column, but without the line itself, which may hold a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> ConfigProblem {
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
    ConfigProblem { key, expected: error.message().to_owned(), found: None, hint: None }
}
