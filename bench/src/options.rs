//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::baseline::Baseline;

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [--seconds N] [--rounds N] [--events N] [ROW...]

Prints one table. Rows, all of them unless some are named:
  a    bare hyper server: reads the body, answers 202
  a2   the same with HMAC and an append-only log: group commit, fdatasync
  a3   the same with HMAC and the gateway's event log
  b    the gateway: 1 KiB GitHub webhooks, fresh instances, agent `stub`
  c    the gateway with instances that are reused
  d    the gateway, accept only: nothing is routed
  e    from the request to its first byte at an HTTP agent, 1,000 requests/s
  f    memory of the gateway, idle and at the peak of b
  g    from writing a component into the plugin folder to its first answer
  h    a channel plugin's call alone, fresh and reused
  i    starting with 1,000,000 deliveries to make: time, memory, first delivery
  j    p99 of 99 agents beside a dead one, and without it
  k    good answers under five times as many callers as are served at once
  l    accepted requests after 1,000,000 events, and at the start
  m    500 plugins: start with compiled ones, idle memory, p99 while one is replaced
  n    memory after 1,000 and after 10,000 reloads of one plugin
  o    p99 of deliveries beside a plugin that spins, and without it
  p    requests/s and p99 of every channel plugin with its own sample, beside `dummy`
  q    HTTP/2 over TLS beside HTTP/1 in the clear, both through the same client
  r    memory and p99 with 1,000 and 10,000 connections that are open and say nothing
  s    memory of a rate limit for each of 1,000,000 addresses
  t    good requests at 1,000/s beside bad signatures at full speed

  --seconds N   length of one measurement (5)
  --rounds N    how often each is made (5); the table has the medians; i, l, n and s
                are made once
  --events N    events of i and l (1000000)";

/// The most events that a row may be made with.
const MAX_EVENTS: u32 = 100_000_000;

/// What is measured, and in which order within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Bare,
    AppendLog,
    EventLog,
    Gateway,
    Reuse,
    AcceptOnly,
    Delivery,
    Memory,
    DropIn,
    Calls,
    Pending,
    Neighbours,
    Overload,
    Endurance,
    Many,
    Reloads,
    Hostile,
    Channels,
    Encrypted,
    Crowd,
    Limiter,
    Flood,
}

impl Row {
    pub(crate) const ALL: [Self; 22] = [
        Self::Bare,
        Self::AppendLog,
        Self::EventLog,
        Self::Gateway,
        Self::Reuse,
        Self::AcceptOnly,
        Self::Delivery,
        Self::Memory,
        Self::DropIn,
        Self::Calls,
        Self::Pending,
        Self::Neighbours,
        Self::Overload,
        Self::Endurance,
        Self::Many,
        Self::Reloads,
        Self::Hostile,
        Self::Channels,
        Self::Encrypted,
        Self::Crowd,
        Self::Limiter,
        Self::Flood,
    ];

    /// Its name on the command line and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "a",
            Self::AppendLog => "a2",
            Self::EventLog => "a3",
            Self::Gateway => "b",
            Self::Reuse => "c",
            Self::AcceptOnly => "d",
            Self::Delivery => "e",
            Self::Memory => "f",
            Self::DropIn => "g",
            Self::Calls => "h",
            Self::Pending => "i",
            Self::Neighbours => "j",
            Self::Overload => "k",
            Self::Endurance => "l",
            Self::Many => "m",
            Self::Reloads => "n",
            Self::Hostile => "o",
            Self::Channels => "p",
            Self::Encrypted => "q",
            Self::Crowd => "r",
            Self::Limiter => "s",
            Self::Flood => "t",
        }
    }
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
    /// This process stores events whose deliveries are still to be made. Not for people.
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
    pub(crate) time: Duration,
    pub(crate) rounds: u32,
    pub(crate) rows: BTreeSet<Row>,
    /// Events of the rows that need many.
    pub(crate) events: u32,
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
        let mut plan = Plan { time: Duration::from_secs(5), rounds: 5, rows: BTreeSet::new(), events: 1_000_000 };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word {
                "--help" | "-h" => return Ok(Self::Help),
                "--seconds" => plan.time = Duration::from_secs(number(word, words.next(), 3600)?.into()),
                "--rounds" => plan.rounds = number(word, words.next(), 3600)?,
                "--events" => plan.events = number(word, words.next(), MAX_EVENTS)?,
                _ => {
                    let row = Row::ALL.into_iter().find(|row| row.name() == word);
                    plan.rows.insert(row.ok_or_else(|| format!("no row `{word}`"))?);
                }
            }
        }
        if plan.rows.is_empty() {
            plan.rows.extend(Row::ALL);
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
        let check = |line: &str, expected: Result<(u64, u32, &str), &str>| {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let found = Options::parse(&arguments).map(|options| match options {
                Options::Measure(plan) => {
                    let rows: Vec<_> = plan.rows.iter().map(|row| row.name()).collect();
                    (plan.time.as_secs(), plan.rounds, rows.join(" "))
                }
                other => panic!("{other:?}"),
            });
            let expected = expected.map(|(time, rounds, rows)| (time, rounds, rows.to_owned()));
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        };

        check("", Ok((5, 5, "a a2 a3 b c d e f g h i j k l m n o p q r s t")));
        check("--seconds 9 b a2", Ok((9, 5, "a2 b")));
        check("b --rounds 1 b", Ok((5, 1, "b")));
        check("--rounds 0", Err("`--rounds` expects a number from 1 to 3600, found `0`"));
        check("--events 1 i", Ok((5, 5, "i")));
        check("--events x", Err("`--events` expects a number from 1 to 100000000, found `x`"));
        check("--seconds", Err("`--seconds` expects a number from 1 to 3600, found `nothing`"));
        check("z", Err("no row `z`"));
    }

    #[test]
    fn the_help_names_every_row() {
        for row in Row::ALL {
            assert!(HELP.contains(&format!("\n  {:<4} ", row.name())), "{row:?}");
        }
    }
}
