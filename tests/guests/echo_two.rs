//! The next version of `echo`, to be copied over it.

use gateway_plugin_sdk::channel::{Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("echo", "2.0.0"), receive);

fn receive(_: &Request) -> Received {
    guests::echo("2")
}
