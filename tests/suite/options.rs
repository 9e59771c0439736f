//! The command line of a suite.

use super::table::Format;

/// The help of the suite `name`; `about` says what it does.
pub(crate) fn help(name: &str, about: &str) -> String {
    format!(
        "\
Usage: cargo xtask {name} [--rounds N] [--format text|markdown] [NAME...]

{about} Prints one table; the exit code is 1 if a promise was broken.
Runs the named scenarios, or all, one after the other. `cargo xtask test` runs the short form of each.

  --rounds N        number of rounds, instead of each scenario's own
  --format FORMAT   text (default) or markdown
  --list            list the scenarios with what each does
  --help            print this help"
    )
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Options {
    Help,
    List,
    Run(Plan),
}

/// Which scenarios run, and how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The long form of each scenario; names must then be complete.
    pub(crate) long: bool,
    pub(crate) rounds: Option<u32>,
    pub(crate) format: Format,
    pub(crate) names: Vec<String>,
}

impl Options {
    /// Reads the command line. Arguments that `cargo test` passes to every test target are accepted.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Plan::default();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (argument, None),
            };
            let mut value = || joined.or_else(|| arguments.next()).ok_or_else(|| format!("`{name}` needs a value"));
            match name {
                "--help" | "-h" => return Ok(Self::Help),
                "--list" => return Ok(Self::List),
                "--long" => plan.long = true,
                "--rounds" => {
                    let text = value()?;
                    let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
                    plan.rounds = Some(rounds.ok_or_else(|| format!("`--rounds {text}`: expected a number from 1"))?);
                }
                "--format" => {
                    plan.format = match value()? {
                        "text" | "pretty" | "terse" => Format::Text,
                        "markdown" => Format::Markdown,
                        other => return Err(format!("`--format {other}`: expected `text` or `markdown`")),
                    }
                }
                "--test-threads" | "--color" | "--skip" | "--logfile" => drop(value()?),
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--exact" | "--show-output"
                | "--include-ignored" => {}
                // No scenario is ignored.
                "--ignored" => plan.names.push("ignored".to_owned()),
                _ if name.starts_with('-') => return Err(format!("no option `{name}`")),
                _ => plan.names.push(argument.to_owned()),
            }
        }
        Ok(Self::Run(plan))
    }
}

impl Plan {
    /// Selects from `scenarios`. In the long form an unknown name is an error; otherwise names are parts of `SUITE::NAME`, as for
    /// every other test, and may match none.
    pub(crate) fn choose<'a>(&self, suite: &str, scenarios: &[&'a str]) -> Result<Vec<&'a str>, String> {
        let is = |name: &str, wanted: &String| name.eq_ignore_ascii_case(wanted);
        if self.long
            && let Some(unknown) = self.names.iter().find(|wanted| !scenarios.iter().any(|name| is(name, wanted)))
        {
            return Err(format!("no scenario `{unknown}`; there are {}", scenarios.join(", ")));
        }
        let meant = |name: &&&str| {
            let whole = self.names.iter().any(|wanted| is(name, wanted));
            let part = |wanted: &String| {
                let exact = scenarios.iter().any(|name| is(name, wanted));
                !exact && format!("{suite}::{name}").to_lowercase().contains(&wanted.to_lowercase())
            };
            self.names.is_empty() || whole || !self.long && self.names.iter().any(part)
        };
        Ok(scenarios.iter().filter(meant).copied().collect())
    }
}
