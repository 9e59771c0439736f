//! Returns an invalid manifest.

use gateway_plugin_sdk::channel::{Receipt, Received, Request};

gateway_plugin_sdk::export_channel!(r#"{"name": 7, "version": "soon""#, receive);

fn receive(_: &Request) -> Received {
    Ok(Receipt::empty())
}
