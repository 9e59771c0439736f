//! The repository's commands, as `cargo xtask COMMAND`. `cargo xtask help` lists them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person at the terminal")]

mod action;
mod command;
mod guests;
mod languages;
mod peers;
mod repository;
mod toolchain;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use self::action::{Action, HELP};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let action = match Action::parse(&arguments) {
        Ok(action) => action,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match action.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
