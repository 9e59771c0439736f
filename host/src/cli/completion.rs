//! Shell completions: the script that `gateway completions` prints, and the answers to it.
//!
//! The script asks this program at every press of the key, so it knows what this version knows, and never has to be renewed.

use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};

use super::arguments::grammar;
use super::failure::Failure;
use super::output;

/// The variable that asks for candidates, and names the shell.
const VARIABLE: &str = "GATEWAY_COMPLETE";

/// Answers a shell that asks for candidates, and ends the process then.
pub(super) fn answer_shell() {
    CompleteEnv::with_factory(grammar).var(VARIABLE).complete();
}

/// Prints the script for a shell.
pub(super) fn print(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).expect("every shell of the grammar is built in");
    completer
        .write_registration(VARIABLE, "gateway", "gateway", "gateway", &mut script)
        .map_err(anyhow::Error::from)?;
    output::bytes(script.trim_ascii_start())
}
