//! Running other programs.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Reports a step on stderr; stdout belongs to the program that is run.
pub(crate) fn step(what: &str) {
    eprintln!("xtask: {what}");
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Replaces this process with `command`, which then receives the signals and sets the exit code.
#[cfg(unix)]
pub(crate) fn become_command(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {command:?}"))
}

#[cfg(not(unix))]
pub(crate) fn become_command(command: &mut Command) -> Result<()> {
    run(command)
}
