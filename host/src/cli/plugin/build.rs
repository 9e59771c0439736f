mod c;
mod component;
mod go;
mod needs;
mod python;
mod quickjs;
mod rust;
mod zig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use clap::Args;

use super::pack;
use super::project::{Lang, Project};
use crate::cli::failure::Failure;
use crate::cli::output;

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArguments {
    /// A folder that `gateway plugin new` made; this one when left out
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
}

/// What the tools of a language make of the source.
enum Built {
    /// A component, ready to be served.
    Component(PathBuf),
    /// A core module, which becomes a component here: so its author needs no tool but the compiler.
    Core(PathBuf),
}

/// Builds the plugin of a folder and prints where it is.
pub(super) fn run(arguments: &BuildArguments) -> Result<(), Failure> {
    let project = Project::open(&arguments.dir)?;
    let file = build(&project)?;
    output::text(&format!("{}\n", file.display()))
}

/// Builds the plugin of a folder. What was built before stays until that is done.
pub(super) fn build(project: &Project) -> anyhow::Result<PathBuf> {
    let built = match project.plan.lang {
        Lang::Rust => rust::build(project)?,
        Lang::Js => quickjs::build(project)?,
        Lang::Ts => quickjs::build_typed(project)?,
        Lang::Python => python::build(project)?,
        Lang::Go => go::build(project)?,
        Lang::C => c::build(project)?,
        Lang::Zig => zig::build(project)?,
    };
    let bytes = match &built {
        Built::Component(file) => read(file)?,
        Built::Core(file) => component::of_core(&read(file)?, &project.dir.join("wit"), &project.world())?,
    };
    let bytes = pack::packed(&bytes, &project.dir.join("samples"))?;
    let file = project.component();
    let new = scratch(project)?.join("new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, &file))
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(file)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read `{}`, which the build should have made", file.display()))
}

/// The folder for what lies between source and plugin.
fn scratch(project: &Project) -> anyhow::Result<PathBuf> {
    let dir = project.dir.join("build");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    Ok(dir)
}

/// Runs a tool in the folder; the person at the terminal sees all that it says.
fn run_tool(project: &Project, command: &mut Command) -> anyhow::Result<()> {
    // Standard output is for the name of the file alone.
    let stdout = Stdio::from(std::io::stderr());
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let status = command.current_dir(&project.dir).stdin(Stdio::null()).stdout(stdout).status();
    let status = status.with_context(|| format!("cannot start `{}`", program.display()))?;
    if !status.success() {
        bail!("`{name}` failed ({status}); what it said stands above");
    }
    Ok(())
}
