//! The results of a scenario, and its row in the table.

use std::time::Duration;

use crate::suite::{Findings, Row, percentiles};
use crate::traffic::Traffic;

/// The results of a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Requests, connections or frames of attackers.
    pub(crate) attacks: usize,
    /// Good requests without an attack.
    before: Traffic,
    /// Good requests during the attack.
    during: Traffic,
    /// The peak growth of resident memory during the attack.
    grown: u64,
    pub(crate) findings: Findings,
}

impl Report {
    pub(crate) fn new(rounds: u32) -> Self {
        Self { findings: Findings::new(rounds), ..Self::default() }
    }

    /// Adds a note to the row.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.findings.note(text);
    }

    /// Reports a fault unless the promise was `kept`.
    pub(crate) fn expect(&mut self, kept: bool, fault: impl FnOnce() -> String) {
        self.findings.expect(kept, fault);
    }

    /// Checks good callers before and during an attack: none may fail, and their rate may fall at most by the share `lost`.
    pub(crate) fn good_callers(&mut self, before: Traffic, during: Traffic, lost: f64) {
        for traffic in [&before, &during] {
            let failed = &traffic.failed;
            self.expect(failed.is_empty(), || format!("{} good requests failed: {:?}", failed.len(), failed.first()));
        }
        let (was, is) = (before.rate(), during.rate());
        self.expect(is >= (1.0 - lost) * was, || format!("good callers fell from {was:.0}/s to {is:.0}/s"));
        self.before.add(before);
        self.during.add(during);
    }

    /// Adds response times of the same kind without an attack and during one.
    pub(crate) fn times(&mut self, before: Vec<Duration>, during: Vec<Duration>) {
        self.before.times.extend(before);
        self.during.times.extend(during);
    }

    /// Checks that memory has grown by at most `most` bytes.
    pub(crate) fn memory(&mut self, grown: u64, most: u64) {
        self.expect(grown <= most, || format!("memory grew by {}, limit {}", shown(grown), shown(most)));
        self.grown = self.grown.max(grown);
    }
}

impl Row for Report {
    const FIGURES: &'static [&'static str] =
        &["attacks", "good requests", "failed", "p99 before", "p99 attacked", "memory"];

    fn figures(&self) -> Vec<String> {
        let p99 = |traffic: &Traffic| {
            percentiles(&traffic.times).map(|[_, p99]| format!("{:.1} ms", 1000.0 * seconds(p99))).unwrap_or_default()
        };
        let Self { attacks, before, during, grown, .. } = self;
        vec![
            attacks.to_string(),
            (before.times.len() + during.times.len()).to_string(),
            (before.failed.len() + during.failed.len()).to_string(),
            p99(before),
            p99(during),
            if *grown == 0 { String::new() } else { format!("+{}", shown(*grown)) },
        ]
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn shown(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
