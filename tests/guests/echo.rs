//! Reports its version and the number of calls of its instance: proves a hot swap, fresh instances and reuse.

use gateway_plugin_sdk::channel::{Received, Request};

const VERSION: &str = match option_env!("ECHO_VERSION") {
    Some(version) => version,
    None => "1",
};

gateway_plugin_sdk::export_channel!(guests::manifest("echo", &format!("{VERSION}.0.0")), receive);

fn receive(_: &Request) -> Received {
    guests::echo(VERSION)
}
