//! The rounds: each measures every row once, in the order of the table.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::options::Plan;
use crate::row::{Results, Run};
use crate::subject::Place;

/// What was measured, and where.
pub(crate) struct Measured {
    pub(crate) machine: Machine,
    pub(crate) results: Results,
    pub(crate) took: Duration,
}

/// Measures everything that `plan` asks for.
pub(crate) fn run(plan: &Plan) -> Result<Measured> {
    let start = Instant::now();
    let mut place = Place::find()?;
    let machine = Machine::inspect(place.dir())?;
    eprint!("{machine}");
    let mut results = Results::new(plan.labels);
    for round in 1..=plan.rounds {
        for row in plan.measured_rows() {
            let (measure, prefix) = match row.run {
                Run::EachRound(measure) => (measure, format!("round {round}, ")),
                Run::Once(measure) if round == 1 => (measure, String::new()),
                Run::Once(_) | Run::From(_) => continue,
            };
            let label = results.label(row);
            let found = measure(&mut place, &plan.effort).with_context(|| format!("row {label} of round {round}"))?;
            for line in found.progress.lines() {
                eprintln!("{prefix}{label}: {line}");
            }
            results.keep(row, found);
        }
    }
    Ok(Measured { machine, results, took: start.elapsed() })
}
