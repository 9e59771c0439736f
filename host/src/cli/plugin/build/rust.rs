//! Builds Rust with cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::needs::Needs;
use super::tool::Built;
use crate::cli::plugin::project::Project;

const TARGET: &str = "wasm32-wasip2";

pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let rust = "install Rust from https://rustup.rs";
    let cargo = needs.program(&["cargo"], rust);
    let rustc = needs.program(&["rustc"], rust);
    if needs.are_met() {
        needs.holds(has_target(&rustc), "the target wasm32-wasip2", format!("`rustup target add {TARGET}`"));
    }
    needs.check()?;

    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    let output = command.current_dir(&project.dir).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start `cargo`")?;
    if !output.status.success() {
        bail!("`cargo` failed ({}); its output is above", output.status);
    }
    // The output path depends on the configuration of cargo, which reports it.
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages.lines().filter_map(wasm_file).next_back();
    built.map(Built::Component).context("cargo built no `.wasm`\nhint: `[lib]` needs `crate-type = [\"cdylib\"]`")
}

/// Asks the compiler, not rustup: another toolchain may have the target too.
fn has_target(rustc: &Path) -> bool {
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// The plugin that a message of cargo names.
fn wasm_file(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}
