//! Shell completions: the script that `gateway completions` prints.

use clap_complete::Shell;

use super::arguments::grammar;
use super::failure::Failure;
use super::output;

/// Prints the script for a shell.
pub(super) fn print(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar(), "gateway", &mut script);
    output::bytes(&script)
}
