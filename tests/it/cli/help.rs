//! The help of every command, word for word.

mod events;
mod incidents;
mod plugin;
mod silences;
mod subscribe;

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
  init         Write a small configuration for the channels and agents that you name
  reload       Have the running gateway read its configuration again
  check        Check the configuration and report all problems
  status       Show whether the gateway is ready, what it has done, and what to do next
  send         Sign a webhook as its provider would and send it to a channel of the running gateway
  listen       Post events to a port on this machine until Ctrl-C; Enter repeats the last one
  channels     List channels, which receive webhooks
  agents       List, retry, pause or resume agents, which receive events
  plugins      List plugin files, their state and their errors
  routes       List routes, which send events to agents, or say where an event goes
  skills       List skills, and folders that could not be loaded
  events       List, show, follow or replay events
  deliveries   List or replay deliveries of events to agents
  incidents    List incidents, which agents and people work on, show one, or say what becomes of it
  alerts       List alerts: what fires, since when and in which incident; or list their rules
  silences     List, add, end, export or import silences: alerts that nobody is told of for now
  subscribe    Read events as a subscriber, and acknowledge them as a consumer
  emit         Emit an event to a channel
  consumers    List, move or remove consumers, and replay what they have parked
  subscribers  List the connections of subscribers
  sites        List sites: which paths go to which backend
  backends     List the backends of sites, and which of their addresses are up
  cache        Show what is stored of the answers of backends, or remove it
  types        List the kinds of events with their counts and schemas, or print the schema of one
  log          Inspect, verify, back up, restore or repair the event log
  plugin       Create, build, check, test, pin and sign plugins
  schema       Print the JSON Schema of the configuration, for editors
  completions  Print a script that completes commands, options, and names of channels and agents
  man          Print the manual page of a command, or write those of all commands

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>      Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>  Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>   When to use colours: auto, always or never [default: auto]
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
        &["reload"],
        r"
Have the running gateway read its configuration again

Usage: gateway reload [OPTIONS]

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
        &["check"],
        r"
Check the configuration and report all problems

Usage: gateway check [OPTIONS]

Options:
      --live             Ask the running gateway whether it would accept a webhook of each channel,
                         without sending one
      --format <FORMAT>  Output format of `--live`: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
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
      --same-id          Keep the delivery id of the sample, so that sending it again is a duplicate
      --to <URL>         Address to send to, such as the public one of a proxy; by default the
                         gateway's own
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help
",
    );
    check_help(
        &["channels"],
        r"
List channels, which receive webhooks

Usage: gateway channels [OPTIONS]

Options:
      --all              List also what the plugin folder offers and nobody has set up
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
        &["agents"],
        r"
List, retry, pause or resume agents, which receive events

Usage: gateway agents [OPTIONS]
       gateway agents <COMMAND>

Commands:
  retry   Try an agent now: end the waits of its breaker and of its failed deliveries
  pause   Pause the deliveries to an agent, also across restarts
  resume  Resume the deliveries to a paused agent

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
        &["agents", "retry"],
        r"
Try an agent now: end the waits of its breaker and of its failed deliveries

Usage: gateway agents retry [OPTIONS] <NAME>

Arguments:
  <NAME>  Agent name, as listed by `gateway agents`

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
        &["agents", "pause"],
        r"
Pause the deliveries to an agent, also across restarts

Usage: gateway agents pause [OPTIONS] <NAME>

Arguments:
  <NAME>  Agent name, as listed by `gateway agents`

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
        &["agents", "resume"],
        r"
Resume the deliveries to a paused agent

Usage: gateway agents resume [OPTIONS] <NAME>

Arguments:
  <NAME>  Agent name, as listed by `gateway agents`

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
        &["plugins"],
        r"
List plugin files, their state and their errors

Usage: gateway plugins [OPTIONS]

Options:
      --all              List also what the plugin folder offers and nobody has set up
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
        &["routes"],
        r"
List routes, which send events to agents, or say where an event goes

Usage: gateway routes [OPTIONS]
       gateway routes <COMMAND>

Commands:
  list  List routes
  test  Say where an event goes with this configuration, or why no route takes it (exit code 1)

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
        &["routes", "test"],
        r"
Say where an event goes with this configuration, or why no route takes it (exit code 1)

Usage: gateway routes test [OPTIONS] <--sample <CHANNEL/NAME>|--event <ID>|--kind <KIND>>

Options:
      --sample <CHANNEL/NAME>   Sample in the plugin of a channel, such as `github/push`
      --event <ID>              Event id as listed by `gateway events`, its beginning, its position,
                                or `latest`
      --kind <KIND>             Kind, such as `github.push`
      --channel <CHANNEL>       Channel of the kind; by default its part before the first dot
      --subject <SUBJECT>       Subject of the event
      --attribute <NAME=VALUE>  Attribute of the event; repeatable
      --data <FILE>             File with the JSON data of the event
      --format <FORMAT>         Output format: text or json [default: text]
      --config <FILE>           Configuration file, `./gateway.toml` by default [env:
                                GATEWAY_CONFIG]
      --url <URL>               Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>           Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>            When to use colours: auto, always or never [default: auto]
  -h, --help                    Print help
",
    );
    check_help(
        &["skills"],
        r"
List skills, and folders that could not be loaded

Usage: gateway skills [OPTIONS]

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
        &["init"],
        r"
Write a small configuration for the channels and agents that you name

Usage: gateway init [OPTIONS]

Options:
      --channel <PLUGIN>    Channel to receive webhooks with, as PLUGIN or NAME:PLUGIN; repeatable
      --agent <PLUGIN=URL>  Agent to deliver events to, as PLUGIN or PLUGIN=URL; repeatable
      --config <FILE>       Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help                Print help
",
    );
    check_help(
        &["status"],
        r"
Show whether the gateway is ready, what it has done, and what to do next

Usage: gateway status [OPTIONS]

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
        &["listen"],
        r"
Post events to a port on this machine until Ctrl-C; Enter repeats the last one

Usage: gateway listen [OPTIONS] <PORT>

Arguments:
  <PORT>  Port on this machine that the events are posted to

Options:
      --path <PATH>        Path that the events are posted to [default: /]
      --channel <CHANNEL>  Filter by channel
      --kind <KIND>        Filter by kind; a trailing `*` matches any suffix
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
  -h, --help               Print help
",
    );
    check_help(
        &["man"],
        r"
Print the manual page of a command, or write those of all commands

Usage: gateway man [OPTIONS] [COMMAND]...

Arguments:
  [COMMAND]...  Command, such as `events tail`; by default the gateway itself

Options:
      --dir <DIR>      Write the pages of all commands into this folder
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["completions"],
        r"
Print a script that completes commands, options, and names of channels and agents

Usage: gateway completions [OPTIONS] <SHELL>

Arguments:
  <SHELL>  Shell [possible values: bash, elvish, fish, powershell, zsh]

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help

bash:  echo 'source <(gateway completions bash)' >> ~/.bashrc
zsh:   echo 'source <(gateway completions zsh)' >> ~/.zshrc
fish:  echo 'gateway completions fish | source' > ~/.config/fish/completions/gateway.fish
",
    );
}
