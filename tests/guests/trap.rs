//! Panics in `receive`.

use gateway_plugin_sdk::channel::{Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("trap", "1.0.0"), receive);

fn receive(_: &Request) -> Received {
    panic!("trapped on purpose")
}
