//! Skills: folders with a `SKILL.md` that are offered to agents by name, description and path.
//!
//! It owns the folder: reading it, keeping what was read, and reading again when it changes. A skill that breaks a rule
//! is a [`Problem`] with a file and a line; the others are served. The text below the front matter is never
//! interpreted: agents read it themselves, from [`Skill::path`].
//!
//! # Contract
//! 1. Only `<dir>/<name>/SKILL.md` is read, and only if it lies below `<dir>` after every symbolic link is followed.
//! 2. No more than [`Settings::max_skills`] folders and [`Settings::max_file_bytes`] of each file are read.
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
pub use self::watch::{WatchError, Watcher, watch};

/// The file that makes a folder a skill.
pub const FILE_NAME: &str = "SKILL.md";

/// Where skills are and how much of them is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder whose subfolders are skills.
    pub dir: PathBuf,
    /// The largest `SKILL.md` that is accepted, in bytes.
    pub max_file_bytes: usize,
    /// How many folders are looked at; the first ones by name.
    pub max_skills: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dir: PathBuf::from("skills"), max_file_bytes: 256 * 1024, max_skills: 256 }
    }
}

/// One skill that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skill {
    /// 1 to 64 of `a-z0-9-`; also the name of its folder.
    pub name: String,
    /// What it does and when to use it, 1 to 1024 characters.
    pub description: String,
    /// The absolute path of its `SKILL.md`.
    pub path: String,
    /// The licence it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What it needs around it, at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
    /// The table `metadata` as it was written; an empty object when there is none.
    pub metadata: serde_json::Value,
    /// The tools it may use, in the words of the agent that knows them.
    pub allowed_tools: Vec<String>,
    /// SHA-256 of the file in lower-case hex.
    pub digest: String,
}

/// Why a folder is not served as a skill.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SkillProblem {
    /// The file or folder.
    pub path: PathBuf,
    /// The line in the file, counted from 1; none when the whole of it is meant.
    pub line: Option<usize>,
    /// What is wrong and what was expected.
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
