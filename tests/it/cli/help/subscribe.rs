//! The help of commands for subscribers, consumers and emitters.

use super::check_help;

#[test]
fn commands_of_subscriptions_explain_themselves() {
    check_help(
        &["subscribe"],
        r"
Read events as a subscriber, and acknowledge them as a consumer

Usage: gateway subscribe [OPTIONS]

Options:
      --consumer <NAME>    Read as this consumer: acknowledge each event, and go on where it left
                           off
      --forward <URL>      Post each event to this address; one that is not answered 2xx is tried
                           again if there is a consumer
      --since <WHERE>      Begin here: latest, earliest, a cursor, or a time [default: latest]
      --channel <CHANNEL>  Pattern of channels
      --kind <KIND>        Pattern of kinds, such as `orders.*`
      --subject <SUBJECT>  Pattern of subjects
      --key <KEY>          Key of a caller [env: GATEWAY_API_KEY]
      --prefix <PATH>      Path below which subscribers are answered, as `subscribe.prefix`
                           [default: /api]
      --format <FORMAT>    Output format: text or json [default: text]
      --config <FILE>      Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>          Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>      Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>       When to use colours: auto, always or never [default: auto]
  -h, --help               Print help
",
    );
    check_help(
        &["emit"],
        r"
Emit an event to a channel

Usage: gateway emit [OPTIONS] <CHANNEL> <KIND> [FILE]

Arguments:
  <CHANNEL>  Channel with `emit = true`
  <KIND>     Kind of the event, with or without the name of the channel
  [FILE]     File with the data, `-` for stdin; without one the event has no data

Options:
      --subject <SUBJECT>       What the event is about; events of one subject keep their order
      --id <ID>                 Id of the event: the same one again is a duplicate. By default a new
                                one
      --source <URI>            Who emits it [default: /gateway/emit]
      --attribute <NAME=VALUE>  Further value as `name=value`; repeatable
      --batch                   Emit an event for each line of the file
      --dry-run                 Print the CloudEvent instead of sending it
      --key <KEY>               Key of a caller [env: GATEWAY_API_KEY]
      --prefix <PATH>           Path below which subscribers are answered, as `subscribe.prefix`
                                [default: /api]
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
        &["consumers"],
        r"
List, move or remove consumers, and replay what they have parked

Usage: gateway consumers [OPTIONS]
       gateway consumers <COMMAND>

Commands:
  seek    Have a consumer go on somewhere else: latest, earliest, a cursor, or a time
  parked  List the events that a consumer has parked, oldest first
  replay  Send parked events to the consumer again
  delete  Remove a consumer with its position and its parked events

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
        &["consumers", "seek"],
        r"
Have a consumer go on somewhere else: latest, earliest, a cursor, or a time

Usage: gateway consumers seek [OPTIONS] <NAME> <TO>

Arguments:
  <NAME>  Consumer, as listed by `gateway consumers`
  <TO>    Where it goes on

Options:
      --force            Also while somebody is connected
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>        Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>    Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>     When to use colours: auto, always or never [default: auto]
  -h, --help             Print help
",
    );
    check_help(
        &["consumers", "parked"],
        r"
List the events that a consumer has parked, oldest first

Usage: gateway consumers parked [OPTIONS] <NAME>

Arguments:
  <NAME>  Consumer, as listed by `gateway consumers`

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
        &["consumers", "replay"],
        r"
Send parked events to the consumer again

Usage: gateway consumers replay [OPTIONS] <NAME> [SEQ]

Arguments:
  <NAME>  Consumer, as listed by `gateway consumers`
  [SEQ]   Position of the event; by default all of them

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
        &["consumers", "delete"],
        r"
Remove a consumer with its position and its parked events

Usage: gateway consumers delete [OPTIONS] <NAME>

Arguments:
  <NAME>  Consumer, as listed by `gateway consumers`

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
        &["subscribers"],
        r"
List the connections of subscribers

Usage: gateway subscribers [OPTIONS]

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
}
