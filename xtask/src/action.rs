//! The command line, and what each command does.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::command::{become_command, run, step};
use crate::languages::Languages;
use crate::peers;
use crate::repository::{Profile, Repository};

pub(crate) const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  serve [-- ARGS]   build the plugins and the gateway, then serve with gateway.toml;
                    ARGS are passed to `gateway serve`
  test [FILTER]     build everything, then run all tests, or those whose name contains FILTER
  build [--dist]    build the plugins and the gateway; with --dist as it is released, which takes
                    longer and makes it faster
  faults [ARGS]     run the fault suite in its long form: kills, power cuts, full disks and more;
                    `cargo xtask faults --help` lists ARGS
  hardening [ARGS]  run the hardening suite in its long form: attacks from the open internet;
                    `cargo xtask hardening --help` lists ARGS
  languages [LANG]  install the tools for each LANG (rust, js, ts, python, go, c, zig; default: all),
                    build, test and measure its plugin template, and write the table in
                    docs/writing-plugins.md;
                    `cargo xtask languages --bindings` regenerates the bindings in the templates
  bench [ARGS]      build and run the benchmark; `cargo xtask bench --help` lists ARGS
  help              print this help

Requirements: rustup (https://rustup.rs) and a C compiler. rustup reads rust-toolchain.toml and
installs what is missing.";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Serve(Vec<OsString>),
    Test(Option<OsString>),
    Build(Profile),
    Bench {
        profile: Profile,
        /// Whether peers are installed and measured.
        peers: bool,
        arguments: Vec<OsString>,
    },
    /// A suite in its long form, by the name of its test target.
    Suite(&'static str, Vec<OsString>),
    Languages(Languages),
    Help,
}

impl Action {
    pub(crate) fn parse(words: &[OsString]) -> Result<Self, String> {
        let Some((command, rest)) = words.split_first() else {
            return Ok(Self::Help);
        };
        let (first, passed) = match rest {
            [dashes, passed @ ..] if dashes == "--" => (None, passed),
            [first, passed @ ..] => (Some(first), passed),
            [] => (None, rest),
        };
        let arguments = if first.is_some() { rest } else { passed };
        let command = command.to_string_lossy();
        match (&*command, first, passed) {
            ("serve", None, _) => Ok(Self::Serve(passed.to_vec())),
            ("bench", ..) => Ok(Self::bench(arguments)),
            ("faults", ..) => Ok(Self::Suite("faults", arguments.to_vec())),
            ("hardening", ..) => Ok(Self::Suite("hardening", arguments.to_vec())),
            ("test", _, []) => Ok(Self::Test(first.cloned())),
            ("build", None, []) => Ok(Self::Build(Profile::Everyday)),
            ("build", Some(option), []) if option == "--dist" => Ok(Self::Build(Profile::Dist)),
            ("languages", _, _) => Languages::parse(rest).map(Self::Languages),
            ("help" | "--help" | "-h", None, []) => Ok(Self::Help),
            ("serve", Some(first), _) => Err(format!("unexpected `{}`; arguments go after `--`", first.display())),
            ("test" | "build" | "help" | "--help" | "-h", ..) => Err(format!("too many arguments for `{command}`")),
            _ => Err(format!("no command `{command}`")),
        }
    }

    /// Two of its options are about what is built and installed before it runs.
    fn bench(arguments: &[OsString]) -> Self {
        let has = |option: &str| arguments.iter().any(|argument| argument == option);
        let passed = arguments.iter().filter(|&argument| argument != "--everyday" && argument != "--peers");
        Self::Bench {
            profile: if has("--everyday") { Profile::Everyday } else { Profile::Dist },
            peers: has("--peers"),
            arguments: passed.cloned().collect(),
        }
    }

    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Help => {
                println!("{HELP}");
                Ok(())
            }
            Self::Build(profile) => Repository::open()?.build(profile),
            Self::Serve(arguments) => {
                let repository = Repository::open()?;
                repository.build(Profile::Everyday)?;
                step("serving");
                let mut serve =
                    repository.cargo(["run", "--quiet", "--release", "--package", "gateway", "--", "serve"]);
                if !arguments.iter().any(|argument| argument.as_encoded_bytes().starts_with(b"--config")) {
                    serve.args(["--config", "gateway.toml"]);
                }
                become_command(serve.args(arguments))
            }
            Self::Test(filter) => {
                let repository = Repository::open()?;
                let plugins = repository.build_guests()?;
                step("testing the gateway and the benchmark");
                // The release profile, so that the Wasm runtime is built once for everything.
                run(repository
                    .cargo(["test", "--release", "--package", "gateway", "--package", "bench"])
                    .args(&filter))?;
                step("testing the plugins and xtask");
                let mut test = repository.cargo(["test", "--package", "xtask", "--package", "gateway-plugin-sdk"]);
                for plugin in &plugins {
                    test.args(["--package", &plugin.package()]);
                }
                run(test.args(&filter))
            }
            Self::Suite(name, arguments) => {
                let repository = Repository::open()?;
                repository.build_guests()?;
                step(&format!("running the suite `{name}`"));
                run(repository
                    .cargo(["test", "--release", "--package", "gateway", "--test", name, "--", "--long"])
                    .args(arguments))
            }
            Self::Languages(languages) => languages.run(&Repository::open()?),
            Self::Bench { profile, peers, arguments } => {
                let repository = Repository::open()?;
                let rows = if peers { peers::install(&repository) } else { Vec::new() };
                repository.build_guests()?;
                repository.build_bench(profile)?;
                step("measuring");
                let bench = repository.folder(profile).join("bench");
                become_command(Command::new(bench).current_dir(&repository.root).args(arguments).args(rows))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::Language;

    #[test]
    fn the_command_line_says_what_to_do() {
        let check = |line: &str, expected: Result<Action, &str>| {
            let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(Action::parse(&arguments), expected.map_err(str::to_owned), "{line}");
        };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect();

        check("", Ok(Action::Help));
        check("help", Ok(Action::Help));
        check("--help", Ok(Action::Help));
        let bench = |profile, peers, line: &str| {
            let arguments = line.split_whitespace().map(OsString::from).collect();
            Ok(Action::Bench { profile, peers, arguments })
        };
        check("build", Ok(Action::Build(Profile::Everyday)));
        check("build --dist", Ok(Action::Build(Profile::Dist)));
        check("serve", Ok(Action::Serve(words(&[]))));
        check("serve --", Ok(Action::Serve(words(&[]))));
        check("serve -- --format json", Ok(Action::Serve(words(&["--format", "json"]))));
        check("bench", bench(Profile::Dist, false, ""));
        check("bench --seconds 5 b", bench(Profile::Dist, false, "--seconds 5 b"));
        check("bench -- --seconds 5", bench(Profile::Dist, false, "--seconds 5"));
        check("bench --rounds 3 --peers", bench(Profile::Dist, true, "--rounds 3"));
        check("bench --everyday b", bench(Profile::Everyday, false, "b"));
        check("faults", Ok(Action::Suite("faults", words(&[]))));
        check("faults --rounds 5 DUR1", Ok(Action::Suite("faults", words(&["--rounds", "5", "DUR1"]))));
        check("faults -- --list", Ok(Action::Suite("faults", words(&["--list"]))));
        check("hardening WEB1", Ok(Action::Suite("hardening", words(&["WEB1"]))));
        check("languages", Ok(Action::Languages(Languages::Templates(Language::ALL.to_vec()))));
        check("languages js c", Ok(Action::Languages(Languages::Templates(vec![Language::Js, Language::C]))));
        check("languages --bindings", Ok(Action::Languages(Languages::Bindings)));
        check("languages cobol", Err("no language `cobol`, but rust, js, ts, python, go, c, zig"));
        check("test", Ok(Action::Test(None)));
        check("test skill::scan", Ok(Action::Test(Some("skill::scan".into()))));
        check("test a b", Err("too many arguments for `test`"));
        check("build all", Err("too many arguments for `build`"));
        check("build --dist all", Err("too many arguments for `build`"));
        check("serve --format", Err("unexpected `--format`; arguments go after `--`"));
        check("deploy", Err("no command `deploy`"));
    }

    #[test]
    fn the_help_names_every_command() {
        for command in ["serve", "test", "build", "bench", "faults", "hardening", "languages", "help"] {
            assert!(HELP.contains(&format!("\n  {command} ")), "{command}");
        }
    }
}
