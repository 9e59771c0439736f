//! The grammar of the command line.

pub(super) mod deliveries;
pub(super) mod events;
pub(super) mod log;
pub(super) mod output;
pub(super) mod plugin;
pub(super) mod routes;
pub(super) mod select;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use self::deliveries::{DeliveriesArguments, DeliveriesCommand};
use self::events::{EventsArguments, EventsCommand};
use self::log::LogCommand;
use self::output::{Format, OutputArguments};
use self::plugin::PluginCommand;
use self::routes::RoutesCommand;
use crate::event::ChannelName;
use crate::plugin::COMPILE_COMMAND;

/// Webhooks in, durable events, agents out
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 success, 1 failure, 2 wrong usage or configuration"
)]
pub(super) struct Arguments {
    /// Configuration file, `./gateway.toml` by default
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
    /// Run the gateway until SIGTERM or Ctrl-C
    #[command(visible_alias = "run")]
    Serve,
    /// Check the configuration and report all problems
    Check(CheckArguments),
    /// Sign a webhook as its provider would and send it to a channel of the running gateway
    Send(SendArguments),
    /// List channels, which receive webhooks
    Channels(ListArguments),
    /// List agents, which receive events
    Agents(ListArguments),
    /// List plugin files, their state and their errors
    Plugins(ListArguments),
    /// List routes, which send events to agents, or say where an event goes
    #[command(args_conflicts_with_subcommands = true)]
    Routes {
        #[command(subcommand)]
        command: Option<RoutesCommand>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// List skills, and folders that could not be loaded
    Skills(ListArguments),
    /// List, show, follow or replay events
    #[command(args_conflicts_with_subcommands = true)]
    Events {
        #[command(subcommand)]
        command: Option<EventsCommand>,
        #[command(flatten)]
        list: EventsArguments,
    },
    /// List or replay deliveries of events to agents
    #[command(args_conflicts_with_subcommands = true)]
    Deliveries {
        #[command(subcommand)]
        command: Option<DeliveriesCommand>,
        #[command(flatten)]
        list: DeliveriesArguments,
    },
    /// Inspect, verify, back up, restore or repair the event log
    Log {
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Create, build, check, test, pin and sign plugins
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print a shell completion script
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Compile the component on stdin; the gateway starts this for each new plugin
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
    /// Optional word
    #[arg(value_parser = ["list"], hide = true)]
    list: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Ask the running gateway whether it would accept a webhook of each channel, without sending one
    #[arg(long)]
    pub(super) live: bool,
    /// Output format of `--live`: text or json
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true, requires = "live")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct SendArguments {
    /// Channel name, as listed by `gateway channels`
    pub(super) channel: ChannelName,
    /// File with the body, `-` for stdin; by default piped input, or else a sample of the plugin
    pub(super) file: Option<PathBuf>,
    /// Send this sample, with the current time in it
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(super) sample: Option<String>,
    /// List the samples inside the plugin file and the events they become
    #[arg(long, conflicts_with_all = ["file", "sample", "headers", "query"])]
    pub(super) list_samples: bool,
    /// Header as `Name: value`, or `@FILE` with one per line; repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(super) headers: Vec<String>,
    /// Query string, without `?`
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
