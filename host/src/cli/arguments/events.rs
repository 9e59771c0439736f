//! `gateway events`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::super::request::{EventFilter, EventName, Selection};
use super::output::{OutputArguments, TableArguments};
use super::select::{ReceivedArguments, SelectArguments, moment};
use crate::event::{AgentName, EventStatus, Timestamp};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EventsCommand {
    /// List events, newest first
    List(EventsArguments),
    /// Show one event: its timeline, its deliveries and its data
    Show {
        /// Event id as listed by `gateway events`, its beginning, its position, or `latest`
        id: EventName,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Find events by a text in them: an id, a subject, an attribute or the data
    Find(FindArguments),
    /// Print new events as they are stored, until Ctrl-C
    Tail(TailArguments),
    /// Replay an event: deliver it again
    Replay {
        /// Event id as listed by `gateway events`, its beginning, its position, or `latest`
        id: EventName,
        /// Deliver to this agent only; by default to all agents of its routes
        #[arg(long, add = ArgValueCandidates::new(names::agents))]
        agent: Option<AgentName>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Release events from quarantine: tell them to everybody after all
    Release(ReleaseArguments),
    /// Export events as CloudEvents, one line of JSON each
    Export(ExportArguments),
    /// Import events of an export into the running gateway, each once
    Import(ImportArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EventsArguments {
    /// Maximum number of rows, 1 to 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500), default_value_t = 50)]
    limit: u32,
    /// Continue where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    select: SelectArguments,
    /// Filter by status, such as pending, dead, held or quarantined
    #[arg(long, value_parser = status)]
    status: Option<EventStatus>,
    #[command(flatten)]
    received: ReceivedArguments,
    #[command(flatten)]
    table: TableArguments,
}

impl EventsArguments {
    pub(in crate::cli) fn split(self) -> (EventFilter, TableArguments) {
        let Self { limit, cursor, select, status, received, table } = self;
        (EventFilter { limit, cursor, text: None, events: received.with(select), status }, table)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FindArguments {
    /// The text, in upper or lower case: the provider's delivery id, a request id, the beginning of an event id, or a part of the
    /// subject, of an attribute or of the data
    text: String,
    /// Maximum number of rows, 1 to 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500), default_value_t = 50)]
    limit: u32,
    /// Continue where an earlier search ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    received: ReceivedArguments,
    #[command(flatten)]
    table: TableArguments,
}

impl FindArguments {
    pub(in crate::cli) fn split(self) -> (EventFilter, TableArguments) {
        let Self { text, limit, cursor, select, received, table } = self;
        (EventFilter { limit, cursor, text: Some(text), events: received.with(select), status: None }, table)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArguments {
    /// File to write, `-` for stdout; must not exist yet
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    received: ReceivedArguments,
    /// Export the data too, not only what is known about it
    #[arg(long)]
    data: bool,
}

impl ExportArguments {
    pub(in crate::cli) fn split(self) -> (Selection, bool, PathBuf) {
        let Self { file, select, received, data } = self;
        (received.with(select), data, file)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArguments {
    /// File written by `gateway events export`, `-` for stdin
    pub(in crate::cli) file: PathBuf,
    /// Deliver the events by the routes; by default they are only stored
    #[arg(long)]
    pub(in crate::cli) route: bool,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TailArguments {
    #[command(flatten)]
    pub(in crate::cli) select: SelectArguments,
    /// Begin this long ago (1d) or at this time (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) since: Option<Timestamp>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReleaseArguments {
    /// Event id as listed by `gateway events --status quarantined`; by default the filters select
    #[arg(conflicts_with_all = ["channel", "kind", "since", "until", "all", "dry_run"])]
    pub(in crate::cli) id: Option<EventName>,
    /// Release every event in quarantine that the other filters select
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    received: ReceivedArguments,
    /// Count the matching events without releasing them
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

impl ReleaseArguments {
    /// The events that are meant; `None` without a filter and `--all`.
    pub(in crate::cli) fn selection(&self) -> Option<Selection> {
        let selection = self.received.clone().with(self.select.clone());
        (self.all || selection != Selection::default()).then_some(selection)
    }
}

fn status(text: &str) -> Result<EventStatus, String> {
    EventStatus::named(text).ok_or_else(|| format!("expected {}", EventStatus::NAMES))
}
