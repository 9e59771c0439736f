//! The help of every command, word for word.

mod plugin;

use super::{gateway, outcome};

#[track_caller]
fn check_help(command: &[&str], expected: &str) {
    let (code, help, error) = outcome(gateway(&[command, &["--help"]].concat()));

    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(help.trim_end(), expected.trim(), "{command:?}");
}

#[test]
fn every_command_explains_itself() {
    check_help(
        &[],
        r"
Webhooks in, durable events, agents out

Usage: gateway [OPTIONS] <COMMAND>

Commands:
  serve        Run the gateway until SIGTERM or Ctrl-C [alias: run]
  check        Check the configuration and report all problems
  send         Sign a webhook as its provider would and send it to a channel of the running gateway
  channels     List channels, which receive webhooks
  agents       List agents, which receive events
  plugins      List plugin files, their state and their errors
  routes       List routes, which send events to agents, or say where an event goes
  skills       List skills, and folders that could not be loaded
  events       List, show, follow or replay events
  deliveries   List or replay deliveries of events to agents
  log          Inspect, verify, back up, restore or repair the event log
  plugin       Create, build, check, test, pin and sign plugins
  schema       Print the JSON Schema of the configuration, for editors
  completions  Print a shell completion script

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
  -V, --version        Print version

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration
",
    );
    check_help(
        &["serve"],
        r"
Run the gateway until SIGTERM or Ctrl-C

Usage: gateway serve [OPTIONS]

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["check"],
        r"
Check the configuration and report all problems

Usage: gateway check [OPTIONS]

Options:
      --live             Ask the running gateway whether it would accept a webhook of each channel,
                         without sending one
      --format <FORMAT>  Output format of `--live`: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["schema"],
        r"
Print the JSON Schema of the configuration, for editors

Usage: gateway schema [OPTIONS]

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["send"],
        r"
Sign a webhook as its provider would and send it to a channel of the running gateway

Usage: gateway send [OPTIONS] <CHANNEL> [FILE]

Arguments:
  <CHANNEL>  Channel name, as listed by `gateway channels`
  [FILE]     File with the body, `-` for stdin; by default piped input, or else a sample of the
             plugin

Options:
      --sample <NAME>    Send this sample, with the current time in it
      --list-samples     List the samples inside the plugin file and the events they become
  -H, --header <HEADER>  Header as `Name: value`, or `@FILE` with one per line; repeatable
      --query <QUERY>    Query string, without `?`
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["channels"],
        r"
List channels, which receive webhooks

Usage: gateway channels [OPTIONS]

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["agents"],
        r"
List agents, which receive events

Usage: gateway agents [OPTIONS]

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["plugins"],
        r"
List plugin files, their state and their errors

Usage: gateway plugins [OPTIONS]

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["routes"],
        r"
List routes, which send events to agents, or say where an event goes

Usage: gateway routes [OPTIONS]
       gateway routes <COMMAND>

Commands:
  list  List routes
  test  Say where an event goes with this configuration, or why no route takes it (exit code 1)

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["routes", "test"],
        r"
Say where an event goes with this configuration, or why no route takes it (exit code 1)

Usage: gateway routes test [OPTIONS] <--sample <CHANNEL/NAME>|--event <ID>|--kind <KIND>>

Options:
      --sample <CHANNEL/NAME>   Sample in the plugin of a channel, such as `github/push`
      --event <ID>              Event id, as listed by `gateway events`
      --kind <KIND>             Kind, such as `github.push`
      --channel <CHANNEL>       Channel of the kind; by default its part before the first dot
      --subject <SUBJECT>       Subject of the event
      --attribute <NAME=VALUE>  Attribute of the event; repeatable
      --data <FILE>             File with the JSON data of the event
      --format <FORMAT>         Output format: text or json [default: text]
      --config <FILE>           Configuration file, `./gateway.toml` by default [env:
                                GATEWAY_CONFIG]
  -h, --help                    Print help
",
    );
    check_help(
        &["skills"],
        r"
List skills, and folders that could not be loaded

Usage: gateway skills [OPTIONS]

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["events"],
        r"
List, show, follow or replay events

Usage: gateway events [OPTIONS]
       gateway events <COMMAND>

Commands:
  list    List events, newest first
  show    Show one event: its timeline, its deliveries and its data
  tail    Print new events as they are stored, until Ctrl-C
  replay  Replay an event: deliver it again

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier list ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --status <STATUS>    Filter by status: accepted, pending, dead, delivered, held or dropped
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "list"],
        r"
List events, newest first

Usage: gateway events list [OPTIONS]

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier list ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --status <STATUS>    Filter by status: accepted, pending, dead, delivered, held or dropped
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "show"],
        r"
Show one event: its timeline, its deliveries and its data

Usage: gateway events show [OPTIONS] <ID>

Arguments:
  <ID>  Event id, as listed by `gateway events`

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["events", "tail"],
        r"
Print new events as they are stored, until Ctrl-C

Usage: gateway events tail [OPTIONS]

Options:
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "replay"],
        r"
Replay an event: deliver it again

Usage: gateway events replay [OPTIONS] <ID>

Arguments:
  <ID>  Event id, as listed by `gateway events`

Options:
      --agent <AGENT>    Deliver to this agent only; by default to all agents of its routes
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["deliveries"],
        r"
List or replay deliveries of events to agents

Usage: gateway deliveries [OPTIONS]
       gateway deliveries <COMMAND>

Commands:
  list     List deliveries, newest event first
  replay   Replay one delivery, or all dead letters that match the filters
  replays  List replays and their progress, latest first
  cancel   Cancel a replay, or the open deliveries to an agent that is gone

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier list ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --state <STATE>      Filter by state: pending, retrying, delivered or dead
      --agent <AGENT>      Filter by agent
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "list"],
        r"
List deliveries, newest event first

Usage: gateway deliveries list [OPTIONS]

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier list ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --state <STATE>      Filter by state: pending, retrying, delivered or dead
      --agent <AGENT>      Filter by agent
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "replay"],
        r"
Replay one delivery, or all dead letters that match the filters

Usage: gateway deliveries replay [OPTIONS] [ID]

Arguments:
  [ID]  Delivery id, as listed by `gateway deliveries`; by default the filters select

Options:
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --state <STATE>      Filter by state: dead (default) or delivered
      --agent <AGENT>      Filter by agent
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --all                Every delivery in that state; required when no other filter is given
      --dry-run            Count the matching deliveries by agent and channel without replaying them
      --rate <RATE>        Deliveries per second, 1 to 10000; by default as configured
      --detach             Return at once instead of waiting for the end
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "replays"],
        r"
List replays and their progress, latest first

Usage: gateway deliveries replays [OPTIONS]

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["deliveries", "cancel"],
        r"
Cancel a replay, or the open deliveries to an agent that is gone

Usage: gateway deliveries cancel [OPTIONS] [REPLAY]

Arguments:
  [REPLAY]  Replay id, as listed by `gateway deliveries replays`

Options:
      --agent <AGENT>    Cancel the open deliveries to this agent, which left the configuration
      --dry-run          Count the deliveries without cancelling them
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["log"],
        r"
Inspect, verify, back up, restore or repair the event log

Usage: gateway log [OPTIONS] <COMMAND>

Commands:
  stats    Show how many events the log holds and how much disk space it uses
  verify   Read every record and report damage
  backup   Back up the log to a file, with the gateway running or not
  restore  Restore a backup into an empty log directory
  repair   Copy all readable records of a damaged log into a new one, and keep the damaged one

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["log", "backup"],
        r"
Back up the log to a file, with the gateway running or not

Usage: gateway log backup [OPTIONS] <FILE>

Arguments:
  <FILE>  Backup file; must not exist yet

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["completions"],
        r"
Print a shell completion script

Usage: gateway completions [OPTIONS] <SHELL>

Arguments:
  <SHELL>  Shell [possible values: bash, elvish, fish, powershell, zsh]

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
}
