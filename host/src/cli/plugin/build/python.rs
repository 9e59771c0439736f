//! Builds Python with componentize-py.

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use anyhow::Context;

use super::needs::Needs;
use super::tool::{Built, run_tool, scratch};
use crate::cli::plugin::project::{Lang, Project};

/// Type stubs of the imports, for editors.
const TYPES: &str = "types";

pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let install = Lang::Python.setup().map(|setup| format!("`{setup}`, in the folder"));
    let componentize = needs.program(&["componentize-py"], install.unwrap_or_default());
    needs.check()?;

    let world = project.world();
    let tool = || {
        let mut command = Command::new(&componentize);
        command.args(["--wit-path", "wit", "--world", &world]);
        command
    };
    let types = project.dir.join(TYPES);
    match fs::remove_dir_all(&types) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace `{}`", types.display()));
        }
        _ => {}
    }
    run_tool(project, tool().args(["bindings", TYPES]))?;
    let file = scratch(project)?.join("plugin.wasm");
    run_tool(project, tool().args(["componentize", "plugin", "--output"]).arg(&file))?;
    Ok(Built::Component(file))
}
