//! The command line: `gateway serve`, and the commands for operators and authors of plugins.
//!
//! Data goes to stdout, everything else to stderr. The exit code is 0 for success, 1 for a failure, and 2 for wrong usage or
//! configuration. Deliberately absent: changes to events that the admin API does not offer. Only `plugin pin` changes the
//! configuration.

mod arguments;
mod cancel;
mod check;
mod client;
mod event;
mod failure;
mod file;
mod list;
mod log;
mod offline;
mod output;
mod pinned;
mod plugin;
mod query;
mod replay;
mod request;
mod route_test;
mod send;
mod serve;
mod table;
mod tail;
mod timeline;
mod webhook;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::arguments::deliveries::DeliveriesCommand;
use self::arguments::events::EventsCommand;
use self::arguments::routes::RoutesCommand;
use self::arguments::{Arguments, Command};
use self::failure::Failure;
use self::list::Listing;
use self::request::{LogRequest, Request};
use crate::config;
use crate::plugin::compile_stdin;

/// Runs the command in the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout and is not an error. A closed stdout is not one either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::report(&failure),
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { config: path, command } = arguments;
    let path = path.as_deref();
    let load = || config::load(path);
    let list = |noun: Listing, request: &Request, output| block_on(list::run(&load()?, noun, request, output));
    match command {
        Command::Serve => serve::run(load()?),
        Command::Check(arguments) => block_on(check::run(path, arguments)),
        Command::Send(arguments) => block_on(send::run(&load()?, arguments)),
        Command::Channels(arguments) | Command::ListChannels(arguments) => {
            list(Listing::Channels, &Request::Channels, arguments.output)
        }
        Command::Agents(arguments) => list(Listing::Agents, &Request::Agents, arguments.output),
        Command::Plugins(arguments) => list(Listing::Plugins, &Request::Plugins, arguments.output),
        Command::Routes { command: None, output }
        | Command::Routes { command: Some(RoutesCommand::List { output }), .. } => {
            list(Listing::Routes, &Request::Routes, output)
        }
        Command::Routes { command: Some(RoutesCommand::Test(arguments)), .. } => {
            block_on(route_test::run(&load()?, arguments))
        }
        Command::Skills(arguments) | Command::ListSkills(arguments) => {
            list(Listing::Skills, &Request::Skills, arguments.output)
        }
        Command::Events { command: None, list: arguments }
        | Command::Events { command: Some(EventsCommand::List(arguments)), .. }
        | Command::ListEvents(arguments) => {
            let (filter, output) = arguments.split();
            list(Listing::Events, &Request::Log(LogRequest::Events(filter)), output)
        }
        Command::Events { command: Some(EventsCommand::Show { id, output }), .. } => {
            block_on(event::show(&load()?, id, output))
        }
        Command::Events { command: Some(EventsCommand::Tail(arguments)), .. } => {
            block_on(tail::run(&load()?, arguments))
        }
        Command::Events { command: Some(EventsCommand::Replay { id, agent, output }), .. } => {
            block_on(event::replay(&load()?, id, agent.as_ref(), output))
        }
        Command::Deliveries { command: None, list: arguments }
        | Command::Deliveries { command: Some(DeliveriesCommand::List(arguments)), .. } => {
            let (page, output) = arguments.split();
            list(Listing::Deliveries, &Request::Log(LogRequest::Deliveries(page)), output)
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Replays { output }), .. } => {
            list(Listing::Replays, &Request::Log(LogRequest::Replays), output)
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Replay(arguments)), .. } => {
            block_on(replay::run(&load()?, arguments))
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Cancel(arguments)), .. } => {
            block_on(cancel::run(&load()?, arguments))
        }
        Command::Log { command } => block_on(log::run(&load()?, command)),
        Command::Plugin { command } => block_on(plugin::run(path, command)),
        Command::CompilePlugin { memory, seconds } => {
            compile_stdin(memory, seconds).map_err(|error| anyhow::Error::from(error).into())
        }
        Command::Schema => output::text(&format!("{:#}\n", config::schema())),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "gateway", &mut script);
    output::bytes(&script)
}

/// Runs a command other than `serve`.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from)?;
    runtime.block_on(command)
}
