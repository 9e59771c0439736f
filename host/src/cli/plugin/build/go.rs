//! Builds Go as a reactor for WASI preview 1.

use std::path::Path;
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
    let go = needs.program(&["go"], install.clone());
    if needs.are_met() {
        needs.holds(can_fetch_toolchains(&go), "go, a later version", install);
    }
    needs.check()?;

    let file = scratch(project)?.join("core.wasm");
    let mut command = Command::new(go);
    command.env("GOOS", "wasip1").env("GOARCH", "wasm");
    // The bindings call an allocator of Go's runtime by a name that the linker checks by default.
    command.args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-checklinkname=0 -s -w", "-o"]);
    run_tool(project, command.arg(&file).arg("."))?;
    Ok(Built::Core(file))
}

/// Whether this Go is 1.21 or later: it fetches the version that `go.mod` names, or says that it cannot. An older one
/// fails with errors of the compiler that name no version.
fn can_fetch_toolchains(go: &Path) -> bool {
    let output = Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
    output.is_ok_and(|output| minor_version(&String::from_utf8_lossy(&output.stdout)).is_none_or(|minor| minor >= 21))
}

/// 21 for `go1.21.3`; `None` for what is no release of Go 1.
fn minor_version(text: &str) -> Option<u32> {
    let digits: String = text.trim().strip_prefix("go1.")?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_read_from_what_go_prints() {
        for (text, expected) in [
            ("go1.19.8\n", Some(19)),
            ("go1.25rc1", Some(25)),
            ("go1.21", Some(21)),
            ("devel go1.26-abc", None),
            ("", None),
        ] {
            assert_eq!(minor_version(text), expected, "{text}");
        }
    }
}
