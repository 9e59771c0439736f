//! `gateway incidents` and `gateway alerts`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::super::request::parameters;
use super::output::{OutputArguments, TableArguments};
use super::select::moment;
use crate::alert::{Environment, Level, Outcome, State};
use crate::event::{ChannelName, Timestamp};

pub(super) const INCIDENTS: &str = "\
Examples:
  gateway incidents --state unresolved --severity critical
  gateway incidents show 3fa8
  gateway incidents ack 3fa8 --note \"on it\"";

pub(super) const ALERTS: &str = "\
Examples:
  gateway alerts --status firing --environment production
  gateway alerts --incident 3fa85f64a1b2c3d4
  gateway alerts --suppressed true
  gateway alerts rules";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AlertsCommand {
    /// List heartbeats, maintenance windows and inhibition rules, each with its state
    Rules {
        #[command(flatten)]
        table: TableArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum IncidentsCommand {
    /// List incidents, newest first
    List(IncidentsArguments),
    /// Show one incident: its alerts, and what happened from the first notification on
    Show {
        #[command(flatten)]
        incident: IncidentArgument,
        #[command(flatten)]
        table: TableArguments,
    },
    /// Acknowledge an incident: you look at it, and no agent is run again until it is resolved
    Ack(SayArguments),
    /// Resolve an incident: its alerts are over, until they fire again
    Resolve(SayArguments),
    /// Write a note into the history of an incident
    #[command(after_help = "Example: gateway incidents note 3fa8 \"the disk is on its way\"")]
    Note {
        #[command(flatten)]
        incident: IncidentArgument,
        /// The note
        note: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Say in the place of an agent what became of an incident
    #[command(after_help = "Example: gateway incidents outcome 3fa8 handled --note \"restarted the pod\"")]
    Outcome {
        #[command(flatten)]
        incident: IncidentArgument,
        /// in_progress, handled, failed, needs_human or acknowledged
        #[arg(value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)), hide_possible_values = true)]
        outcome: String,
        #[command(flatten)]
        note: NoteArgument,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Merge an incident into another one, which gets its alerts
    #[command(after_help = "Example: gateway incidents merge 3fa8 91c0")]
    Merge {
        #[command(flatten)]
        incident: IncidentArgument,
        /// The incident that gets the alerts
        #[arg(add = ArgValueCandidates::new(names::incidents))]
        into: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Split alerts from an incident: they become one of their own
    #[command(after_help = "Example: gateway incidents split 3fa8 0d4e81 77b2f0")]
    Split {
        #[command(flatten)]
        incident: IncidentArgument,
        /// Ids of firing alerts as listed by `gateway incidents show`, or their beginnings
        #[arg(required = true, value_name = "ALERT")]
        alerts: Vec<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IncidentArgument {
    /// Incident id as listed by `gateway incidents`, or its beginning
    #[arg(add = ArgValueCandidates::new(names::incidents))]
    pub(in crate::cli) id: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NoteArgument {
    /// Note for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(in crate::cli) note: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SayArguments {
    #[command(flatten)]
    pub(in crate::cli) incident: IncidentArgument,
    #[command(flatten)]
    pub(in crate::cli) note: NoteArgument,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

/// Which part of a list.
#[derive(Debug, Args)]
struct PageArguments {
    /// Maximum number of rows, 1 to 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500), default_value_t = 50)]
    limit: u32,
    /// Continue where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    /// Filter by severity: critical, high, warning, info, low or unknown
    #[arg(long, value_parser = PossibleValuesParser::new(Level::ALL.map(Level::as_str)), hide_possible_values = true)]
    severity: Option<String>,
    /// Filter by environment: production, staging or development
    #[arg(
        long,
        value_name = "NAME",
        value_parser = PossibleValuesParser::new(Environment::ALL.map(Environment::as_str)),
        hide_possible_values = true
    )]
    environment: Option<String>,
}

impl PageArguments {
    fn parameters(self) -> [(&'static str, Option<String>); 4] {
        let Self { limit, cursor, severity, environment } = self;
        [("limit", Some(limit.to_string())), ("cursor", cursor), ("severity", severity), ("environment", environment)]
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IncidentsArguments {
    #[command(flatten)]
    page: PageArguments,
    /// Filter by state: open, in_progress, handled, failed, blocked, needs_human, acknowledged or resolved; or unresolved, which
    /// is all but the last
    #[arg(long, value_parser = states(), hide_possible_values = true)]
    state: Option<String>,
    /// Filter by title: a name or a pattern, such as `Disk*`
    #[arg(long, value_name = "NAME")]
    title: Option<String>,
    /// Filter by whether it is a storm: true or false
    #[arg(long, value_name = "BOOL", hide_possible_values = true)]
    storm: Option<bool>,
    /// Opened since this time (2026-01-31T12:00:00Z) or this long ago (1d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    #[command(flatten)]
    table: TableArguments,
}

impl IncidentsArguments {
    /// The query, and how the list is shown.
    pub(in crate::cli) fn split(self) -> (String, TableArguments) {
        let Self { page, state, title, storm, since, table } = self;
        let own = [
            ("state", state),
            ("title", title),
            ("storm", storm.map(|storm| storm.to_string())),
            ("since", since.map(|since| since.to_string())),
        ];
        (parameters(&[page.parameters(), own].concat()), table)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AlertsArguments {
    #[command(flatten)]
    page: PageArguments,
    /// Filter by status: firing or resolved
    #[arg(long, value_parser = ["firing", "resolved"], hide_possible_values = true)]
    status: Option<String>,
    /// Filter by channel
    #[arg(long, add = ArgValueCandidates::new(names::channels))]
    channel: Option<ChannelName>,
    /// Filter by name: a name or a pattern, such as `Disk*`
    #[arg(long, value_name = "NAME")]
    alertname: Option<String>,
    /// Filter by incident, by its whole id
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(names::incidents))]
    incident: Option<String>,
    /// Filter by whether a silence, a maintenance window or another alert suppresses it: true or false
    #[arg(long, value_name = "BOOL", hide_possible_values = true)]
    suppressed: Option<bool>,
    #[command(flatten)]
    table: TableArguments,
}

impl AlertsArguments {
    /// The query, and how the list is shown.
    pub(in crate::cli) fn split(self) -> (String, TableArguments) {
        let Self { page, status, channel, alertname, incident, suppressed, table } = self;
        let own = [
            ("status", status),
            ("channel", channel.map(|channel| channel.to_string())),
            ("alertname", alertname),
            ("incident", incident),
            ("suppressed", suppressed.map(|suppressed| suppressed.to_string())),
        ];
        (parameters(&[&page.parameters()[..], &own].concat()), table)
    }
}

fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(State::ALL.map(State::as_str).into_iter().chain(["unresolved"]))
}
