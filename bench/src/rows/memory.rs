//! Row f: memory of the gateway, idle and at the peak of row b.

use crate::measure::Throughput;
use crate::row::{Goal, Results, Row, Run, Wanted};
use crate::rows::throughput::THROUGHPUT;
use crate::samples::megabytes;

pub(crate) static MEMORY: Row = Row {
    name: "memory",
    letter: "f",
    about: "memory of the gateway, idle and at the peak of b",
    goals: &[
        Goal { figure: "idle", wanted: Wanted::Below(64.0), unit: " MB", found: idle },
        Goal { figure: "peak", wanted: Wanted::Below(256.0), unit: " MB", found: peak },
    ],
    run: Run::From(&THROUGHPUT),
    print,
};

fn idle(results: &Results) -> Option<f64> {
    results.median(&THROUGHPUT, |round: &Throughput| megabytes(round.idle))
}

fn peak(results: &Results) -> Option<f64> {
    results.median(&THROUGHPUT, |round: &Throughput| megabytes(round.peak))
}

fn print(results: &Results) {
    if let (Some(idle), Some(peak)) = (idle(results), peak(results)) {
        let load = results.label(&THROUGHPUT);
        results.print(
            &MEMORY,
            &format!("resident memory of the gateway: idle {idle:.0} MB, at the peak of {load} {peak:.0} MB"),
        );
    }
}
