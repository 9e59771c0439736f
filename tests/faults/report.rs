use std::fmt::Write;
use std::time::Duration;

use super::verdict::Verdict;

/// What a scenario found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) rounds: u32,
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) repeated: usize,
    pub(crate) disordered: usize,
    /// From the start of a gateway after a fault to its serving.
    pub(crate) recoveries: Vec<Duration>,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
    /// What must not be; nothing when the promise was kept.
    pub(crate) faults: Vec<String>,
}

/// How a scenario ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Done(Report),
    /// It cannot run here.
    Skipped(String),
    /// It came to a stop that is itself a fault.
    Broken(String),
}

/// How the table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Markdown,
}

const HEADER: [&str; 10] = [
    "scenario",
    "rounds",
    "acknowledged",
    "lost",
    "duplicated",
    "repeated",
    "out of order",
    "recovery p50",
    "recovery p99",
    "note",
];

impl Report {
    /// Takes the figures of a verdict in, and what it found wrong.
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        self.acknowledged += verdict.acknowledged;
        self.lost += verdict.lost.len();
        self.duplicated += verdict.duplicated.len();
        self.repeated += verdict.repeated;
        self.disordered += verdict.disordered.len();
        self.faults.extend(verdict.faults());
    }

    /// Something worth knowing.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Something that must not be, unless `kept`.
    pub(crate) fn expect(&mut self, kept: bool, fault: impl FnOnce() -> String) {
        if !kept {
            self.faults.push(fault());
        }
    }
}

impl Ending {
    /// Whether the promise was broken.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Done(report) => !report.faults.is_empty(),
            Self::Skipped(_) => false,
            Self::Broken(_) => true,
        }
    }

    fn cells(&self, name: &str) -> [String; 10] {
        let (rounds, figures, note) = match self {
            Self::Skipped(reason) => (String::new(), Default::default(), format!("skipped: {}", one_line(reason))),
            Self::Broken(message) => (String::new(), Default::default(), format!("FAILED: {}", one_line(message))),
            Self::Done(report) => {
                let mut note = report.notes.join("; ");
                if !report.faults.is_empty() {
                    note = format!("FAILED: {}", one_line(&report.faults.join("; ")));
                }
                let Report { acknowledged, lost, duplicated, repeated, disordered, .. } = report;
                let figures = [acknowledged, lost, duplicated, repeated, disordered].map(ToString::to_string);
                (report.rounds.to_string(), figures, note)
            }
        };
        let recoveries = match self {
            Self::Done(report) => percentiles(&report.recoveries),
            _ => None,
        };
        let [p50, p99] = recoveries.map_or_else(Default::default, |times| times.map(|time| format!("{time:.0?}")));
        let [acknowledged, lost, duplicated, repeated, disordered] = figures;
        [name.to_owned(), rounds, acknowledged, lost, duplicated, repeated, disordered, p50, p99, note]
    }
}

/// The table of all scenarios that ran.
pub(crate) fn table(endings: &[(&str, Ending)], format: Format) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(endings.iter().map(|(name, ending)| ending.cells(name)));
    let mut widths = [0; 10];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // Nothing comes after the last one.
    widths[9] = 0;
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 9 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        let cells: Vec<_> = cells.collect();
        let line = match format {
            Format::Text => cells.join("  "),
            Format::Markdown => format!("| {} |", cells.join(" | ")),
        };
        let _ = writeln!(text, "{}", line.trim_end());
        if index == 0 && format == Format::Markdown {
            let _ = writeln!(text, "|---|{}---|", "--:|".repeat(8));
        }
    }
    text
}

/// The times at 50 and 99 of a hundred.
pub(crate) fn percentiles(times: &[Duration]) -> Option<[Duration; 2]> {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    Some([at(50)?, at(99)?])
}

/// A message in one cell of the table: the start of it, without line breaks.
fn one_line(text: &str) -> String {
    const MOST: usize = 400;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    if line.chars().count() > MOST {
        line = line.chars().take(MOST).chain("...".chars()).collect();
    }
    line
}
