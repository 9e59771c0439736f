//! The help of every command, word for word.

mod plugin;

use super::{gateway, told};

#[track_caller]
fn check_help(command: &[&str], expected: &str) {
    let (code, help, error) = told(gateway(&[command, &["--help"]].concat()));

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
  serve        Serve until SIGTERM or Ctrl-C [alias: run]
  check        Check the configuration and tell all its problems at once
  send         Sign a body as its provider would and send it to a channel of the running gateway
  channels     List channels: what receives webhooks
  agents       List agents: who gets the events
  plugins      List plugin files with what serves and what failed
  routes       List routes: which events go to which agents
  skills       List skills, and the folders that are none
  events       List events, or show, follow and replay them
  deliveries   List deliveries, events on their way to agents, or replay them
  log          Look after the event log: figures, checks, backups, repair
  plugin       Make, check, test, pin and sign plugins
  completions  Print the completion script of a shell

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
  -V, --version        Print version

Exit codes: 0 fine, 1 failed, 2 wrong call or configuration
",
    );
    check_help(
        &["serve"],
        r"
Serve until SIGTERM or Ctrl-C

Usage: gateway serve [OPTIONS]

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["check"],
        r"
Check the configuration and tell all its problems at once

Usage: gateway check [OPTIONS]

Options:
      --live             Ask the running gateway for each channel whether its webhook would be
                         accepted, without sending it
      --format <FORMAT>  With `--live`: text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["send"],
        r"
Sign a body as its provider would and send it to a channel of the running gateway

Usage: gateway send [OPTIONS] <CHANNEL> [FILE]

Arguments:
  <CHANNEL>  The channel, as in `gateway channels`
  [FILE]     The body, `-` for stdin; when left out, what is piped in, or else a sample of the
             plugin

Options:
      --sample <NAME>    Send this sample, as if it were made now
      --list-samples     List the samples that came with the plugin, and what they become
  -H, --header <HEADER>  A header, as `Name: value`, or `@FILE` with one on each line; can be
                         repeated
      --query <QUERY>    The query of the URL, without `?`
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["channels"],
        r"
List channels: what receives webhooks

Usage: gateway channels [OPTIONS]

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["agents"],
        r"
List agents: who gets the events

Usage: gateway agents [OPTIONS]

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["plugins"],
        r"
List plugin files with what serves and what failed

Usage: gateway plugins [OPTIONS]

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["routes"],
        r"
List routes: which events go to which agents

Usage: gateway routes [OPTIONS]

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["skills"],
        r"
List skills, and the folders that are none

Usage: gateway skills [OPTIONS]

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["events"],
        r"
List events, or show, follow and replay them

Usage: gateway events [OPTIONS]
       gateway events <COMMAND>

Commands:
  list    List events, newest first
  show    Show the life of one event: received, stored, every attempt, and its data
  tail    Print new events as they are stored, until Ctrl-C
  replay  Deliver an event again

Options:
      --limit <LIMIT>      How many at most, 1 to 500 [default: 50]
      --cursor <CURSOR>    Go on where an earlier list ended
      --channel <CHANNEL>  Only of this channel
      --kind <KIND>        Only of this kind; `*` at the end stands for any rest
      --status <STATUS>    Only with this status: accepted, pending, dead or delivered
      --since <TIME>       Received since: a time (2026-01-31T12:00:00Z) or how long ago (15m)
      --until <TIME>       Received before: a time or how long ago
      --format <FORMAT>    text for people, json for machines [default: text]
      --config <FILE>      The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "list"],
        r"
List events, newest first

Usage: gateway events list [OPTIONS]

Options:
      --limit <LIMIT>      How many at most, 1 to 500 [default: 50]
      --cursor <CURSOR>    Go on where an earlier list ended
      --channel <CHANNEL>  Only of this channel
      --kind <KIND>        Only of this kind; `*` at the end stands for any rest
      --status <STATUS>    Only with this status: accepted, pending, dead or delivered
      --since <TIME>       Received since: a time (2026-01-31T12:00:00Z) or how long ago (15m)
      --until <TIME>       Received before: a time or how long ago
      --format <FORMAT>    text for people, json for machines [default: text]
      --config <FILE>      The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "show"],
        r"
Show the life of one event: received, stored, every attempt, and its data

Usage: gateway events show [OPTIONS] <ID>

Arguments:
  <ID>  The event's id, as in the list

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["events", "tail"],
        r"
Print new events as they are stored, until Ctrl-C

Usage: gateway events tail [OPTIONS]

Options:
      --channel <CHANNEL>  Only of this channel
      --kind <KIND>        Only of this kind; `*` at the end stands for any rest
      --format <FORMAT>    text for people, json for machines [default: text]
      --config <FILE>      The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "replay"],
        r"
Deliver an event again

Usage: gateway events replay [OPTIONS] <ID>

Arguments:
  <ID>  The event's id, as in the list

Options:
      --agent <AGENT>    Only to this agent; to all agents of its routes when left out
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["deliveries"],
        r"
List deliveries, events on their way to agents, or replay them

Usage: gateway deliveries [OPTIONS]
       gateway deliveries <COMMAND>

Commands:
  list     List deliveries, those of the newest event first
  replay   Deliver again: one delivery, or all dead letters that the options select
  replays  List replays, the latest first, with how far they have come
  cancel   End a replay that runs; what it has added is delivered all the same

Options:
      --limit <LIMIT>      How many at most, 1 to 500 [default: 50]
      --cursor <CURSOR>    Go on where an earlier list ended
      --channel <CHANNEL>  Only of this channel
      --kind <KIND>        Only of this kind; `*` at the end stands for any rest
      --state <STATE>      Only in this state: pending, retrying, delivered or dead
      --agent <AGENT>      Only to this agent
      --since <TIME>       Received since: a time (2026-01-31T12:00:00Z) or how long ago (15m)
      --until <TIME>       Received before: a time or how long ago
      --format <FORMAT>    text for people, json for machines [default: text]
      --config <FILE>      The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "list"],
        r"
List deliveries, those of the newest event first

Usage: gateway deliveries list [OPTIONS]

Options:
      --limit <LIMIT>      How many at most, 1 to 500 [default: 50]
      --cursor <CURSOR>    Go on where an earlier list ended
      --channel <CHANNEL>  Only of this channel
      --kind <KIND>        Only of this kind; `*` at the end stands for any rest
      --state <STATE>      Only in this state: pending, retrying, delivered or dead
      --agent <AGENT>      Only to this agent
      --since <TIME>       Received since: a time (2026-01-31T12:00:00Z) or how long ago (15m)
      --until <TIME>       Received before: a time or how long ago
      --format <FORMAT>    text for people, json for machines [default: text]
      --config <FILE>      The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "replay"],
        r"
Deliver again: one delivery, or all dead letters that the options select

Usage: gateway deliveries replay [OPTIONS] [ID]

Arguments:
  [ID]  One delivery, as `gateway deliveries` lists it; without it, the options select

Options:
      --channel <CHANNEL>  Only of this channel
      --kind <KIND>        Only of this kind; `*` at the end stands for any rest
      --state <STATE>      Only in this state: dead (when left out) or delivered
      --agent <AGENT>      Only to this agent
      --since <TIME>       Received since: a time (2026-01-31T12:00:00Z) or how long ago (15m)
      --until <TIME>       Received before: a time or how long ago
      --all                Everything that is dead, or in that state: needed when no other option
                           selects
      --dry-run            Only count, by agent and channel
      --rate <RATE>        Deliveries per second, 1 to 10000; as configured when left out
      --detach             Do not wait for the end
      --format <FORMAT>    text for people, json for machines [default: text]
      --config <FILE>      The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "replays"],
        r"
List replays, the latest first, with how far they have come

Usage: gateway deliveries replays [OPTIONS]

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["deliveries", "cancel"],
        r"
End a replay that runs; what it has added is delivered all the same

Usage: gateway deliveries cancel [OPTIONS] <REPLAY>

Arguments:
  <REPLAY>  The replay, as `gateway deliveries replays` lists it

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["log"],
        r"
Look after the event log: figures, checks, backups, repair

Usage: gateway log [OPTIONS] <COMMAND>

Commands:
  stats    Show what the log holds and what it takes on the disk
  verify   Read everything that is stored and tell what is damaged
  backup   Write a copy of the log to a file, also while the gateway runs
  restore  Make the log of a backup, where there is none yet
  repair   Save what can be read of a damaged log into a new one, and keep the damaged one beside it

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["log", "backup"],
        r"
Write a copy of the log to a file, also while the gateway runs

Usage: gateway log backup [OPTIONS] <FILE>

Arguments:
  <FILE>  The file, which is not there yet

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["completions"],
        r"
Print the completion script of a shell

Usage: gateway completions [OPTIONS] <SHELL>

Arguments:
  <SHELL>  The shell [possible values: bash, elvish, fish, powershell, zsh]

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
}
