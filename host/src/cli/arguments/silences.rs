//! `gateway silences`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::super::request::parameters;
use super::output::{OutputArguments, TableArguments};
use crate::alert::SilenceState;
use crate::event::{Timestamp, parse_duration};

pub(super) const SILENCES: &str = "\
Examples:
  gateway silences add 'alertname=\"DiskFull\"' 'host=~\"db-.*\"' --for 2h --comment \"disk swap\"
  gateway silences end b61a8b0c
  gateway silences export silences.json
  amtool silence query -o json | gateway silences import -";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SilencesCommand {
    /// List silences, those that are over last
    List(SilencesArguments),
    /// Add a silence: nobody is told of the alerts that all matchers match, until it ends
    #[command(after_help = "\
Examples:
  gateway silences add 'alertname=\"DiskFull\"' 'host=~\"db-.*\"' --for 2h --comment \"disk swap\"
  gateway silences add 'env!=\"prod\"' --from 2026-01-31T22:00:00Z --until 2026-02-01T04:00:00Z --comment move")]
    Add(AddArguments),
    /// Show one silence
    Show {
        /// Silence id as listed by `gateway silences`, or its beginning
        #[arg(add = ArgValueCandidates::new(names::silences))]
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// End silences now: what still fires is told
    #[command(after_help = "Example: gateway silences end b61a8b0c 77b2f0")]
    End {
        /// Silence ids as listed by `gateway silences`, or their beginnings
        #[arg(required = true, value_name = "ID", add = ArgValueCandidates::new(names::silences))]
        ids: Vec<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Export the silences that are not over as JSON, as `amtool silence import` reads it
    Export {
        /// File to write, `-` for stdout; must not exist yet
        #[arg(default_value = "-", hide_default_value = true)]
        file: PathBuf,
    },
    /// Import what `gateway silences export` or `amtool silence query -o json` prints: all silences, or none
    #[command(after_help = "Example: amtool silence query -o json | gateway silences import -")]
    Import {
        /// File with the silences, `-` for stdin
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SilencesArguments {
    /// Maximum number of rows, 1 to 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500), default_value_t = 50)]
    limit: u32,
    /// Continue where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    /// Filter by state: active, pending or expired
    #[arg(
        long,
        value_parser = PossibleValuesParser::new(SilenceState::ALL.map(SilenceState::as_str)),
        hide_possible_values = true
    )]
    state: Option<String>,
    #[command(flatten)]
    table: TableArguments,
}

impl SilencesArguments {
    /// The query, and how the list is shown.
    pub(in crate::cli) fn split(self) -> (String, TableArguments) {
        let Self { limit, cursor, state, table } = self;
        (parameters(&[("limit", Some(limit.to_string())), ("cursor", cursor), ("state", state)]), table)
    }
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("end").required(true).args(["duration", "until"])))]
pub(in crate::cli) struct AddArguments {
    /// What a label must be: `name="value"`, or with `!=`, or with `=~` or `!~` a regular expression of the whole value. A label
    /// that is missing is an empty text
    #[arg(required = true, value_name = "MATCHER")]
    pub(in crate::cli) matchers: Vec<String>,
    /// How long it lasts, such as 2h or 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) duration: Option<String>,
    /// When it ends (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) until: Option<Timestamp>,
    /// When it begins; by default now
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) from: Option<Timestamp>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) comment: String,
    /// Who wants it; by default you
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) by: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

/// The gateway counts it from its own time on.
fn duration(text: &str) -> Result<String, &'static str> {
    parse_duration(text).map(|_| text.to_owned()).ok_or("expected a duration such as `30m`, `2h` or `1d`")
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "expected a time such as `2026-01-31T12:00:00Z`")
}
