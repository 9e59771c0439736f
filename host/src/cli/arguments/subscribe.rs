//! `gateway subscribe`, `gateway emit` and `gateway consumers`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::output::{OutputArguments, TableArguments};
use crate::event::ChannelName;

/// What a service authenticates with.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct KeyArguments {
    /// Key of a caller
    #[arg(long, value_name = "KEY", env = "GATEWAY_API_KEY", hide_env_values = true)]
    pub(in crate::cli) key: Option<String>,
    /// Path below which subscribers are answered, as `subscribe.prefix`
    #[arg(long, value_name = "PATH", default_value = "/api")]
    pub(in crate::cli) prefix: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SubscribeArguments {
    /// Read as this consumer: acknowledge each event, and go on where it left off
    #[arg(long, value_name = "NAME", conflicts_with = "since")]
    pub(in crate::cli) consumer: Option<String>,
    /// Post each event to this address; one that is not answered 2xx is tried again if there is a consumer
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) forward: Option<String>,
    /// Begin here: latest, earliest, a cursor, or a time
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    pub(in crate::cli) since: String,
    /// Pattern of channels
    #[arg(long, add = ArgValueCandidates::new(names::channels))]
    pub(in crate::cli) channel: Option<String>,
    /// Pattern of kinds, such as `orders.*`
    #[arg(long)]
    pub(in crate::cli) kind: Option<String>,
    /// Pattern of subjects
    #[arg(long)]
    pub(in crate::cli) subject: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) key: KeyArguments,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EmitArguments {
    /// Channel with `emit = true`
    #[arg(add = ArgValueCandidates::new(names::channels))]
    pub(in crate::cli) channel: ChannelName,
    /// Kind of the event, with or without the name of the channel
    pub(in crate::cli) kind: String,
    /// File with the data, `-` for stdin; without one the event has no data
    pub(in crate::cli) file: Option<PathBuf>,
    /// What the event is about; events of one subject keep their order
    #[arg(long)]
    pub(in crate::cli) subject: Option<String>,
    /// Id of the event: the same one again is a duplicate. By default a new one
    #[arg(long, conflicts_with = "batch")]
    pub(in crate::cli) id: Option<String>,
    /// Who emits it
    #[arg(long, value_name = "URI", default_value = "/gateway/emit")]
    pub(in crate::cli) source: String,
    /// Further value as `name=value`; repeatable
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    pub(in crate::cli) attributes: Vec<String>,
    /// Emit an event for each line of the file
    #[arg(long, requires = "file")]
    pub(in crate::cli) batch: bool,
    /// Print the CloudEvent instead of sending it
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) key: KeyArguments,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConsumersCommand {
    /// Have a consumer go on somewhere else: latest, earliest, a cursor, or a time
    Seek {
        /// Consumer, as listed by `gateway consumers`
        name: String,
        /// Where it goes on
        to: String,
        /// Also while somebody is connected
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// List the events that a consumer has parked, oldest first
    Parked {
        /// Consumer, as listed by `gateway consumers`
        name: String,
        #[command(flatten)]
        table: TableArguments,
    },
    /// Send parked events to the consumer again
    Replay {
        /// Consumer, as listed by `gateway consumers`
        name: String,
        /// Position of the event; by default all of them
        seq: Option<u64>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Remove a consumer with its position and its parked events
    Delete {
        /// Consumer, as listed by `gateway consumers`
        name: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}
