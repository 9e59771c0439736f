//! What a row of the table is: its names, its goals, how it is measured, and how it is printed.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::samples::median;
use crate::subject::Place;

/// One row. The list of all of them is in `rows.rs`.
pub(crate) struct Row {
    /// Its name on the command line and in the table.
    pub(crate) name: &'static str,
    /// Its short name.
    pub(crate) letter: &'static str,
    /// What it measures, for the help.
    pub(crate) about: &'static str,
    pub(crate) goals: &'static [Goal],
    pub(crate) run: Run,
    /// How it is printed; a row of the table of throughput is printed there.
    pub(crate) print: fn(&Results),
}

/// Where the figures of a row come from.
pub(crate) enum Run {
    /// Measured in every round.
    EachRound(Measure),
    /// Measured in the first round only, because it takes so long.
    Once(Measure),
    /// From the figures of another row.
    From(&'static Row),
}

/// Measures once.
pub(crate) type Measure = fn(&mut Place, &Effort) -> Result<Found>;

/// For how long rows are measured, and with how many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// The length of one measurement.
    pub(crate) time: Duration,
    /// Events of the rows that need many.
    pub(crate) events: u32,
}

/// What one measurement brought.
pub(crate) struct Found {
    /// For the person who waits.
    pub(crate) progress: String,
    figures: Box<dyn Any>,
}

impl Found {
    /// `figures` have the same type in every round of a row.
    pub(crate) fn new<T: Any>(progress: String, figures: T) -> Self {
        Self { progress, figures: Box::new(figures) }
    }
}

/// A figure that a row should reach.
pub(crate) struct Goal {
    /// Which figure of the row; empty where there is only one.
    pub(crate) figure: &'static str,
    pub(crate) wanted: Wanted,
    pub(crate) unit: &'static str,
    /// `None` if it was not measured.
    pub(crate) found: fn(&Results) -> Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    AtLeast(f64),
    Below(f64),
}

impl Wanted {
    pub(crate) fn is_met_by(self, found: f64) -> bool {
        match self {
            Self::AtLeast(least) => found >= least,
            Self::Below(limit) => found < limit,
        }
    }

    pub(crate) fn text(self, unit: &str) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}{unit}"),
            Self::Below(limit) => format!("< {limit}{unit}"),
        }
    }
}

/// How rows are called in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    Names,
    Letters,
}

/// The figures of all rounds, by row.
pub(crate) struct Results {
    labels: Labels,
    rounds: BTreeMap<&'static str, Vec<Box<dyn Any>>>,
}

impl Results {
    pub(crate) fn new(labels: Labels) -> Self {
        Self { labels, rounds: BTreeMap::new() }
    }

    pub(crate) fn keep(&mut self, row: &Row, found: Found) {
        self.rounds.entry(row.name).or_default().push(found.figures);
    }

    /// Whether the row was measured.
    pub(crate) fn has(&self, row: &Row) -> bool {
        self.rounds.contains_key(row.name)
    }

    /// Whether the row was measured, with figures of this type.
    pub(crate) fn are<T: Any>(&self, row: &Row) -> bool {
        self.has(row) && self.rounds[row.name].iter().all(|figures| figures.is::<T>())
    }

    /// The figures of a row, round by round.
    pub(crate) fn of<T: Any>(&self, row: &Row) -> impl Iterator<Item = &T> + Clone {
        let rounds = self.rounds.get(row.name).map(Vec::as_slice).unwrap_or_default();
        rounds.iter().map(|figures| figures.downcast_ref().expect("a row keeps figures of one type"))
    }

    /// The median of one figure over the rounds; `None` if the row was not measured.
    pub(crate) fn median<T: Any>(&self, row: &Row, pick: impl Fn(&T) -> f64) -> Option<f64> {
        median(self.of(row).map(pick))
    }

    /// What the output calls a row.
    pub(crate) fn label(&self, row: &Row) -> &'static str {
        match self.labels {
            Labels::Names => row.name,
            Labels::Letters => row.letter,
        }
    }

    /// The width of the column of labels.
    pub(crate) fn label_width(&self) -> usize {
        match self.labels {
            Labels::Names => 17,
            Labels::Letters => 4,
        }
    }

    /// Prints lines of a row, the first one behind its label.
    pub(crate) fn print(&self, row: &Row, text: &str) {
        let width = self.label_width();
        for (index, line) in text.lines().enumerate() {
            let label = if index == 0 { self.label(row) } else { "" };
            println!("{label:<width$} {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ROW: Row = Row {
        name: "example",
        letter: "x",
        about: "nothing",
        goals: &[],
        run: Run::EachRound(|_, _| Ok(Found::new(String::new(), ()))),
        print: |_| {},
    };

    #[test]
    fn figures_of_a_row_are_kept_round_by_round() {
        let mut results = Results::new(Labels::Letters);
        assert!(!results.has(&ROW));
        assert_eq!(results.median(&ROW, |value: &f64| *value), None);

        for value in [3.0, 1.0, 2.0] {
            results.keep(&ROW, Found::new(String::new(), value));
        }

        assert_eq!(results.of::<f64>(&ROW).copied().collect::<Vec<_>>(), [3.0, 1.0, 2.0]);
        assert_eq!(results.median(&ROW, |value: &f64| *value), Some(2.0));
        assert!(results.are::<f64>(&ROW) && !results.are::<u32>(&ROW));
        assert_eq!(results.label(&ROW), "x");
    }
}
