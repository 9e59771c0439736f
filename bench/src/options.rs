//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::baseline::Baseline;
use crate::row::{Effort, Labels, Row, Run};
use crate::rows;

/// The most events that a row may be made with.
const MAX_EVENTS: u32 = 100_000_000;

/// The help, with every row.
pub(crate) fn help() -> String {
    let list = |rows: &[&Row]| -> String {
        rows.iter().map(|row| format!("  {:<17} {:<3} {}\n", row.name, row.letter, row.about)).collect()
    };
    let (rows, peers) = (list(&rows::ALL), list(&rows::PEERS));
    format!(
        "\
Usage: cargo xtask bench [--peers] [--everyday] [--seconds N] [--rounds N] [--events N] [ROW...]

Measures the gateway as it is released and prints one table. A ROW is a name or its letter; without
one, all of these are measured:
{rows}
Peers are what others do for the same task; they are measured if they are asked for:
{peers}
  --peers       install the peers from the package registries, and measure them beside
                bare_http, append_log, throughput, reused and accept_only
  --everyday    measure the everyday build, which takes less time to build
  --seconds N   length of one measurement (5)
  --rounds N    number of rounds (5); the table shows medians; cold_start, endurance,
                reloads and address_limits are measured in the first round only
  --events N    events of cold_start and endurance (1000000)

If all rows are given by letter, the table shows letters."
    )
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Options {
    Help,
    Measure(Plan),
    /// This process is one of the servers that the gateway is compared with. Not for people.
    Baseline {
        what: Baseline,
        dir: PathBuf,
    },
    /// This process stores events with open deliveries. Not for people.
    Pending {
        folder: PathBuf,
        events: u32,
    },
    /// This process measures calls of plugins. Not for people.
    Calls {
        plugins: PathBuf,
        cache: PathBuf,
    },
    /// This process measures one component. Not for people.
    Component {
        file: PathBuf,
        folder: PathBuf,
    },
}

/// What is measured, and for how long.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) effort: Effort,
    pub(crate) rounds: u32,
    pub(crate) labels: Labels,
    /// The names of the rows that were asked for; empty for all of them.
    names: Vec<&'static str>,
}

impl Plan {
    /// The rows in the order of the list, those included that others take their figures from.
    pub(crate) fn measured_rows(&self) -> Vec<&'static Row> {
        if self.names.is_empty() {
            return rows::ALL.to_vec();
        }
        let is_named = |row: &Row| self.names.contains(&row.name);
        let is_needed = |row: &Row| {
            rows::every().any(|other| matches!(other.run, Run::From(from) if from.name == row.name && is_named(other)))
        };
        rows::every().filter(|row| is_named(row) || is_needed(row)).collect()
    }
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["as", "calls", plugins, cache] => {
                return Ok(Self::Calls { plugins: plugins.into(), cache: cache.into() });
            }
            ["as", "component", file, folder] => {
                return Ok(Self::Component { file: file.into(), folder: folder.into() });
            }
            ["as", "pending", events, folder] => {
                return Ok(Self::Pending {
                    events: number("as pending", Some(events), MAX_EVENTS)?,
                    folder: folder.into(),
                });
            }
            ["as", name, dir] => {
                let what = Baseline::named(name).ok_or_else(|| format!("no server `{name}`"))?;
                return Ok(Self::Baseline { what, dir: dir.into() });
            }
            _ => {}
        }
        let effort = Effort { time: Duration::from_secs(5), events: 1_000_000 };
        let mut plan = Plan { effort, rounds: 5, labels: Labels::Names, names: Vec::new() };
        let mut all_letters = true;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word {
                "--help" | "-h" => return Ok(Self::Help),
                "--seconds" => plan.effort.time = Duration::from_secs(number(word, words.next(), 3600)?.into()),
                "--rounds" => plan.rounds = number(word, words.next(), 3600)?,
                "--events" => plan.effort.events = number(word, words.next(), MAX_EVENTS)?,
                _ => {
                    let row = rows::find(word).ok_or_else(|| format!("no row `{word}`"))?;
                    all_letters &= word == row.letter;
                    plan.names.push(row.name);
                }
            }
        }
        if all_letters && !plan.names.is_empty() {
            plan.labels = Labels::Letters;
        }
        Ok(Self::Measure(plan))
    }
}

fn number(option: &str, value: Option<&str>, most: u32) -> Result<u32, String> {
    let number = value.and_then(|value| value.parse().ok()).filter(|number| (1..=most).contains(number));
    number
        .ok_or_else(|| format!("`{option}` expects a number from 1 to {most}, found `{}`", value.unwrap_or("nothing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_what_is_measured() {
        let check = |line: &str, expected: Result<(u64, u32, Labels, &str), &str>| {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let found = Options::parse(&arguments).map(|options| match options {
                Options::Measure(plan) => {
                    let rows: Vec<_> = plan.measured_rows().iter().map(|row| row.letter).collect();
                    (plan.effort.time.as_secs(), plan.rounds, plan.labels, rows.join(" "))
                }
                other => panic!("{other:?}"),
            });
            let expected = expected.map(|(time, rounds, labels, rows)| (time, rounds, labels, rows.to_owned()));
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        };
        let all = "a a2 a3 b c d e f g h i j k l m n o p q r s t u r2 s2";

        check("", Ok((5, 5, Labels::Names, all)));
        check("--seconds 9 b a2", Ok((9, 5, Labels::Letters, "a2 b")));
        check("b --rounds 1 b", Ok((5, 1, Labels::Letters, "b")));
        check("throughput", Ok((5, 5, Labels::Names, "b")));
        check("many_plugins b", Ok((5, 5, Labels::Names, "b m")));
        check("f", Ok((5, 5, Labels::Letters, "b f")));
        check("fastify a2 webhook", Ok((5, 5, Labels::Names, "a2 v y")));
        check("--rounds 0", Err("`--rounds` expects a number from 1 to 3600, found `0`"));
        check("--events 1 i", Ok((5, 5, Labels::Letters, "i")));
        check("--events x", Err("`--events` expects a number from 1 to 100000000, found `x`"));
        check("--seconds", Err("`--seconds` expects a number from 1 to 3600, found `nothing`"));
        check("z", Err("no row `z`"));
    }

    #[test]
    fn the_help_names_every_row() {
        for row in rows::every() {
            assert!(help().contains(&format!("\n  {:<17} {:<3} ", row.name, row.letter)), "{}", row.name);
            assert!(row.about.len() <= 66, "{} is too long for the help", row.name);
        }
    }
}
