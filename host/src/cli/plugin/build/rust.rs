//! Builds Rust with cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::needs::Needs;
use super::tool::Built;
use crate::cli::plugin::project::Project;

/// The target of the template. Its `.cargo/config.toml` names the linker that makes a component, and the size of the memory.
const TARGET: &str = "wasm32-unknown-unknown";

/// The target of a plugin that uses WASI, and of every plugin made before the template had a `.cargo/config.toml`.
const WASI_TARGET: &str = "wasm32-wasip2";

pub(super) fn build(project: &Project) -> anyhow::Result<Built> {
    let mut needs = Needs::of(project);
    let rust = "install Rust from https://rustup.rs";
    let cargo = needs.program(&["cargo"], rust);
    let rustc = needs.program(&["rustc"], rust);
    let target = target(&project.dir);
    if needs.are_met() {
        let what = if target == TARGET { "the target wasm32-unknown-unknown" } else { "the target wasm32-wasip2" };
        needs.holds(has_target(&rustc, target), what, format!("`rustup target add {target}`"));
    }
    needs.check()?;

    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--target", target, "--message-format=json-render-diagnostics"]);
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

/// The target that the folder has settings for.
fn target(dir: &Path) -> &'static str {
    let settings = fs::read_to_string(dir.join(".cargo/config.toml")).unwrap_or_default();
    if settings.contains(TARGET) { TARGET } else { WASI_TARGET }
}

/// Asks the compiler, not rustup: another toolchain may have the target too.
fn has_target(rustc: &Path, target: &str) -> bool {
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// The plugin that a message of cargo names.
fn wasm_file(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_settings_of_the_template_is_built_with_wasi() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(target(dir.path()), WASI_TARGET);

        fs::create_dir(dir.path().join(".cargo")).unwrap();
        let settings = include_str!("../../../../../plugins/templates/rust/.cargo/config.toml");
        fs::write(dir.path().join(".cargo/config.toml"), settings).unwrap();
        assert_eq!(target(dir.path()), TARGET);
    }
}
