//! `gateway agents`.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::output::OutputArguments;
use crate::event::AgentName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentsCommand {
    /// Try an agent now: end the waits of its breaker and of its failed deliveries
    Retry(AgentArguments),
    /// Pause the deliveries to an agent, also across restarts
    Pause(AgentArguments),
    /// Resume the deliveries to a paused agent
    Resume(AgentArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AgentArguments {
    /// Agent name, as listed by `gateway agents`
    #[arg(add = ArgValueCandidates::new(names::agents))]
    pub(in crate::cli) name: AgentName,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}
