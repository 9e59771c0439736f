//! The fault suite: the gateway is broken on purpose, and what it promised is counted from outside.
//!
//! What was sent and answered is written down by the senders, what was delivered by the agent, both in this process, which
//! outlives every gateway. Its own harness, because scenarios run one after the other and end in one table.

#![expect(clippy::unwrap_used, reason = "a panic is how a scenario breaks off")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person at the terminal")]

mod calls;
mod disk;
mod journal;
mod load;
mod options;
mod recorder;
mod report;
mod scenario;
mod scenarios;
mod trace;
mod trial;
mod verdict;

#[path = "../it"]
mod it {
    #[expect(dead_code, unused_imports, reason = "the tests of `it` use the rest of it")]
    pub(crate) mod support;
}

use std::process::ExitCode;
use std::time::Instant;

pub(crate) use self::it::support;

use self::options::{HELP, Options, Plan};
use self::report::{Ending, Format, table};
use self::scenarios::ALL;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match Options::parse(&arguments) {
        Ok(Options::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Options::List) => {
            ALL.iter().for_each(|scenario| println!("{}: {}", scenario.name, scenario.claim));
            return ExitCode::SUCCESS;
        }
        Ok(Options::Run(plan)) => run(&plan),
        Err(message) => Err(message),
    };
    match done {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(plan: &Plan) -> Result<ExitCode, String> {
    let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
    let chosen = plan.choose(&names)?;
    scenario::keep_panics();
    let mut endings = Vec::new();
    for scenario in ALL.iter().filter(|scenario| chosen.contains(&scenario.name)) {
        eprintln!("{}: {}", scenario.name, scenario.claim);
        let began = Instant::now();
        let ending = scenario.run(plan.long, plan.rounds);
        let word = match &ending {
            Ending::Skipped(_) => "skipped",
            ending if ending.is_failure() => "FAILED",
            _ => "ok",
        };
        eprintln!("{}: {word}, {:.1?}", scenario.name, began.elapsed());
        endings.push((scenario.name, ending));
        // Also here: who interrupts a long run keeps what it has found so far.
        eprintln!("{}", table(&endings[endings.len() - 1..], Format::Text));
    }
    if endings.is_empty() {
        eprintln!("0 of {} fault scenarios", ALL.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", table(&endings, plan.format));
    let broken = endings.iter().any(|(_, ending)| ending.is_failure());
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
