//! The repository's commands, as `cargo xtask COMMAND`. `cargo xtask help` lists them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person at the terminal")]

mod guests;
mod languages;
mod toolchain;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use self::languages::Languages;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  serve [-- ARGS]   build the plugins and the gateway, then serve with gateway.toml;
                    ARGS go to `gateway serve`
  test [FILTER]     build everything, then run every test, or those whose name contains FILTER
  build             build the plugins and the gateway
  faults [ARGS]     build everything, then break the gateway in every way there is, at length;
                    `faults --help` says what ARGS may be
  hardening [ARGS]  build everything, then attack the front door as the open internet does, at length;
                    `hardening --help` says what ARGS may be
  languages [LANG]  install the tools of rust, js, ts, python, go, c and zig, or those named, then take the
                    plugin templates from an empty folder to a served request, measure them, and write the
                    table in plugins/README.md; `languages --bindings` generates what the templates carry
  bench [ARGS]      build the benchmark and run it; `bench --help` says what ARGS may be
  help              print this

Needed: rustup (https://rustup.rs) and a C compiler. The target wasm32-wasip2 is added when it is missing.";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let action = match Action::parse(&arguments) {
        Ok(action) => action,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match action.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Action {
    Serve(Vec<OsString>),
    Test(Option<OsString>),
    Build,
    Bench(Vec<OsString>),
    /// A suite in its long form, by the name of its test target.
    Suite(&'static str, Vec<OsString>),
    Languages(Languages),
    Help,
}

impl Action {
    fn parse(words: &[OsString]) -> Result<Self, String> {
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
            ("bench", ..) => Ok(Self::Bench(arguments.to_vec())),
            ("faults", ..) => Ok(Self::Suite("faults", arguments.to_vec())),
            ("hardening", ..) => Ok(Self::Suite("hardening", arguments.to_vec())),
            ("test", _, []) => Ok(Self::Test(first.cloned())),
            ("build", None, []) => Ok(Self::Build),
            ("languages", _, _) => Languages::parse(rest).map(Self::Languages),
            ("help" | "--help" | "-h", None, []) => Ok(Self::Help),
            ("serve", Some(first), _) => Err(format!("unexpected `{}`; arguments go after `--`", first.display())),
            ("test" | "build" | "help" | "--help" | "-h", ..) => Err(format!("too many arguments for `{command}`")),
            _ => Err(format!("no command `{command}`")),
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Help => {
                println!("{HELP}");
                Ok(())
            }
            Self::Build => Repository::open()?.build(),
            Self::Serve(arguments) => {
                let repository = Repository::open()?;
                repository.build()?;
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
            Self::Bench(arguments) => {
                let repository = Repository::open()?;
                repository.build_guests()?;
                step("building the benchmark");
                // Both at once: built apart, they may ask for different features of what they share.
                run(&mut repository.cargo(["build", "--release", "--package", "gateway", "--package", "bench"]))?;
                step("measuring");
                let bench = repository.target.join("release").join("bench");
                become_command(Command::new(bench).current_dir(&repository.root).args(arguments))
            }
        }
    }
}

/// Where things are.
struct Repository {
    root: PathBuf,
    target: PathBuf,
}

impl Repository {
    /// Finds the repository that this program was built in, and checks that it can be built.
    fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        // `<target>/<profile>/xtask`: says where cargo builds, whatever told it so.
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let target = program.ancestors().nth(2).context("cannot find the target folder")?;
        let repository = Self { root: root.to_owned(), target: target.to_owned() };
        toolchain::check_c_compiler()?;
        toolchain::ensure_wasm_target()?;
        Ok(repository)
    }

    fn build(&self) -> Result<()> {
        self.build_plugins()?;
        step("building the gateway");
        run(&mut self.cargo(["build", "--release", "--package", "gateway"]))
    }

    /// Builds the plugins and puts them where the gateway loads them from.
    fn build_plugins(&self) -> Result<Vec<guests::Plugin>> {
        let plugins = guests::list(&self.root)?;
        step("building the plugins");
        self.build_wasm(&plugins, &["--lib"])?;
        Ok(plugins)
    }

    /// As `build_plugins`, and the guests that only tests load.
    fn build_guests(&self) -> Result<Vec<guests::Plugin>> {
        let plugins = guests::list(&self.root)?;
        step("building the plugins and the guests of the tests");
        self.build_wasm(&plugins, &["--lib", "--package", "guests", "--examples"])?;
        Ok(plugins)
    }

    fn build_wasm(&self, plugins: &[guests::Plugin], more: &[&str]) -> Result<()> {
        let mut build = self.cargo(["build", "--profile", "guest", "--target", toolchain::WASM_TARGET]);
        for plugin in plugins {
            build.args(["--package", &plugin.package()]);
        }
        run(build.args(more))?;
        for plugin in plugins {
            let built = self.target.join(toolchain::WASM_TARGET).join("guest").join(plugin.artifact());
            let folder = self.root.join("plugins");
            if guests::install(&built, &folder.join(plugin.samples()), &folder.join(plugin.file()))? {
                step(&format!("wrote plugins/{}", plugin.file()));
            }
        }
        Ok(())
    }

    /// Cargo in the repository's root, building into the same target folder as this program.
    fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).args(arguments);
        cargo
    }
}

/// Tells the person at the terminal; standard output belongs to what is run.
fn step(what: &str) {
    eprintln!("xtask: {what}");
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Runs `command` in the place of this process: signals reach it and its exit code is the answer.
#[cfg(unix)]
fn become_command(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {command:?}"))
}

#[cfg(not(unix))]
fn become_command(command: &mut Command) -> Result<()> {
    run(command)
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
        check("build", Ok(Action::Build));
        check("serve", Ok(Action::Serve(words(&[]))));
        check("serve --", Ok(Action::Serve(words(&[]))));
        check("serve -- --format json", Ok(Action::Serve(words(&["--format", "json"]))));
        check("bench", Ok(Action::Bench(words(&[]))));
        check("bench --seconds 5 b", Ok(Action::Bench(words(&["--seconds", "5", "b"]))));
        check("bench -- --seconds 5", Ok(Action::Bench(words(&["--seconds", "5"]))));
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
