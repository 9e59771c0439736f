//! The help of `gateway events`.

use super::check_help;

#[test]
fn every_command_for_events_explains_itself() {
    check_help(
        &["events"],
        r"
List, show, follow or replay events

Usage: gateway events [OPTIONS]
       gateway events <COMMAND>

Commands:
  list    List events, newest first
  show    Show one event: its timeline, its deliveries and its data
  find    Find events by a text in them: an id, a subject, an attribute or the data
  tail    Print new events as they are stored, until Ctrl-C
  replay  Replay an event: deliver it again
  export  Export events as CloudEvents, one line of JSON each
  import  Import events of an export into the running gateway, each once

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
        &["events", "find"],
        r"
Find events by a text in them: an id, a subject, an attribute or the data

Usage: gateway events find [OPTIONS] <TEXT>

Arguments:
  <TEXT>  The text, in upper or lower case: the provider's delivery id, a request id, the beginning
          of an event id, or a part of the subject, of an attribute or of the data

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier search ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "export"],
        r"
Export events as CloudEvents, one line of JSON each

Usage: gateway events export [OPTIONS] [FILE]

Arguments:
  [FILE]  File to write, `-` for stdout; must not exist yet

Options:
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
      --until <TIME>       Received before this time or this long ago
      --data               Export the data too, not only what is known about it
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "import"],
        r"
Import events of an export into the running gateway, each once

Usage: gateway events import [OPTIONS] <FILE>

Arguments:
  <FILE>  File written by `gateway events export`, `-` for stdin

Options:
      --route            Deliver the events by the routes; by default they are only stored
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
}
