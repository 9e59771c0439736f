//! Never returns from `receive`, and never calls the host.

use gateway_plugin_sdk::channel::{Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("spin", "1.0.0"), receive);

fn receive(_: &Request) -> Received {
    loop {
        std::hint::black_box(());
    }
}
