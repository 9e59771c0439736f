//! The results of a scenario, and its row in the table.

use std::time::Duration;

use super::suite::{Findings, Row, percentiles};
use super::verdict::Verdict;

/// The results of a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) repeated: usize,
    pub(crate) disordered: usize,
    /// The times from a start after a fault until the gateway serves.
    pub(crate) recoveries: Vec<Duration>,
    pub(crate) findings: Findings,
}

impl Report {
    pub(crate) fn new(rounds: u32) -> Self {
        Self { findings: Findings::new(rounds), ..Self::default() }
    }

    /// Adds the counts and the faults of a verdict.
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        self.acknowledged += verdict.acknowledged;
        self.lost += verdict.lost.len();
        self.duplicated += verdict.duplicated.len();
        self.repeated += verdict.repeated;
        self.disordered += verdict.disordered.len();
        self.findings.faults.extend(verdict.faults());
    }

    /// Adds a note to the row.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.findings.note(text);
    }

    /// Reports a fault unless the promise was `kept`.
    pub(crate) fn expect(&mut self, kept: bool, fault: impl FnOnce() -> String) {
        self.findings.expect(kept, fault);
    }
}

impl Row for Report {
    const FIGURES: &'static [&'static str] =
        &["acknowledged", "lost", "duplicated", "repeated", "out of order", "recovery p50", "recovery p99"];

    fn figures(&self) -> Vec<String> {
        let Self { acknowledged, lost, duplicated, repeated, disordered, .. } = self;
        let times = percentiles(&self.recoveries);
        let times = times.map_or_else(Default::default, |times| times.map(|time| format!("{time:.0?}")));
        let figures = [acknowledged, lost, duplicated, repeated, disordered].map(ToString::to_string);
        figures.into_iter().chain(times).collect()
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}
