//! Finds and runs external tools of attackers.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::BINARY;

/// A program of the system, or one in `target/tools`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let unpacked = folder().join("usr/bin");
    std::env::split_paths(&path).chain([unpacked]).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The command for a program; one in `target/tools` gets the libraries from there.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if program.starts_with(folder()) {
        command.env("LD_LIBRARY_PATH", folder().join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)));
    }
    command
}

/// The folder of unpacked tools, which do not need to be installed.
pub(crate) fn folder() -> PathBuf {
    Path::new(BINARY).ancestors().nth(2).unwrap().join("tools")
}
