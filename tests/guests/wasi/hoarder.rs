//! Acquires pollables from the host and never releases them.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use wasip2::clocks::monotonic_clock::subscribe_duration;

gateway_plugin_sdk::export_channel!(guests::manifest("hoarder", "1.0.0"), receive);

fn receive(request: &Request) -> Received {
    for _ in 0..guests::number(request, "count", usize::MAX) {
        std::mem::forget(subscribe_duration(1));
    }
    Ok(Event::new("hoarded").into())
}
