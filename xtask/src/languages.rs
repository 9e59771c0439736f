//! `cargo xtask languages`: the templates of all languages, from an empty folder to a served request, and what they cost.

mod bindings;
mod table;

use std::ffi::OsString;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
#[cfg(windows)]
use std::os::windows::fs::symlink_dir as symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use self::table::Row;
use crate::command::{run, step};
use crate::repository::{Profile, Repository};
use crate::tools::Tools;

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Js,
    Ts,
    Python,
    Go,
    C,
    Zig,
}

impl Language {
    pub(crate) const ALL: [Self; 7] = [Self::Rust, Self::Js, Self::Ts, Self::Python, Self::Go, Self::C, Self::Zig];

    /// Its name on the command line of the gateway and of this program.
    fn id(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
            Self::Zig => "zig",
        }
    }

    /// Its name for people.
    fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Ts => "TypeScript",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::C => "C",
            Self::Zig => "Zig",
        }
    }

    /// Installs its tools. Returns the folder that a new plugin links to, and the name of the link.
    fn install(self, tools: &Tools<'_>) -> Result<Option<(PathBuf, &'static str)>> {
        let (name, template) = (self.id(), tools.templates().join(self.id()));
        Ok(match self {
            // `Repository::open` has checked the target.
            Self::Rust => None,
            Self::Js | Self::Ts => Some((tools.npm(name, &template)?, "node_modules")),
            Self::Python | Self::Go | Self::Zig => Some((tools.python(name, &template)?, ".venv")),
            Self::C => {
                tools.c()?;
                None
            }
        })
    }
}

/// What `cargo xtask languages` is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Languages {
    /// Generate the bindings that the templates carry.
    Bindings,
    /// Try the templates of these languages.
    Templates(Vec<Language>),
}

impl Languages {
    pub(crate) fn parse(words: &[OsString]) -> Result<Self, String> {
        if let [word] = words
            && word == "--bindings"
        {
            return Ok(Self::Bindings);
        }
        let language = |word: &OsString| {
            let found = Language::ALL.into_iter().find(|language| word == language.id());
            let known = Language::ALL.map(Language::id).join(", ");
            found.ok_or_else(|| format!("no language `{}`, but {known}", word.display()))
        };
        let named = words.iter().map(language).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Templates(if named.is_empty() { Language::ALL.to_vec() } else { named }))
    }

    pub(crate) fn run(self, repository: &Repository) -> Result<()> {
        let tools = Tools::of(repository);
        match self {
            Self::Bindings => bindings::generate(repository, &tools),
            Self::Templates(languages) => try_templates(repository, &tools, &languages),
        }
    }
}

fn try_templates(repository: &Repository, tools: &Tools<'_>, languages: &[Language]) -> Result<()> {
    let mut installed = Vec::new();
    let mut skipped = Vec::new();
    for language in languages {
        match language.install(tools) {
            Ok(tools) => installed.push((*language, tools)),
            Err(error) => skipped.push(format!("skipped: {}: {error:#}", language.title())),
        }
    }

    repository.build_guests()?;
    step("from an empty folder to a served request");
    let required: Vec<_> = installed.iter().map(|(language, _)| language.id()).collect();
    run(repository
        .cargo(["test", "--profile", Profile::Everyday.name(), "--package", "gateway"])
        .args(["--test", "it", "languages::", "--", "--nocapture"])
        .env("GATEWAY_LANGUAGES", required.join(",")))?;
    repository.build_bench(Profile::Dist)?;

    let mut rows = Vec::new();
    for (language, tools) in &installed {
        rows.push(measure(repository, *language, tools.as_ref())?);
    }
    let table = table::of(&rows);
    println!("{table}");
    for line in &skipped {
        println!("{line}");
    }
    // A part of it is no table, and the figures of two runs do not belong into one.
    if rows.len() == Language::ALL.len() {
        table::write(&repository.root.join("docs/writing-plugins.md"), &table)?;
        step("wrote the table in docs/writing-plugins.md");
    }
    Ok(())
}

/// Builds the channel of a language as its author would, and measures it.
fn measure(repository: &Repository, language: Language, tools: Option<&(PathBuf, &'static str)>) -> Result<Row> {
    let id = language.id();
    step(&format!("measuring {}", language.title()));
    let built = repository.folder(Profile::Dist);
    let folder = repository.target.join("languages").join(id);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let gateway = || {
        let mut command = Command::new(built.join("gateway"));
        // Its own target folder, as outside of this repository.
        command.arg("plugin").env_remove("CARGO_TARGET_DIR").current_dir(&folder);
        command
    };
    run(gateway().args(["new", "doors", "--kind", "channel", "--lang", id]))?;
    let dir = folder.join("doors");
    if let Some((installed, name)) = tools {
        symlink(installed, dir.join(name))?;
    }
    run(gateway().args(["build", "doors"]))?;
    let file = dir.join("doors.wasm");
    run(gateway().arg("check").arg(&file))?;
    run(gateway().args(["test", "doors"]))?;
    figures(&built.join("bench"), &file, &folder, language.title())
}

fn figures(bench: &Path, file: &Path, folder: &Path, title: &'static str) -> Result<Row> {
    let mut command = Command::new(bench);
    let output =
        command.args(["as", "component"]).arg(file).arg(folder).output().context("cannot start the benchmark")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = || format!("{command:?} failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    Row::parse(title, &said).with_context(failed)
}
