//! Builds C with clang and wasi-libc.

use std::path::Path;
use std::process::Command;

use super::needs::Needs;
use super::tool::{Built, run_tool, scratch};
use crate::cli::plugin::project::Project;

const TARGET: &str = "--target=wasm32-wasi";
const INSTALL: &str = "`apt-get install --no-install-recommends clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32`";

pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let clang = needs.program(&["clang-19", "clang"], INSTALL);
    if needs.are_met() {
        let has = |question: &str| has(&clang, question);
        needs.holds(has("-print-prog-name=wasm-ld"), "the linker of lld-19", INSTALL);
        needs.holds(has("-print-file-name=crt1-reactor.o"), "wasi-libc", INSTALL);
        needs.holds(has("-print-libgcc-file-name"), "libclang-rt-19-dev-wasm32", INSTALL);
    }
    needs.check()?;

    let file = scratch(project)?.join("core.wasm");
    let mut command = Command::new(clang);
    command.args([TARGET, "-std=c23", "-Os", "-s", "-Wall", "-Wextra", "-mexec-model=reactor", "plugin.c"]);
    command.arg(project.glue()).arg("-o").arg(&file);
    run_tool(project, &mut command)?;
    Ok(Built::Core(file))
}

/// Whether the compiler finds one of its parts. It prints the bare name of a missing one.
fn has(clang: &Path, question: &str) -> bool {
    let output = Command::new(clang).args([TARGET, question]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_file())
}
