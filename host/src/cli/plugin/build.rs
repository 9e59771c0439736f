//! `gateway plugin build`: one file per language, one component as the result.

mod c;
mod component;
mod go;
mod needs;
mod python;
mod quickjs;
mod rust;
mod tool;
mod zig;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use self::tool::{Built, scratch};
use super::pack;
use super::project::{Lang, Project};
use crate::cli::failure::Failure;
use crate::cli::output;

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArguments {
    /// Folder created by `gateway plugin new`; by default the current one
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
}

/// Builds the plugin of a folder and prints the path of its file.
pub(super) fn run(arguments: &BuildArguments) -> Result<(), Failure> {
    let project = Project::open(&arguments.dir)?;
    let file = build(&project)?;
    output::text(&format!("{}\n", file.display()))
}

/// Builds the plugin of a folder. The file of an earlier build stays until this one has succeeded.
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
    fs::read(file).with_context(|| format!("cannot read `{}`, which the build should have written", file.display()))
}
