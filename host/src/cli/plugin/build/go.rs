//! Builds Go as a reactor for WASI preview 1.

use std::process::Command;

use super::needs::Needs;
use super::tool::{Built, run_tool, scratch};
use crate::cli::plugin::project::Project;

/// The package with the compiler, in the version that the template was tested with.
const PACKAGE: &str = include_str!("../../../../../plugins/templates/go/requirements.txt");

pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let package = PACKAGE.trim();
    let install = format!(
        "install Go 1.25 or later from https://go.dev/dl, or: `python3 -m venv .venv && .venv/bin/pip install {package}`, in the folder"
    );
    let go = needs.program(&["go"], install);
    needs.check()?;

    let file = scratch(project)?.join("core.wasm");
    let mut command = Command::new(go);
    command.env("GOOS", "wasip1").env("GOARCH", "wasm");
    // The bindings call an allocator of Go's runtime by a name that the linker checks by default.
    command.args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-checklinkname=0 -s -w", "-o"]);
    run_tool(project, command.arg(&file).arg("."))?;
    Ok(Built::Core(file))
}
