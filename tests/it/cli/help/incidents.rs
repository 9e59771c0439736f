//! The help of commands about incidents and alerts.

use super::check_help;

#[test]
fn every_command_about_alerts_explains_itself() {
    check_help(
        &["incidents"],
        r#"
List incidents, which agents and people work on, show one, or say what becomes of it

Usage: gateway incidents [OPTIONS]
       gateway incidents <COMMAND>

Commands:
  list     List incidents, newest first
  show     Show one incident: its alerts, and what happened from the first notification on
  ack      Acknowledge an incident: you look at it, and no agent is run again until it is resolved
  resolve  Resolve an incident: its alerts are over, until they fire again
  note     Write a note into the history of an incident
  outcome  Say in the place of an agent what became of an incident
  merge    Merge an incident into another one, which gets its alerts
  split    Split alerts from an incident: they become one of their own

Options:
      --limit <LIMIT>        Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>      Continue where an earlier list ended
      --severity <SEVERITY>  Filter by severity: critical, high, warning, info, low or unknown
      --environment <NAME>   Filter by environment: production, staging or development
      --state <STATE>        Filter by state: open, in_progress, handled, failed, blocked,
                             needs_human, acknowledged or resolved; or unresolved, which is all but
                             the last
      --title <NAME>         Filter by title: a name or a pattern, such as `Disk*`
      --storm <BOOL>         Filter by whether it is a storm: true or false
      --since <TIME>         Opened since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --wide                 Show every column with full ids and times, and cut nothing
      --utc                  Show times in UTC instead of how long ago
      --format <FORMAT>      Output format: text or json [default: text]
      --config <FILE>        Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>            Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>        Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>         When to use colours: auto, always or never [default: auto]
  -h, --help                 Print help

Examples:
  gateway incidents --state unresolved --severity critical
  gateway incidents show 3fa8
  gateway incidents ack 3fa8 --note "on it"
"#,
    );
    check_help(
        &["incidents", "list"],
        r"
List incidents, newest first

Usage: gateway incidents list [OPTIONS]

Options:
      --limit <LIMIT>        Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>      Continue where an earlier list ended
      --severity <SEVERITY>  Filter by severity: critical, high, warning, info, low or unknown
      --environment <NAME>   Filter by environment: production, staging or development
      --state <STATE>        Filter by state: open, in_progress, handled, failed, blocked,
                             needs_human, acknowledged or resolved; or unresolved, which is all but
                             the last
      --title <NAME>         Filter by title: a name or a pattern, such as `Disk*`
      --storm <BOOL>         Filter by whether it is a storm: true or false
      --since <TIME>         Opened since this time (2026-01-31T12:00:00Z) or this long ago (1d)
      --wide                 Show every column with full ids and times, and cut nothing
      --utc                  Show times in UTC instead of how long ago
      --format <FORMAT>      Output format: text or json [default: text]
      --config <FILE>        Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>            Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>        Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>         When to use colours: auto, always or never [default: auto]
  -h, --help                 Print help
",
    );
    check_help(
        &["incidents", "show"],
        r"
Show one incident: its alerts, and what happened from the first notification on

Usage: gateway incidents show [OPTIONS] <ID>

Arguments:
  <ID>  Incident id as listed by `gateway incidents`, or its beginning

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
        &["incidents", "ack"],
        r"
Acknowledge an incident: you look at it, and no agent is run again until it is resolved

Usage: gateway incidents ack [OPTIONS] <ID>

Arguments:
  <ID>  Incident id as listed by `gateway incidents`, or its beginning

Options:
      --note <TEXT>      Note for the history
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help
",
    );
    check_help(
        &["incidents", "resolve"],
        r"
Resolve an incident: its alerts are over, until they fire again

Usage: gateway incidents resolve [OPTIONS] <ID>

Arguments:
  <ID>  Incident id as listed by `gateway incidents`, or its beginning

Options:
      --note <TEXT>      Note for the history
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help
",
    );
    check_help(
        &["incidents", "note"],
        r#"
Write a note into the history of an incident

Usage: gateway incidents note [OPTIONS] <ID> <NOTE>

Arguments:
  <ID>    Incident id as listed by `gateway incidents`, or its beginning
  <NOTE>  The note

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Example: gateway incidents note 3fa8 "the disk is on its way"
"#,
    );
    check_help(
        &["incidents", "outcome"],
        r#"
Say in the place of an agent what became of an incident

Usage: gateway incidents outcome [OPTIONS] <ID> <OUTCOME>

Arguments:
  <ID>       Incident id as listed by `gateway incidents`, or its beginning
  <OUTCOME>  in_progress, handled, failed, needs_human or acknowledged

Options:
      --note <TEXT>      Note for the history
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Example: gateway incidents outcome 3fa8 handled --note "restarted the pod"
"#,
    );
    check_help(
        &["incidents", "merge"],
        r"
Merge an incident into another one, which gets its alerts

Usage: gateway incidents merge [OPTIONS] <ID> <INTO>

Arguments:
  <ID>    Incident id as listed by `gateway incidents`, or its beginning
  <INTO>  The incident that gets the alerts

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Example: gateway incidents merge 3fa8 91c0
",
    );
    check_help(
        &["incidents", "split"],
        r"
Split alerts from an incident: they become one of their own

Usage: gateway incidents split [OPTIONS] <ID> <ALERT>...

Arguments:
  <ID>        Incident id as listed by `gateway incidents`, or its beginning
  <ALERT>...  Ids of firing alerts as listed by `gateway incidents show`, or their beginnings

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help

Example: gateway incidents split 3fa8 0d4e81 77b2f0
",
    );
    check_help(
        &["alerts"],
        r"
List alerts: what fires, since when and in which incident; or list their rules

Usage: gateway alerts [OPTIONS]
       gateway alerts <COMMAND>

Commands:
  rules  List heartbeats, maintenance windows and inhibition rules, each with its state

Options:
      --limit <LIMIT>        Maximum number of rows, 1 to 500 [default: 50]
      --cursor <CURSOR>      Continue where an earlier list ended
      --severity <SEVERITY>  Filter by severity: critical, high, warning, info, low or unknown
      --environment <NAME>   Filter by environment: production, staging or development
      --status <STATUS>      Filter by status: firing or resolved
      --channel <CHANNEL>    Filter by channel
      --alertname <NAME>     Filter by name: a name or a pattern, such as `Disk*`
      --incident <ID>        Filter by incident, by its whole id
      --suppressed <BOOL>    Filter by whether a silence, a maintenance window or another alert
                             suppresses it: true or false
      --wide                 Show every column with full ids and times, and cut nothing
      --utc                  Show times in UTC instead of how long ago
      --format <FORMAT>      Output format: text or json [default: text]
      --config <FILE>        Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>            Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>        Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>         When to use colours: auto, always or never [default: auto]
  -h, --help                 Print help

Examples:
  gateway alerts --status firing --environment production
  gateway alerts --incident 3fa85f64a1b2c3d4
  gateway alerts --suppressed true
  gateway alerts rules
",
    );
}
