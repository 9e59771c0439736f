//! Returns an event with 100 MB of data, or with `?bytes=N` that many.

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("flood", "1.0.0"), receive);

fn receive(request: &Request) -> Received {
    let data = vec![b'x'; guests::number(request, "bytes", 100_000_000)];
    Ok(Receipt::from(Event::new("flood").with_data("text/plain", data)))
}
