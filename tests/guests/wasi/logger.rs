//! Logs 100,000 lines (or `?lines=N`) through the host, and the same number to stdout and to stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the purpose of this guest")]

use gateway_plugin_sdk::Level;
use gateway_plugin_sdk::channel::{Event, Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("logger", "1.0.0"), receive);

fn receive(request: &Request) -> Received {
    for line in 0..guests::number(request, "lines", 100_000) {
        request.host().log(Level::Info, &format!("line {line} through the host"));
        println!("line {line} to stdout");
        eprintln!("line {line} to stderr");
    }
    Ok(Event::new("logged").into())
}
