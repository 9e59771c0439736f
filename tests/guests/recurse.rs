//! Overflows the stack by recursion.

use gateway_plugin_sdk::channel::{Event, Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("recurse", "1.0.0"), receive);

fn receive(_: &Request) -> Received {
    Ok(Event::new(deeper(1).to_string()).into())
}

#[expect(unconditional_recursion, reason = "the purpose of this guest")]
fn deeper(depth: u64) -> u64 {
    // Using the result keeps the compiler from turning the call into a loop.
    std::hint::black_box(deeper(std::hint::black_box(depth + 1))) + depth
}
