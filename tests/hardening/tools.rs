use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::BINARY;

/// A program of the system, or one that was unpacked into `target/tools`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let unpacked = folder().join("usr/bin");
    std::env::split_paths(&path).chain([unpacked]).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The command that runs it, with the libraries that were unpacked beside it.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if program.starts_with(folder()) {
        command.env("LD_LIBRARY_PATH", folder().join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)));
    }
    command
}

/// Where tools are unpacked that nobody has to install.
pub(crate) fn folder() -> PathBuf {
    Path::new(BINARY).ancestors().nth(2).unwrap().join("tools")
}
