//! The grammar of the command line.

pub(super) mod agents;
pub(super) mod cache;
pub(super) mod connection;
pub(super) mod deliveries;
pub(super) mod events;
pub(super) mod incidents;
pub(super) mod init;
pub(super) mod listen;
pub(super) mod log;
pub(super) mod output;
pub(super) mod plugin;
pub(super) mod routes;
pub(super) mod select;
pub(super) mod silences;
pub(super) mod subscribe;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates;

use self::agents::AgentsCommand;
use self::cache::CacheCommand;
use self::connection::ConnectionArguments;
use self::deliveries::{DeliveriesArguments, DeliveriesCommand};
use self::events::{EventsArguments, EventsCommand};
use self::incidents::{ALERTS, AlertsArguments, AlertsCommand, INCIDENTS, IncidentsArguments, IncidentsCommand};
use self::init::InitArguments;
use self::listen::ListenArguments;
use self::log::LogCommand;
use self::output::{Format, OutputArguments, TableArguments};
use self::plugin::PluginCommand;
use self::routes::RoutesCommand;
use self::silences::{SILENCES, SilencesArguments, SilencesCommand};
use self::subscribe::{ConsumersCommand, EmitArguments, SubscribeArguments};
use super::connection::Origin;
use super::terminal::ColorWhen;
use super::{names, version};
use crate::event::ChannelName;
use crate::plugin::COMPILE_COMMAND;

const COMPLETIONS: &str = "\
bash:  echo 'source <(gateway completions bash)' >> ~/.bashrc
zsh:   echo 'source <(gateway completions zsh)' >> ~/.zshrc
fish:  echo 'gateway completions fish | source' > ~/.config/fish/completions/gateway.fish";

/// Webhooks in, durable events, agents out
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    version = version::text(),
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
    #[command(flatten)]
    pub(super) connection: ConnectionArguments,
    /// When to use colours: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t = ColorWhen::Auto,
        hide_possible_values = true,
        display_order = 903
    )]
    pub(super) color: ColorWhen,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C
    #[command(visible_alias = "run")]
    Serve,
    /// Write a small configuration for the channels and agents that you name
    Init(InitArguments),
    /// Have the running gateway read its configuration again
    Reload {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Check the configuration and report all problems
    Check(CheckArguments),
    /// Show whether the gateway is ready, what it has done, and what to do next
    Status {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Sign a webhook as its provider would and send it to a channel of the running gateway
    Send(SendArguments),
    /// Post events to a port on this machine until Ctrl-C; Enter repeats the last one
    Listen(ListenArguments),
    /// List channels, which receive webhooks
    Channels(SetUpArguments),
    /// List, retry, pause or resume agents, which receive events
    #[command(args_conflicts_with_subcommands = true)]
    Agents {
        #[command(subcommand)]
        command: Option<AgentsCommand>,
        #[command(flatten)]
        list: ListArguments,
    },
    /// List plugin files, their state and their errors
    Plugins(SetUpArguments),
    /// List routes, which send events to agents, or say where an event goes
    #[command(args_conflicts_with_subcommands = true)]
    Routes {
        #[command(subcommand)]
        command: Option<RoutesCommand>,
        #[command(flatten)]
        table: TableArguments,
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
    /// List incidents, which agents and people work on, show one, or say what becomes of it
    #[command(args_conflicts_with_subcommands = true, after_help = INCIDENTS)]
    Incidents {
        #[command(subcommand)]
        command: Option<IncidentsCommand>,
        #[command(flatten)]
        list: IncidentsArguments,
    },
    /// List alerts: what fires, since when and in which incident; or list their rules
    #[command(args_conflicts_with_subcommands = true, after_help = ALERTS)]
    Alerts {
        #[command(subcommand)]
        command: Option<AlertsCommand>,
        #[command(flatten)]
        list: AlertsArguments,
    },
    /// List, add, end, export or import silences: alerts that nobody is told of for now
    #[command(args_conflicts_with_subcommands = true, after_help = SILENCES)]
    Silences {
        #[command(subcommand)]
        command: Option<SilencesCommand>,
        #[command(flatten)]
        list: SilencesArguments,
    },
    /// Read events as a subscriber, and acknowledge them as a consumer
    Subscribe(SubscribeArguments),
    /// Emit an event to a channel
    Emit(EmitArguments),
    /// List, move or remove consumers, and replay what they have parked
    #[command(args_conflicts_with_subcommands = true)]
    Consumers {
        #[command(subcommand)]
        command: Option<ConsumersCommand>,
        #[command(flatten)]
        list: ListArguments,
    },
    /// List the connections of subscribers
    Subscribers(ListArguments),
    /// List sites: which paths go to which backend
    Sites(ListArguments),
    /// List the backends of sites, and which of their addresses are up
    Backends(ListArguments),
    /// Show what is stored of the answers of backends, or remove it
    #[command(args_conflicts_with_subcommands = true)]
    Cache {
        #[command(subcommand)]
        command: Option<CacheCommand>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// List the kinds of events with their counts and schemas, or print the schema of one
    Types {
        /// Kind, as listed; by default all are listed
        kind: Option<String>,
        #[command(flatten)]
        table: TableArguments,
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
    /// Print a script that completes commands, options, and names of channels and agents
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Print the manual page of a command, or write those of all commands
    Man(ManArguments),
    /// Compile the component on stdin; the gateway starts this for each new plugin
    #[command(hide = true, name = COMPILE_COMMAND)]
    CompilePlugin { memory: u64, seconds: u64 },
    #[command(hide = true)]
    ListChannels(SetUpArguments),
    #[command(hide = true)]
    ListEvents(EventsArguments),
    #[command(hide = true)]
    ListSkills(ListArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Optional word
    #[arg(value_parser = ["list"], hide = true)]
    pub(super) list: Option<String>,
    #[command(flatten)]
    pub(super) table: TableArguments,
}

#[derive(Debug, Args)]
pub(super) struct SetUpArguments {
    /// List also what the plugin folder offers and nobody has set up
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) list: ListArguments,
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
    #[arg(add = ArgValueCandidates::new(names::channels))]
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
    /// Keep the delivery id of the sample, so that sending it again is a duplicate
    #[arg(long, conflicts_with = "file")]
    pub(super) same_id: bool,
    /// Address to send to, such as the public one of a proxy; by default the gateway's own
    #[arg(long, value_name = "URL", value_parser = Origin::parse)]
    pub(super) to: Option<Origin>,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Command, such as `events tail`; by default the gateway itself
    #[arg(conflicts_with = "dir")]
    pub(super) command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

/// The grammar as users see it: commands that ask no gateway have no options for it.
pub(super) fn grammar() -> clap::Command {
    let mut grammar = Arguments::command();
    grammar.build();
    for command in ["serve", "init", "schema", "completions", "man", "plugin"] {
        grammar = grammar.mut_subcommand(command, without_connection);
    }
    grammar
}

fn without_connection(command: clap::Command) -> clap::Command {
    let command = if matches!(command.get_name(), "test" | "rollback") {
        // `plugin test --record` and `plugin rollback` ask the gateway.
        command
    } else {
        command.mut_args(|argument| {
            let is_hidden = matches!(argument.get_id().as_str(), "url" | "token" | "color");
            if is_hidden { argument.hide(true) } else { argument }
        })
    };
    command.mut_subcommands(without_connection)
}

#[cfg(test)]
mod tests {
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
