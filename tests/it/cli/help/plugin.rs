//! The help of `gateway plugin`.

use super::check_help;

#[test]
fn every_command_for_plugins_explains_itself() {
    check_help(
        &["plugin"],
        r"
Make, check, test, pin and sign plugins

Usage: gateway plugin [OPTIONS] <COMMAND>

Commands:
  new      Write the source of a new plugin, which builds as it is
  build    Build a plugin with the tools of its language into one file
  check    Look at files as the gateway would, and tell everything that keeps one from serving
  inspect  Show what a file is: kind, version, verification, settings, imports, samples, what it
           asks for
  test     Run samples through a plugin and compare what comes with what is expected
  dev      Build, test and install a plugin each time that its folder changes, until Ctrl-C
  pack     Put the samples of a folder into a plugin file, as `build` does, so that `gateway send`
           has them
  pin      Write into the configuration which file a plugin may be, so that no other one serves
  sign     Sign a plugin file, for gateways that let in what is signed

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "new"],
        r"
Write the source of a new plugin, which builds as it is

Usage: gateway plugin new [OPTIONS] --kind <KIND> --lang <LANG> <NAME>

Arguments:
  <NAME>  The plugin's name: 1 to 63 of `a-z`, `0-9` and `-`

Options:
      --kind <KIND>    channel: a source of events; agent: a destination
      --lang <LANG>    rust, js, ts, python, go, c or zig
      --dir <DIR>      The folder, which is not there yet or empty; `./NAME` when left out
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "build"],
        r"
Build a plugin with the tools of its language into one file

Usage: gateway plugin build [OPTIONS] [DIR]

Arguments:
  [DIR]  A folder that `gateway plugin new` made; this one when left out

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "check"],
        r"
Look at files as the gateway would, and tell everything that keeps one from serving

Usage: gateway plugin check [OPTIONS] <FILE>...

Arguments:
  <FILE>...  Plugin files

Options:
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "inspect"],
        r"
Show what a file is: kind, version, verification, settings, imports, samples, what it asks for

Usage: gateway plugin inspect [OPTIONS] <FILE>

Arguments:
  <FILE>  A plugin file

Options:
      --format <FORMAT>  text for people, json for machines [default: text]
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["plugin", "test"],
        r"
Run samples through a plugin and compare what comes with what is expected

Usage: gateway plugin test [OPTIONS] [PATH]...

Arguments:
  [PATH]...  Plugin files, or folders with a plugin

Options:
      --samples <DIR>     The folder of samples, `samples` beside the plugin when left out
      --runs <RUNS>       Calls of each sample whose times are taken, 1 to 10000 [default: 20]
      --accept            Write what comes into the samples, as what is expected from now on
      --record <CHANNEL>  Make samples of what this channel of the running gateway receives, without
                          credentials
      --count <COUNT>     How many samples are recorded, 1 to 100 [default: 1]
      --format <FORMAT>   text for people, json for machines [default: text]
      --config <FILE>     The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help              Print help
",
    );
    check_help(
        &["plugin", "dev"],
        r"
Build, test and install a plugin each time that its folder changes, until Ctrl-C

Usage: gateway plugin dev [OPTIONS] [DIR]

Arguments:
  [DIR]  The plugin's folder [default: .]

Options:
      --build <COMMAND>  What builds it, for the shell; `gateway plugin build` when left out
      --install <DIR>    Where a plugin that passes its samples goes, the plugin folder of the
                         configuration when left out
      --config <FILE>    The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help             Print help
",
    );
    check_help(
        &["plugin", "pack"],
        r"
Put the samples of a folder into a plugin file, as `build` does, so that `gateway send` has them

Usage: gateway plugin pack [OPTIONS] <PATH>

Arguments:
  <PATH>  A plugin file, or the folder of one

Options:
      --samples <DIR>  The folder of samples, `samples` beside the plugin when left out
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "pin"],
        r"
Write into the configuration which file a plugin may be, so that no other one serves

Usage: gateway plugin pin [OPTIONS] [NAME]...

Arguments:
  [NAME]...  Plugins, by the names of their files

Options:
      --all            Every plugin of the plugin folder
      --file <FILE>    The file that the plugin may be, where it is not in the plugin folder yet
      --check          Change nothing; exit code 1 when a file is not the one that its plugin may be
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
    check_help(
        &["plugin", "sign"],
        r"
Sign a plugin file, for gateways that let in what is signed

Usage: gateway plugin sign [OPTIONS] --key <FILE> <PLUGIN>

Arguments:
  <PLUGIN>  A plugin file; its signature is written beside it, with `.sig` at the end

Options:
      --key <FILE>     The private key, as `openssl genpkey -algorithm ed25519` writes it
      --config <FILE>  The configuration, `./gateway.toml` when left out [env: GATEWAY_CONFIG]
  -h, --help           Print help
",
    );
}
