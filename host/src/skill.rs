//! Skills: folders with a `SKILL.md`, which agents get by name, description and path.
//!
//! This module owns the skill folder: scanning it, serving the result, and scanning again after changes. A skill that breaks a
//! rule becomes a [`SkillProblem`] with a file and a line; the others are served. The text below the front matter is never
//! interpreted: agents read it from [`Skill::path`].
//!
//! # Contract
//! 1. Only `<dir>/<name>/SKILL.md` is read, and only if it lies below `<dir>` after all symbolic links are resolved.
//! 2. At most [`Settings::max_skills`] folders and [`Settings::max_file_bytes`] of each file are read.
//! 3. No content makes [`scan`] fail or panic; a missing folder is an empty catalog.

mod catalog;
mod front_matter;
mod scan;
mod watch;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

pub use self::catalog::{Catalog, Skills};
pub use self::scan::scan;
pub use self::watch::{SkillMetrics, WatchError, Watcher, watch};

/// The file that marks a folder as a skill.
pub const FILE_NAME: &str = "SKILL.md";

/// The skill folder and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder whose subfolders are skills.
    pub dir: PathBuf,
    /// The largest `SKILL.md` that is accepted, in bytes.
    pub max_file_bytes: usize,
    /// The maximum number of folders; the first ones by name are scanned.
    pub max_skills: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dir: PathBuf::from("skills"), max_file_bytes: 256 * 1024, max_skills: 256 }
    }
}

/// One valid skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skill {
    /// 1 to 64 of `a-z0-9-`; equals the name of its folder.
    pub name: String,
    /// What it does and when to use it, 1 to 1024 characters.
    pub description: String,
    /// The absolute path of its `SKILL.md`.
    pub path: String,
    /// The licence, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Requirements on its environment, at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
    /// The table `metadata`, unchanged; an empty object if it is missing.
    pub metadata: serde_json::Value,
    /// The tools that it may use, named as the agent knows them.
    pub allowed_tools: Vec<String>,
    /// SHA-256 of the file in lower-case hex.
    pub digest: String,
}

/// Why a folder could not be loaded as a skill.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SkillProblem {
    /// The file or folder.
    pub path: PathBuf,
    /// The line in the file, counted from 1; `None` for the whole file.
    pub line: Option<usize>,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for SkillProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.message)
    }
}
