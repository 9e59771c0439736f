use std::env;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::plugin::project::Project;

/// What a build needs. All of it is looked for before anything is run, and all that is missing is told at once.
pub(super) struct Needs<'a> {
    project: &'a Project,
    missing: Vec<&'static str>,
    hints: Vec<String>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        Self { project, missing: Vec::new(), hints: Vec::new() }
    }

    /// A program under the first of its names that is found; `hint` says how it is installed.
    pub(super) fn program(&mut self, names: &[&'static str], hint: impl Into<String>) -> PathBuf {
        let found = names.iter().find_map(|name| find(&self.project.dir, name));
        self.holds(found.is_some(), names[0], hint);
        // Not found, it is never run.
        found.unwrap_or_default()
    }

    /// Something that is no program.
    pub(super) fn holds(&mut self, is_there: bool, what: &'static str, hint: impl Into<String>) {
        if !is_there {
            let hint = hint.into();
            self.missing.push(what);
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
    }

    /// Whether nothing was missing so far.
    pub(super) fn are_met(&self) -> bool {
        self.missing.is_empty()
    }

    /// Tells what is missing and how it is installed.
    pub(super) fn check(self) -> anyhow::Result<()> {
        if self.are_met() {
            return Ok(());
        }
        let Project { dir, plan } = self.project;
        let missing: Vec<_> = self.missing.iter().map(|what| format!("\n  {what}")).collect();
        let hints: Vec<_> = self.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let place = dir.display();
        bail!(
            "`{place}` cannot be built, because {} needs what is missing:{}{}",
            plan.lang,
            missing.concat(),
            hints.concat()
        );
    }
}

/// Looks where a folder keeps its own tools, then in `PATH`.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let own = [dir.join(".venv/bin"), dir.join("node_modules/.bin")];
    let path = env::var_os("PATH").unwrap_or_default();
    own.into_iter().chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
}
