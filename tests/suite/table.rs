//! The table of all scenarios, as text or Markdown.

use std::fmt::Write;
use std::time::Duration;

/// The result of a scenario, as a row of its suite's table.
pub(crate) trait Row {
    /// The names of its figures.
    const FIGURES: &'static [&'static str];

    /// One cell for each of them.
    fn figures(&self) -> Vec<String>;

    /// Notes and faults.
    fn findings(&self) -> &Findings;
}

/// What every scenario reports, whatever it counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) rounds: u32,
    /// Further observations.
    pub(crate) notes: Vec<String>,
    /// Broken promises.
    pub(crate) faults: Vec<String>,
}

/// How a scenario ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending<R> {
    Done(R),
    /// It cannot run here.
    Skipped(String),
    /// It panicked.
    Broken(String),
}

/// How the table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Markdown,
}

impl Findings {
    pub(crate) fn new(rounds: u32) -> Self {
        Self { rounds, ..Self::default() }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a fault unless `kept`.
    pub(crate) fn expect(&mut self, kept: bool, fault: impl FnOnce() -> String) {
        if !kept {
            self.faults.push(fault());
        }
    }
}

impl<R: Row> Ending<R> {
    /// Whether the promise was broken.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Done(report) => !report.findings().faults.is_empty(),
            Self::Skipped(_) => false,
            Self::Broken(_) => true,
        }
    }

    /// Name, rounds, the suite's own figures, note.
    fn cells(&self, name: &str) -> Vec<String> {
        let none = || vec![String::new(); R::FIGURES.len()];
        let (rounds, figures, note) = match self {
            Self::Skipped(reason) => (String::new(), none(), format!("skipped: {}", one_line(reason))),
            Self::Broken(message) => (String::new(), none(), format!("FAILED: {}", one_line(message))),
            Self::Done(report) => {
                let Findings { rounds, notes, faults } = report.findings();
                let note = match &faults[..] {
                    [] => notes.join("; "),
                    faults => format!("FAILED: {}", one_line(&faults.join("; "))),
                };
                (rounds.to_string(), report.figures(), note)
            }
        };
        let mut cells = vec![name.to_owned(), rounds];
        cells.extend(figures);
        cells.push(note);
        cells
    }
}

/// The table of all scenarios that ran.
pub(crate) fn table<R: Row>(endings: &[(&str, Ending<R>)], format: Format) -> String {
    let header = ["scenario", "rounds"].into_iter().chain(R::FIGURES.iter().copied()).chain(["note"]);
    let mut rows = vec![header.map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(endings.iter().map(|(name, ending)| ending.cells(name)));
    let last = rows[0].len() - 1;
    let mut widths = vec![0; last + 1];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // No padding behind the last column.
    widths[last] = 0;
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 || column == last { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        let cells: Vec<_> = cells.collect();
        let line = match format {
            Format::Text => cells.join("  "),
            Format::Markdown => format!("| {} |", cells.join(" | ")),
        };
        let _ = writeln!(text, "{}", line.trim_end());
        if index == 0 && format == Format::Markdown {
            let _ = writeln!(text, "|---|{}---|", "--:|".repeat(last - 1));
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
