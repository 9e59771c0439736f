//! The command line: `gateway serve`, and the commands for operators and authors of plugins.
//!
//! Data goes to stdout, everything else to stderr. The exit code is 0 for success, 1 for a failure, and 2 for wrong usage or
//! configuration. Deliberately absent: changes to events that the admin API does not offer. Only `plugin pin` changes the
//! configuration.

mod agents;
mod arguments;
mod cache;
mod cancel;
mod cell;
mod check;
mod client;
mod completion;
mod connection;
mod consumers;
mod emit;
mod event;
mod event_source;
mod event_stream;
mod failure;
mod file;
mod find;
mod follow;
mod forward;
mod incidents;
mod init;
mod kinds;
mod list;
mod listen;
mod listing;
mod log;
mod man;
mod names;
mod offline;
mod output;
mod pinned;
mod plugin;
mod progress;
mod query;
mod release;
mod reload;
mod replay;
mod request;
mod route_test;
mod send;
mod serve;
mod silences;
mod status;
mod subscribe;
mod table;
mod tail;
mod terminal;
mod timeline;
mod transfer;
mod version;
mod webhook;

use std::process::ExitCode;

use clap::FromArgMatches;

use self::arguments::deliveries::DeliveriesCommand;
use self::arguments::events::EventsCommand;
use self::arguments::incidents::{AlertsCommand, IncidentsCommand};
use self::arguments::routes::RoutesCommand;
use self::arguments::silences::SilencesCommand;
use self::arguments::{Arguments, Command, ListArguments, SetUpArguments, grammar};
use self::connection::Connection;
use self::failure::Failure;
use self::list::Listing;
use self::request::{LogRequest, Request};
use crate::config;
use crate::plugin::compile_stdin;

/// Runs the command in the arguments of the process.
pub fn main() -> ExitCode {
    completion::answer_shell();
    let mut grammar = grammar();
    let parsed = grammar.try_get_matches_from_mut(std::env::args_os());
    let parsed = parsed.and_then(|mut found| Arguments::from_arg_matches_mut(&mut found));
    let arguments = match parsed.map_err(|error| error.format(&mut grammar)) {
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
    let Arguments { config: path, connection, color, command } = arguments;
    terminal::decide(color);
    let path = path.as_deref();
    let asked = &Connection::new(path, connection)?;
    let list = |noun: Listing, request: &Request, table| block_on(list::run(asked, noun, request, table));
    let set_up = |noun: Listing, request: &Request, arguments: SetUpArguments| {
        let SetUpArguments { all, list: ListArguments { table, .. } } = arguments;
        if all { list(noun, request, table) } else { block_on(list::run_set_up(asked, noun, request, table)) }
    };
    match command {
        Command::Serve => serve::run(config::load(path)?),
        Command::Init(arguments) => block_on(init::run(path, arguments)),
        Command::Reload { output } => block_on(reload::run(asked, output)),
        Command::Check(arguments) => block_on(check::run(path, asked, arguments)),
        Command::Status { output } => block_on(status::run(asked, output)),
        Command::Listen(arguments) => block_on(listen::run(asked, arguments)),
        Command::Send(arguments) => block_on(send::run(asked, arguments)),
        Command::Channels(arguments) | Command::ListChannels(arguments) => {
            set_up(Listing::Channels, &Request::Channels, arguments)
        }
        Command::Agents { command: None, list: arguments } => list(Listing::Agents, &Request::Agents, arguments.table),
        Command::Agents { command: Some(command), .. } => block_on(agents::run(asked, command)),
        Command::Plugins(arguments) => set_up(Listing::Plugins, &Request::Plugins, arguments),
        Command::Routes { command: None, table }
        | Command::Routes { command: Some(RoutesCommand::List { table }), .. } => {
            list(Listing::Routes, &Request::Routes, table)
        }
        Command::Routes { command: Some(RoutesCommand::Test(arguments)), .. } => {
            block_on(route_test::run(asked, arguments))
        }
        Command::Skills(arguments) | Command::ListSkills(arguments) => {
            list(Listing::Skills, &Request::Skills, arguments.table)
        }
        Command::Events { command: None, list: arguments }
        | Command::Events { command: Some(EventsCommand::List(arguments)), .. }
        | Command::ListEvents(arguments) => {
            let (filter, table) = arguments.split();
            list(Listing::Events, &Request::Log(LogRequest::Events(filter)), table)
        }
        Command::Events { command: Some(EventsCommand::Show { id, output }), .. } => {
            block_on(event::show(asked, id, output))
        }
        Command::Events { command: Some(EventsCommand::Find(arguments)), .. } => {
            let (filter, table) = arguments.split();
            block_on(find::run(asked, filter, table))
        }
        Command::Events { command: Some(EventsCommand::Export(arguments)), .. } => {
            block_on(transfer::export(asked, arguments))
        }
        Command::Events { command: Some(EventsCommand::Import(arguments)), .. } => {
            block_on(transfer::import(asked, arguments))
        }
        Command::Events { command: Some(EventsCommand::Tail(arguments)), .. } => block_on(tail::run(asked, arguments)),
        Command::Events { command: Some(EventsCommand::Replay { id, agent, output }), .. } => {
            block_on(event::replay(asked, &id, agent.as_ref(), output))
        }
        Command::Events { command: Some(EventsCommand::Release(arguments)), .. } => {
            block_on(release::run(asked, arguments))
        }
        Command::Deliveries { command: None, list: arguments }
        | Command::Deliveries { command: Some(DeliveriesCommand::List(arguments)), .. } => {
            let (page, table) = arguments.split();
            list(Listing::Deliveries, &Request::Log(LogRequest::Deliveries(page)), table)
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Replays { id: Some(id), table }), .. } => {
            block_on(replay::show(asked, id, table.output))
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Replays { table, .. }), .. } => {
            list(Listing::Replays, &Request::Log(LogRequest::Replays), table)
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Replay(arguments)), .. } => {
            block_on(replay::run(asked, arguments))
        }
        Command::Deliveries { command: Some(DeliveriesCommand::Cancel(arguments)), .. } => {
            block_on(cancel::run(asked, arguments))
        }
        Command::Incidents { command: None, list: arguments } => {
            block_on(incidents::run(asked, IncidentsCommand::List(arguments)))
        }
        Command::Incidents { command: Some(command), .. } => block_on(incidents::run(asked, command)),
        Command::Alerts { command: Some(AlertsCommand::Rules { table }), .. } => {
            list(Listing::AlertRules, &Request::AlertRules, table)
        }
        Command::Alerts { command: None, list: arguments } => {
            let (query, table) = arguments.split();
            list(Listing::Alerts, &Request::Alerts(query), table)
        }
        Command::Silences { command: None, list: arguments } => {
            block_on(silences::run(asked, SilencesCommand::List(arguments)))
        }
        Command::Silences { command: Some(command), .. } => block_on(silences::run(asked, command)),
        Command::Subscribe(arguments) => block_on(subscribe::run(asked, arguments)),
        Command::Emit(arguments) => block_on(emit::run(asked, arguments)),
        Command::Consumers { command: None, list: arguments } => {
            list(Listing::Consumers, &Request::Consumers, arguments.table)
        }
        Command::Consumers { command: Some(command), .. } => block_on(consumers::run(asked, command)),
        Command::Sites(arguments) => list(Listing::Sites, &Request::Sites, arguments.table),
        Command::Backends(arguments) => list(Listing::Backends, &Request::Backends, arguments.table),
        Command::Cache { command, output } => block_on(cache::run(asked, command, output)),
        Command::Subscribers(arguments) => list(Listing::Subscribers, &Request::Subscribers, arguments.table),
        Command::Types { kind, table } => block_on(kinds::run(asked, kind, table)),
        Command::Log { command } => block_on(log::run(asked, command)),
        Command::Plugin { command } => block_on(plugin::run(path, asked, command)),
        Command::CompilePlugin { memory, seconds } => {
            compile_stdin(memory, seconds).map_err(|error| anyhow::Error::from(error).into())
        }
        Command::Schema => output::text(&format!("{:#}\n", config::schema())),
        Command::Completions { shell } => completion::print(shell),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Runs a command other than `serve`.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from)?;
    runtime.block_on(command)
}
