//! Shared by the suites that break the gateway on purpose: scenarios that run one after the other, a command line, one table.
//!
//! A suite is a test target with its own harness, so that its scenarios do not disturb each other. Each suite
//! decides what its scenarios count: a report is a [`Row`] of the table.

#![expect(clippy::unwrap_used, reason = "a scenario stops with a panic")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person at the terminal")]

mod options;
mod scenario;
mod table;

use std::process::ExitCode;
use std::time::Instant;

pub(crate) use self::options::{Options, Plan, help};
pub(crate) use self::scenario::{Outcome, Scale, Scenario, Skipped, memory};
pub(crate) use self::table::{Ending, Findings, Format, Row, percentiles, table};

/// Scenarios that run one after the other and end in one table.
pub(crate) struct Suite<R: 'static> {
    /// Its name after `cargo xtask`, and that of its test target.
    pub(crate) name: &'static str,
    /// What it does, in whole sentences for its help.
    pub(crate) about: &'static str,
    /// In the order in which they run.
    pub(crate) scenarios: &'static [Scenario<R>],
}

impl<R: Row> Suite<R> {
    /// Does what the command line says.
    pub(crate) fn main(&self) -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let done = match Options::parse(&arguments) {
            Ok(Options::Help) => {
                println!("{}", self.help());
                return ExitCode::SUCCESS;
            }
            Ok(Options::List) => {
                self.scenarios.iter().for_each(|scenario| println!("{}: {}", scenario.name, scenario.claim));
                return ExitCode::SUCCESS;
            }
            Ok(Options::Run(plan)) => self.run(&plan),
            Err(message) => Err(message),
        };
        match done {
            Ok(code) => code,
            Err(message) => {
                eprintln!("error: {message}\n\n{}", self.help());
                ExitCode::from(2)
            }
        }
    }

    fn help(&self) -> String {
        help(self.name, self.about)
    }

    fn run(&self, plan: &Plan) -> Result<ExitCode, String> {
        let names: Vec<_> = self.scenarios.iter().map(|scenario| scenario.name).collect();
        let chosen = plan.choose(self.name, &names)?;
        scenario::keep_panics();
        let mut endings = Vec::new();
        for scenario in self.scenarios.iter().filter(|scenario| chosen.contains(&scenario.name)) {
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
            // Also here, so that an interrupted run shows what it found.
            eprintln!("{}", table(&endings[endings.len() - 1..], Format::Text));
        }
        if endings.is_empty() {
            eprintln!("0 of {} scenarios of `{}`", self.scenarios.len(), self.name);
            return Ok(ExitCode::SUCCESS);
        }
        println!("{}", table(&endings, plan.format));
        let broken = endings.iter().any(|(_, ending)| ending.is_failure());
        Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
