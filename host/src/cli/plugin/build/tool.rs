//! What every language needs for its build: a folder to work in, and a way to run a tool.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::plugin::project::Project;

/// The output of the tools of a language.
pub(super) enum Built {
    /// A component, ready to be served.
    Component(PathBuf),
    /// A core module, which becomes a component here, so that its author needs no tool but the compiler.
    Core(PathBuf),
}

/// The folder for intermediate files.
pub(super) fn scratch(project: &Project) -> anyhow::Result<PathBuf> {
    let dir = project.dir.join("build");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    Ok(dir)
}

/// Runs a tool in the folder, with its output on stderr.
pub(super) fn run_tool(project: &Project, command: &mut Command) -> anyhow::Result<()> {
    // Stdout is for the path of the plugin alone.
    let stdout = Stdio::from(std::io::stderr());
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let status = command.current_dir(&project.dir).stdin(Stdio::null()).stdout(stdout).status();
    let status = status.with_context(|| format!("cannot start `{}`", program.display()))?;
    if !status.success() {
        bail!("`{name}` failed ({status}); its output is above");
    }
    Ok(())
}
