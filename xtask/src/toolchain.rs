//! What must be installed before anything can be built, and how to get it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, step};

/// The target of every plugin. `.cargo/config.toml` makes a component of what is built for it.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The target of guests that use WASI, which only tests load.
pub(crate) const WASI_TARGET: &str = "wasm32-wasip2";

const NO_C_COMPILER: &str = "\
no C compiler found, and a dependency of the gateway (ring) is partly written in C
hint: install one, then run this again
  Debian, Ubuntu: sudo apt-get install build-essential
  Fedora, RHEL:   sudo dnf install gcc
  Alpine:         sudo apk add build-base
  macOS:          xcode-select --install
or name yours: CC=clang cargo xtask ...";

const NO_RUSTUP: &str = "\
it is missing, and so is rustup, which could add it
hint: install rustup from https://rustup.rs, or the target from where your Rust comes from";

/// Fails with what to install when there is no C compiler.
pub(crate) fn check_c_compiler() -> Result<()> {
    let named = std::env::var_os("CC").filter(|name| !name.is_empty());
    let candidates = named.map_or_else(|| vec!["cc".into(), "gcc".into(), "clang".into()], |name| vec![name]);
    // `CC` may hold arguments too, such as `ccache cc`.
    let first_word = |name: &std::ffi::OsString| name.to_string_lossy().split_whitespace().next().map(str::to_owned);
    if candidates.iter().filter_map(first_word).any(|name| starts(&name)) {
        return Ok(());
    }
    bail!(NO_C_COMPILER)
}

/// Adds a target to the toolchain in use unless it is there, and says so.
pub(crate) fn ensure_target(target: &str) -> Result<()> {
    if has_target(target)? {
        return Ok(());
    }
    if !starts("rustup") {
        bail!("the Rust target {target}: {NO_RUSTUP}");
    }
    step(&format!("the target {target} is missing; running `rustup target add {target}`"));
    run(Command::new("rustup").args(["target", "add", target]))?;
    if !has_target(target)? {
        bail!("`rustup target add {target}` did not add it to the toolchain in use");
    }
    Ok(())
}

/// Asks the compiler and not rustup: a toolchain from elsewhere may have the target too.
fn has_target(target: &str) -> Result<bool> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = rustc
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .with_context(|| format!("cannot start {rustc:?}"))?;
    if !output.status.success() {
        bail!("{rustc:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_does_not_start() {
        assert!(starts("rustc"));
        assert!(!starts("no-such-program-anywhere"));
    }

    #[test]
    fn every_hint_says_what_to_install() {
        assert!(NO_C_COMPILER.contains("apt-get install build-essential"));
        assert!(NO_RUSTUP.contains("https://rustup.rs"));
    }
}
