//! The help of commands about events, their deliveries and their log.

use super::check_help;

#[test]
fn every_command_about_events_explains_itself() {
    check_help(
        &["events"],
        r"
List, show, follow or replay events

Usage: gateway events [OPTIONS]
       gateway events <COMMAND>

Commands:
  list     List events, newest first
  show     Show one event: its timeline, its deliveries and its data
  find     Find events by a text in them: an id, a subject, an attribute or the data
  tail     Print new events as they are stored, until Ctrl-C
  replay   Replay an event: deliver it again
  release  Release events from quarantine: tell them to everybody after all
  export   Export events as CloudEvents, one line of JSON each
  import   Import events of an export into the running gateway, each once

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier list ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --status <STATUS>    Filter by status, such as pending, dead, held or quarantined
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --wide               Show every column with full ids and times, and cut nothing
      --utc                Show times in UTC instead of how long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
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
      --status <STATUS>    Filter by status, such as pending, dead, held or quarantined
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --wide               Show every column with full ids and times, and cut nothing
      --utc                Show times in UTC instead of how long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "show"],
        r"
Show one event: its timeline, its deliveries and its data

Usage: gateway events show [OPTIONS] <ID>

Arguments:
  <ID>  Event id as listed by `gateway events`, its beginning, its position, or `latest`

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
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
      --since <TIME>       Begin this long ago (1d) or at this time (2026-01-31T12:00:00Z)
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
  -h, --help               Print help
",
    );
    check_help(
        &["events", "replay"],
        r"
Replay an event: deliver it again

Usage: gateway events replay [OPTIONS] <ID>

Arguments:
  <ID>  Event id as listed by `gateway events`, its beginning, its position, or `latest`

Options:
      --agent <AGENT>    Deliver to this agent only; by default to all agents of its routes
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
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
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --wide               Show every column with full ids and times, and cut nothing
      --utc                Show times in UTC instead of how long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
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
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --data               Export the data too, not only what is known about it
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
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
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
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
  replays  List replays and their progress, latest first, or show what became of one
  cancel   Cancel a replay, or the open deliveries to an agent that is gone

Options:
      --limit <LIMIT>      Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>    Continue where an earlier list ended
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --state <STATE>      Filter by state: pending, retrying, delivered, dead or replayed
      --agent <AGENT>      Filter by agent
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --wide               Show every column with full ids and times, and cut nothing
      --utc                Show times in UTC instead of how long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
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
      --state <STATE>      Filter by state: pending, retrying, delivered, dead or replayed
      --agent <AGENT>      Filter by agent
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --wide               Show every column with full ids and times, and cut nothing
      --utc                Show times in UTC instead of how long ago
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
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
      --since <TIME>       Received since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --until <TIME>       Received before this time or this long ago (1d)
      --all                Every delivery in that state; required when no other filter is given
      --dry-run            Count the matching deliveries by agent and channel without replaying them
      --rate <RATE>        Deliveries per second, 1 to 10000; by default as configured
      --detach             Return at once instead of waiting for the end
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
  -h, --help               Print help
",
    );
    check_help(
        &["deliveries", "replays"],
        r"
List replays and their progress, latest first, or show what became of one

Usage: gateway deliveries replays [OPTIONS] [REPLAY]

Arguments:
  [REPLAY]  Replay id; by default all are listed

Options:
      --wide             Show every column with full ids and times, and cut nothing
      --utc              Show times in UTC instead of how long ago
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
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
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
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
      --url <URL>      Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>  Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>   When to use colours: auto, always or never [default: auto]
  -h, --help           Print help
",
    );
    check_help(
        &["log", "backup"],
        r"
Back up the log to a file, with the gateway running or not

Usage: gateway log backup [OPTIONS] <FILE>

Arguments:
  <FILE>  Backup file, which must not exist yet; `-` for stdout

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help
",
    );
}
