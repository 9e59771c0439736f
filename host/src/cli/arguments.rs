mod deliveries;
mod plugin;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;

pub(super) use self::deliveries::{DeliveriesArguments, DeliveriesCommand, ReplayArguments};
pub(super) use self::plugin::{DevArguments, PluginCommand, TestArguments};
use super::request::{EventFilter, Selection};
use crate::event::{AgentName, ChannelName, EventId, EventStatus, Timestamp};
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

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// List events, newest first
    List(EventsArguments),
    /// Show the life of one event: received, stored, every attempt, and its data
    Show {
        /// The event's id, as in the list
        #[arg(value_parser = event_id)]
        id: EventId,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Print new events as they are stored, until Ctrl-C
    Tail(TailArguments),
    /// Deliver an event again
    Replay {
        /// The event's id, as in the list
        #[arg(value_parser = event_id)]
        id: EventId,
        /// Only to this agent; to all agents of its routes when left out
        #[arg(long)]
        agent: Option<AgentName>,
        #[command(flatten)]
        output: OutputArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Show what the log holds and what it takes on the disk
    Stats {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Read everything that is stored and tell what is damaged
    Verify {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Write a copy of the log to a file, also while the gateway runs
    Backup {
        /// The file, which is not there yet
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Make the log of a backup, where there is none yet
    Restore {
        /// A file that `gateway log backup` wrote
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Save what can be read of a damaged log into a new one, and keep the damaged one beside it
    Repair {
        #[command(flatten)]
        output: OutputArguments,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct OutputArguments {
    /// text for people, json for machines
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true, display_order = 800)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[value(help = None)]
    Text,
    #[value(help = None)]
    Json,
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
pub(super) struct EventsArguments {
    /// How many at most, 1 to 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500), default_value_t = 50)]
    limit: u32,
    /// Go on where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    select: SelectArguments,
    /// Only with this status: accepted, pending, dead or delivered
    #[arg(long, value_parser = status)]
    status: Option<EventStatus>,
    #[command(flatten)]
    received: ReceivedArguments,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ReceivedArguments {
    /// Received since: a time (2026-01-31T12:00:00Z) or how long ago (15m)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Received before: a time or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

impl ReceivedArguments {
    fn with(self, SelectArguments { channel, kind }: SelectArguments) -> Selection {
        Selection { channel, kind, since: self.since, until: self.until }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct SelectArguments {
    /// Only of this channel
    #[arg(long)]
    pub(super) channel: Option<ChannelName>,
    /// Only of this kind; `*` at the end stands for any rest
    #[arg(long)]
    pub(super) kind: Option<String>,
}

impl EventsArguments {
    pub(super) fn split(self) -> (EventFilter, OutputArguments) {
        let Self { limit, cursor, select, status, received, output } = self;
        (EventFilter { limit, cursor, events: received.with(select), status }, output)
    }
}

#[derive(Debug, Args)]
pub(super) struct TailArguments {
    #[command(flatten)]
    pub(super) select: SelectArguments,
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

fn event_id(text: &str) -> Result<EventId, String> {
    text.parse().map_err(|_| "expected an id as `gateway events` lists them".to_owned())
}

fn status(text: &str) -> Result<EventStatus, String> {
    let found = EventStatus::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| "expected `accepted`, `pending`, `dead` or `delivered`".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, Timestamp::now())
}

/// A time as it is written, or so long before `now`.
fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = text.parse::<SignedDuration>().ok().and_then(|ago| Duration::try_from(ago).ok());
    match ago {
        Some(ago) => Ok(now.before(ago)),
        None => text
            .parse()
            .map_err(|_| "expected a time such as `2026-01-31T12:00:00Z`, or a duration such as `15m`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        for (text, expected) in [
            ("15m", Some(1_699_999_100_000)),
            ("1h30m", Some(1_699_994_600_000)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(moment_before(text, now).ok().map(Timestamp::as_millis), expected, "{text}");
        }
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
