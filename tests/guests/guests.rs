//! Plugins for the gateway's tests: each file beside this one is a component that misbehaves, or behaves in a way a test can see.
//!
//! Here is what several of them share.

use std::sync::atomic::{AtomicU32, Ordering};

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::{Response, form_values};

/// The calls this instance has seen: 1 in each when instances are fresh.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// A manifest that asks for nothing.
pub fn manifest(name: &str, version: &str) -> String {
    format!(r#"{{"name": "{name}", "version": "{version}", "summary": "Test guest"}}"#)
}

/// One event of kind `echo`, and a response that tells the version of the guest and the calls of its instance.
pub fn echo(version: &str) -> Received {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let response = Response::new(200)
        .with_header("content-type", "application/json")
        .with_body(format!(r#"{{"version":"{version}","instance":{calls}}}"#));
    Ok(Receipt::from(Event::new("echo")).with_response(response))
}

/// A number from the query, or `default`.
pub fn number(request: &Request, key: &str, default: usize) -> usize {
    form_values(&request.query(), key).next().and_then(|value| value.parse().ok()).unwrap_or(default)
}
