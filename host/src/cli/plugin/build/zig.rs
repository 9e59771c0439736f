//! Builds Zig, with the C bindings of the interface.

use std::process::Command;

use super::needs::Needs;
use super::tool::{Built, run_tool, scratch};
use crate::cli::plugin::project::Project;

/// The package with the compiler, in the version that the template was tested with.
const PACKAGE: &str = include_str!("../../../../../plugins/templates/zig/requirements.txt");

pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let install = format!("`python3 -m venv .venv && .venv/bin/pip install {}`, in the folder", PACKAGE.trim());
    let zig = needs.program(&["zig", "python-zig"], install);
    needs.check()?;

    let file = scratch(project)?.join("core.wasm");
    let mut command = Command::new(zig);
    command.args(["build-exe", "plugin.zig"]).arg(project.glue());
    command.args(["-target", "wasm32-wasi", "-lc", "-fno-entry", "-mexec-model=reactor", "-I", "gateway"]);
    // The default stack is 16 MiB.
    command.args(["-O", "ReleaseSmall", "-fstrip", "--stack", "65536"]);
    run_tool(project, command.arg(format!("-femit-bin={}", file.display())))?;
    Ok(Built::Core(file))
}
