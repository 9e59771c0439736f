//! The benchmark of the gateway: `cargo xtask bench` builds and runs it.
//!
//! Every subject is a process of its own, so that its processor time and memory are its own: the real `gateway` binary, and
//! this program again as what the gateway is compared with. The load comes from this process, on the same machine. Rounds
//! are interleaved, so that a slow minute of the machine slows every row, and a row is the median of its rounds.
//!
//! Goals are printed beside the figures and never asserted: a busy machine is no failure.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person at the terminal")]

mod agent;
mod baseline;
mod calls;
mod certificate;
mod channels;
mod client;
mod component;
mod crowd;
mod delivery;
mod drop_in;
mod encrypted;
mod endurance;
mod hostile;
mod load;
mod machine;
mod many;
mod neighbours;
mod options;
mod overload;
mod pending;
mod process;
mod report;
mod rounds;
mod samples;
mod strangers;
mod subject;
mod webhook;

use std::process::ExitCode;

use anyhow::Result;

use self::options::{HELP, Options};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match Options::parse(&arguments) {
        Ok(options) => run(options),
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    match options {
        Options::Help => println!("{HELP}"),
        Options::Measure(plan) => report::print(&plan, &rounds::run(&plan)?),
        Options::Baseline { what, dir } => baseline::serve(what, &dir)?,
        Options::Pending { folder, events } => pending::store(&folder, events)?,
        Options::Calls { plugins, cache } => calls::measure(&plugins, &cache)?,
        Options::Component { file, folder } => component::measure(&file, &folder)?,
    }
    Ok(())
}
