//! The help of commands for silences, word for word.

use super::check_help;

#[test]
fn commands_of_silences_explain_themselves() {
    check_help(
        &["silences"],
        r#"
List, add, end, export or import silences: alerts that nobody is told of for now

Usage: gateway silences [OPTIONS]
       gateway silences <COMMAND>

Commands:
  list    List silences, those that are over last
  add     Add a silence: nobody is told of the alerts that all matchers match, until it ends
  show    Show one silence
  end     End silences now: what still fires is told
  export  Export the silences that are not over as JSON, as `amtool silence import` reads it
  import  Import what `gateway silences export` or `amtool silence query -o json` prints: all
          silences, or none

Options:
      --limit <LIMIT>    Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>  Continue where an earlier list ended
      --state <STATE>    Filter by state: active, pending or expired
      --wide             Show every column with full ids and times, and cut nothing
      --utc              Show times in UTC instead of how long ago
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Examples:
  gateway silences add 'alertname="DiskFull"' 'host=~"db-.*"' --for 2h --comment "disk swap"
  gateway silences end b61a8b0c
  gateway silences export silences.json
  amtool silence query -o json | gateway silences import -
"#,
    );
    check_help(
        &["silences", "add"],
        r#"
Add a silence: nobody is told of the alerts that all matchers match, until it ends

Usage: gateway silences add [OPTIONS] --comment <TEXT> <--for <DURATION>|--until <TIME>> <MATCHER>...

Arguments:
  <MATCHER>...  What a label must be: `name="value"`, or with `!=`, or with `=~` or `!~` a regular
                expression of the whole value. A label that is missing is an empty text

Options:
      --for <DURATION>   How long it lasts, such as 2h or 1d
      --until <TIME>     When it ends (2026-01-31T12:00:00Z)
      --from <TIME>      When it begins; by default now
      --comment <TEXT>   Why
      --by <NAME>        Who wants it; by default you
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Examples:
  gateway silences add 'alertname="DiskFull"' 'host=~"db-.*"' --for 2h --comment "disk swap"
  gateway silences add 'env!="prod"' --from 2026-01-31T22:00:00Z --until 2026-02-01T04:00:00Z
  --comment move
"#,
    );
    check_help(
        &["silences", "show"],
        r"
Show one silence

Usage: gateway silences show [OPTIONS] <ID>

Arguments:
  <ID>  Silence id as listed by `gateway silences`, or its beginning

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
        &["silences", "end"],
        r"
End silences now: what still fires is told

Usage: gateway silences end [OPTIONS] <ID>...

Arguments:
  <ID>...  Silence ids as listed by `gateway silences`, or their beginnings

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Example: gateway silences end b61a8b0c 77b2f0
",
    );
    check_help(
        &["silences", "export"],
        r"
Export the silences that are not over as JSON, as `amtool silence import` reads it

Usage: gateway silences export [OPTIONS] [FILE]

Arguments:
  [FILE]  File to write, `-` for stdout; must not exist yet

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>      Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>  Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>   When to use colours: auto, always or never [default: auto]
  -h, --help           Print help
",
    );
    check_help(
        &["silences", "import"],
        r"
Import what `gateway silences export` or `amtool silence query -o json` prints: all silences, or
none

Usage: gateway silences import [OPTIONS] <FILE>

Arguments:
  <FILE>  File with the silences, `-` for stdin

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Example: amtool silence query -o json | gateway silences import -
",
    );
}
