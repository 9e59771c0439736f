//! The grammar of the command line.

pub(super) mod deliveries;
pub(super) mod events;
pub(super) mod log;
pub(super) mod output;
pub(super) mod plugin;
pub(super) mod select;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use self::deliveries::{DeliveriesArguments, DeliveriesCommand};
use self::events::{EventsArguments, EventsCommand};
use self::log::LogCommand;
use self::output::{Format, OutputArguments};
use self::plugin::PluginCommand;
use crate::event::ChannelName;
use crate::plugin::COMPILE_COMMAND;

/// Webhooks in, durable events, agents out
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 fine, 1 failed, 2 wrong call or configuration"
)]
pub(super) struct Arguments {
    /// The configuration, `./gateway.toml` when left out
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GATEWAY_CONFIG",
        hide_env_values = true,
        display_order = 900
    )]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve until SIGTERM or Ctrl-C
    #[command(visible_alias = "run")]
    Serve,
    /// Check the configuration and tell all its problems at once
    Check(CheckArguments),
    /// Sign a body as its provider would and send it to a channel of the running gateway
    Send(SendArguments),
    /// List channels: what receives webhooks
    Channels(ListArguments),
    /// List agents: who gets the events
    Agents(ListArguments),
    /// List plugin files with what serves and what failed
    Plugins(ListArguments),
    /// List routes: which events go to which agents
    Routes(ListArguments),
    /// List skills, and the folders that are none
    Skills(ListArguments),
    /// List events, or show, follow and replay them
    #[command(args_conflicts_with_subcommands = true)]
    Events {
        #[command(subcommand)]
        command: Option<EventsCommand>,
        #[command(flatten)]
        list: EventsArguments,
    },
    /// List deliveries, events on their way to agents, or replay them
    #[command(args_conflicts_with_subcommands = true)]
    Deliveries {
        #[command(subcommand)]
        command: Option<DeliveriesCommand>,
        #[command(flatten)]
        list: DeliveriesArguments,
    },
    /// Look after the event log: figures, checks, backups, repair
    Log {
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Make, check, test, pin and sign plugins
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Compile the component on stdin: what the gateway starts for each new plugin
    #[command(hide = true, name = COMPILE_COMMAND)]
    CompilePlugin { memory: u64, seconds: u64 },
    #[command(hide = true)]
    ListChannels(ListArguments),
    #[command(hide = true)]
    ListEvents(EventsArguments),
    #[command(hide = true)]
    ListSkills(ListArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// May be written for clarity
    #[arg(value_parser = ["list"], hide = true)]
    list: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Ask the running gateway for each channel whether its webhook would be accepted, without sending it
    #[arg(long)]
    pub(super) live: bool,
    /// With `--live`: text for people, json for machines
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true, requires = "live")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct SendArguments {
    /// The channel, as in `gateway channels`
    pub(super) channel: ChannelName,
    /// The body, `-` for stdin; when left out, what is piped in, or else a sample of the plugin
    pub(super) file: Option<PathBuf>,
    /// Send this sample, as if it were made now
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(super) sample: Option<String>,
    /// List the samples that came with the plugin, and what they become
    #[arg(long, conflicts_with_all = ["file", "sample", "headers", "query"])]
    pub(super) list_samples: bool,
    /// A header, as `Name: value`, or `@FILE` with one on each line; can be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(super) headers: Vec<String>,
    /// The query of the URL, without `?`
    #[arg(long)]
    pub(super) query: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::request::EventFilter;

    #[test]
    fn the_commands_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_way_to_list_events_is_the_same() {
        let filter = |arguments: &[&str]| {
            let parsed = Arguments::try_parse_from([&["gateway"], arguments].concat()).unwrap();
            match parsed.command {
                Command::Events { command: Some(EventsCommand::List(list)), .. }
                | Command::Events { command: None, list }
                | Command::ListEvents(list) => list.split().0,
                other => panic!("{other:?}"),
            }
        };

        let expected = EventFilter { limit: 20, ..EventFilter::new() };
        assert_eq!(filter(&["events", "--limit", "20"]), expected);
        assert_eq!(filter(&["events", "list", "--limit", "20"]), expected);
        assert_eq!(filter(&["list-events", "--limit", "20"]), expected);
    }
}
