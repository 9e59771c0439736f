//! The help of `gateway plugin`.

use super::check_help;

#[test]
fn every_command_for_plugins_explains_itself() {
    check_help(
        &["plugin"],
        r"
Create, build, check, test, pin and sign plugins

Usage: gateway plugin [OPTIONS] <COMMAND>

Commands:
  new       Create the source of a new plugin, ready to build
  build     Build a plugin from source with the tools of its language
  check     Check plugin files as the gateway would, and report all problems
  inspect   Show the kind, version, verification, settings, imports, samples and needs of a plugin
  test      Run samples through a plugin and compare the results with the expected ones
  dev       Build, test and install a plugin whenever its folder changes, until Ctrl-C
  pack      Embed samples in a plugin file, as `build` does, so that `gateway send` finds them
  pin       Pin plugins to the SHA-256 of their files, so that no other file serves
  sign      Sign a plugin file with an Ed25519 key
  rollback  Take the version before back into service, in the running gateway

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "new"],
        r"
Create the source of a new plugin, ready to build

Usage: gateway plugin new [OPTIONS] --kind <KIND> --lang <LANG> <NAME>

Arguments:
  <NAME>  Plugin name: 1 to 63 of `a-z`, `0-9` and `-`

Options:
      --kind <KIND>    channel (a source of events) or agent (a destination)
      --lang <LANG>    Language: rust, js, ts, python, go, c or zig
      --dir <DIR>      Target folder, missing or empty; by default `./NAME`
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "build"],
        r"
Build a plugin from source with the tools of its language

Usage: gateway plugin build [OPTIONS] [DIR]

Arguments:
  [DIR]  Folder created by `gateway plugin new`; by default the current one

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "check"],
        r"
Check plugin files as the gateway would, and report all problems

Usage: gateway plugin check [OPTIONS] <FILE>...

Arguments:
  <FILE>...  Plugin files

Options:
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "inspect"],
        r"
Show the kind, version, verification, settings, imports, samples and needs of a plugin

Usage: gateway plugin inspect [OPTIONS] <FILE>

Arguments:
  <FILE>  Plugin file

Options:
      --format <FORMAT>  Output format: text or json [default: text]
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["plugin", "test"],
        r"
Run samples through a plugin and compare the results with the expected ones

Usage: gateway plugin test [OPTIONS] [PATH]...

Arguments:
  [PATH]...  Plugin files, or folders with a plugin

Options:
      --samples <DIR>     Folder of samples; by default `samples` beside the plugin
      --runs <RUNS>       Timed calls of each sample, 1 to 10000 [default: 20]
      --accept            Write the results into the samples as the expected ones
      --secret <SOURCE>   Verify the requests, whose headers need their signature, with this secret:
                          env:NAME or file:PATH
      --at <TIME>         When the requests were signed (2026-01-31T12:00:00Z, or 15m ago); by
                          default now
      --record <CHANNEL>  Record samples of what this channel of the running gateway receives,
                          without credentials
      --count <COUNT>     Number of samples to record, 1 to 100 [default: 1]
      --format <FORMAT>   Output format: text or json [default: text]
      --config <FILE>     Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
      --url <URL>         Address of the admin API, if not as configured [env: GATEWAY_URL]
      --token <TOKEN>     Token of the admin API [env: GATEWAY_ADMIN_TOKEN]
      --color <WHEN>      When to use colours: auto, always or never [default: auto]
  -h, --help              Print help
",
    );
    check_help(
        &["plugin", "dev"],
        r"
Build, test and install a plugin whenever its folder changes, until Ctrl-C

Usage: gateway plugin dev [OPTIONS] [DIR]

Arguments:
  [DIR]  Plugin folder [default: .]

Options:
      --build <COMMAND>  Shell command that builds the plugin; by default `gateway plugin build`
      --install <DIR>    Folder for a plugin that passes its samples; by default the plugin folder
                         of the configuration
      --config <FILE>    Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["plugin", "pack"],
        r"
Embed samples in a plugin file, as `build` does, so that `gateway send` finds them

Usage: gateway plugin pack [OPTIONS] <PATH>

Arguments:
  <PATH>  Plugin file, or its folder

Options:
      --samples <DIR>  Folder of samples; by default `samples` beside the plugin
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "pin"],
        r"
Pin plugins to the SHA-256 of their files, so that no other file serves

Usage: gateway plugin pin [OPTIONS] [NAME]...

Arguments:
  [NAME]...  Plugin names, which are those of their files

Options:
      --all            Pin every plugin in the plugin folder
      --file <FILE>    Plugin file to pin, if it is not in the plugin folder yet
      --check          Change nothing; exit with code 1 if a file does not match its pin
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "sign"],
        r"
Sign a plugin file with an Ed25519 key

Usage: gateway plugin sign [OPTIONS] --key <FILE> <PLUGIN>

Arguments:
  <PLUGIN>  Plugin file; its signature is written beside it, with `.sig` appended

Options:
      --key <FILE>     Private key, as written by `openssl genpkey -algorithm ed25519`
      --config <FILE>  Configuration file, `./gateway.toml` by default [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "rollback"],
        r"
Take the version before back into service, in the running gateway

Usage: gateway plugin rollback [OPTIONS] <NAME>

Arguments:
  <NAME>  Name of the plugin

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
