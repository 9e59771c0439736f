//! Never returns from `describe`.

use gateway_plugin_sdk::channel::{Receipt, Received, Request};

gateway_plugin_sdk::export_channel!(describe(), receive);

#[cfg(target_family = "wasm")]
fn describe() -> String {
    loop {
        std::hint::black_box(());
    }
}

fn receive(_: &Request) -> Received {
    Ok(Receipt::empty())
}
