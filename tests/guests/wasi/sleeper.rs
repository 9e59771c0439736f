//! Sleeps for `?millis=N` (an hour by default), which takes wall-clock time but no CPU time.

#![expect(clippy::disallowed_methods, reason = "the purpose of this guest")]

use std::time::Duration;

use gateway_plugin_sdk::channel::{Event, Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("sleeper", "1.0.0"), receive);

fn receive(request: &Request) -> Received {
    let millis = guests::number(request, "millis", 3_600_000);
    std::thread::sleep(Duration::from_millis(millis as u64));
    Ok(Event::new("woken").into())
}
