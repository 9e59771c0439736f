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
mod certificate;
mod client;
mod component;
mod load;
mod machine;
mod measure;
mod options;
mod peer;
mod probe;
mod process;
mod report;
mod rounds;
mod row;
mod rows;
mod samples;
mod secrets;
mod subject;
mod table;
mod versions;
mod webhook;

use std::process::ExitCode;

use anyhow::Result;

use self::options::{Options, help};
use self::rows::{calls, cold_start};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match Options::parse(&arguments) {
        Ok(options) => run(options),
        Err(message) => {
            eprintln!("error: {message}\n\n{}", help());
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
        Options::Help => println!("{}", help()),
        Options::Measure(plan) => report::print(&plan, &rounds::run(&plan)?),
        Options::Baseline { what, dir } => baseline::serve(what, &dir)?,
        Options::Pending { folder, events } => cold_start::store(&folder, events)?,
        Options::Calls { plugins, cache } => calls::measure(&plugins, &cache)?,
        Options::Component { file, folder } => component::measure(&file, &folder)?,
    }
    Ok(())
}
