//! `gateway deliveries`.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::super::request::{DeliveryFilter, DeliveryList};
use super::output::{OutputArguments, TableArguments};
use super::select::{ReceivedArguments, SelectArguments};
use crate::event::{AgentName, DeliveryState};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DeliveriesCommand {
    /// List deliveries, newest event first
    List(DeliveriesArguments),
    /// Replay one delivery, or all dead letters that match the filters
    Replay(ReplayArguments),
    /// List replays and their progress, latest first, or show what became of one
    Replays {
        /// Replay id; by default all are listed
        #[arg(value_name = "REPLAY", value_parser = replay_id)]
        id: Option<u64>,
        #[command(flatten)]
        table: TableArguments,
    },
    /// Cancel a replay, or the open deliveries to an agent that is gone
    Cancel(CancelArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeliveriesArguments {
    /// Maximum number of rows, 1 to 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500), default_value_t = 50)]
    limit: u32,
    /// Continue where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    select: SelectArguments,
    /// Filter by state: pending, retrying, delivered, dead or replayed
    #[arg(long, alias = "status", value_parser = state)]
    state: Option<DeliveryState>,
    /// Filter by agent
    #[arg(long, add = ArgValueCandidates::new(names::agents))]
    agent: Option<AgentName>,
    #[command(flatten)]
    received: ReceivedArguments,
    #[command(flatten)]
    table: TableArguments,
}

impl DeliveriesArguments {
    pub(in crate::cli) fn split(self) -> (DeliveryList, TableArguments) {
        let Self { limit, cursor, select, state, agent, received, table } = self;
        let filter = DeliveryFilter { events: received.with(select), state, agent };
        (DeliveryList { limit, cursor, filter }, table)
    }
}

/// Options that conflict with a single delivery.
const SELECTING: [&str; 10] =
    ["channel", "kind", "state", "agent", "since", "until", "all", "dry_run", "rate", "detach"];

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArguments {
    /// Delivery id, as listed by `gateway deliveries`; by default the filters select
    #[arg(value_parser = delivery_id, conflicts_with_all = SELECTING)]
    pub(in crate::cli) id: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) selected: Selected,
    /// Count the matching deliveries by agent and channel without replaying them
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Deliveries per second, 1 to 10000; by default as configured
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) rate: Option<u32>,
    /// Return at once instead of waiting for the end
    #[arg(long)]
    pub(in crate::cli) detach: bool,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CancelArguments {
    /// Replay id, as listed by `gateway deliveries replays`
    #[arg(value_name = "REPLAY", value_parser = replay_id, required_unless_present = "agent", conflicts_with = "agent")]
    pub(in crate::cli) id: Option<u64>,
    /// Cancel the open deliveries to this agent, which left the configuration
    #[arg(long, add = ArgValueCandidates::new(names::agents))]
    pub(in crate::cli) agent: Option<AgentName>,
    /// Count the deliveries without cancelling them
    #[arg(long, requires = "agent", conflicts_with = "id")]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Selected {
    #[command(flatten)]
    select: SelectArguments,
    /// Filter by state: dead (default) or delivered
    #[arg(long, alias = "status", value_parser = settled)]
    state: Option<DeliveryState>,
    /// Filter by agent
    #[arg(long, add = ArgValueCandidates::new(names::agents))]
    agent: Option<AgentName>,
    #[command(flatten)]
    received: ReceivedArguments,
    /// Every delivery in that state; required when no other filter is given
    #[arg(long)]
    all: bool,
}

impl Selected {
    /// The filter; `None` when it selects everything without `--all`.
    pub(in crate::cli) fn filter(self) -> Option<DeliveryFilter> {
        let Self { select, state, agent, received, all } = self;
        let filter = DeliveryFilter { events: received.with(select), state, agent };
        let is_selected = filter != DeliveryFilter { state, ..DeliveryFilter::default() };
        (all || is_selected || state == Some(DeliveryState::Dead)).then_some(filter)
    }
}

fn delivery_id(text: &str) -> Result<String, String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((seq, index)) if is_number(seq) && is_number(index) => Ok(text.to_owned()),
        _ => Err("expected an id as listed by `gateway deliveries`, such as `7.0`".to_owned()),
    }
}

fn replay_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a number as listed by `gateway deliveries replays`".to_owned())
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::named(text).ok_or_else(|| format!("expected {}", DeliveryState::NAMES))
}

fn settled(text: &str) -> Result<DeliveryState, String> {
    let found = state(text).ok().filter(|state| matches!(state, DeliveryState::Dead | DeliveryState::Delivered));
    found.ok_or_else(|| "expected `dead` or `delivered`: others are still open, or were replayed".to_owned())
}
