//! Allocates memory in an endless loop, and writes to every page so that it is really used.

use gateway_plugin_sdk::channel::{Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("hog", "1.0.0"), receive);

fn receive(_: &Request) -> Received {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}
