//! Builds JavaScript and TypeScript with componentize-qjs.

use std::path::PathBuf;
use std::process::Command;

use super::needs::Needs;
use super::tool::{Built, run_tool, scratch};
use crate::cli::plugin::project::Project;

const NODE: &str = "install Node.js from https://nodejs.org";
const PACKAGES: &str = "`npm install`, in the folder";

/// Builds JavaScript: the source and the engine that runs it.
pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let componentize = componentizer(&mut needs);
    needs.check()?;
    componentize_module(project, componentize, "plugin.js")
}

/// Builds TypeScript, once its types are checked.
pub(super) fn build_typed(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let componentize = componentizer(&mut needs);
    let tsc = needs.program(&["tsc"], PACKAGES);
    needs.check()?;
    run_tool(project, Command::new(tsc).args(["--project", "."]))?;
    componentize_module(project, componentize, "build/plugin.js")
}

fn componentizer(needs: &mut Needs<'_>) -> PathBuf {
    needs.program(&["node"], NODE);
    needs.program(&["componentize-qjs"], PACKAGES)
}

fn componentize_module(project: &Project, componentize: PathBuf, module: &str) -> anyhow::Result<Built> {
    let file = scratch(project)?.join("plugin.wasm");
    let mut command = Command::new(componentize);
    // The other runtime needs asynchronous components, which the gateway does not serve.
    command.args(["--sync", "--wit", "wit", "--world", &project.world(), "--js", module, "--output"]).arg(&file);
    run_tool(project, &mut command)?;
    Ok(Built::Component(file))
}
