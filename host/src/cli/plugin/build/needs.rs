//! The tools that a build needs.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::plugin::project::Project;

/// The tools that a build needs. All missing ones are reported at once, before anything runs.
pub(super) struct Needs<'a> {
    project: &'a Project,
    missing: Vec<&'static str>,
    hints: Vec<String>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        Self { project, missing: Vec::new(), hints: Vec::new() }
    }

    /// The first of these programs that exists; `hint` says how to install it.
    pub(super) fn program(&mut self, names: &[&'static str], hint: impl Into<String>) -> PathBuf {
        let found = names.iter().find_map(|name| find(&self.project.dir, name));
        self.holds(found.is_some(), names[0], hint);
        // `check` fails before a missing program could run.
        found.unwrap_or_default()
    }

    /// Anything else, such as a library.
    pub(super) fn holds(&mut self, is_there: bool, what: &'static str, hint: impl Into<String>) {
        if !is_there {
            let hint = hint.into();
            self.missing.push(what);
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
    }

    /// Whether nothing is missing so far.
    pub(super) fn are_met(&self) -> bool {
        self.missing.is_empty()
    }

    /// Fails with everything that is missing and how to install it.
    pub(super) fn check(self) -> anyhow::Result<()> {
        if self.are_met() {
            return Ok(());
        }
        let Project { dir, plan } = self.project;
        let missing: Vec<_> = self.missing.iter().map(|what| format!("\n  {what}")).collect();
        let hints: Vec<_> = self.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let place = dir.display();
        bail!("cannot build `{place}`: {} needs what is missing:{}{}", plan.lang, missing.concat(), hints.concat());
    }
}

/// Searches the tools of the folder itself, then `PATH`.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let own = [dir.join(".venv/bin"), dir.join("node_modules/.bin")];
    let path = env::var_os("PATH").unwrap_or_default();
    own.into_iter().chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
}
