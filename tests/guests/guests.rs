//! Plugins for the gateway's tests: each other file in this folder is a component that misbehaves, or whose behaviour a test can
//! observe. This file has the functions that several of them share.

use std::sync::atomic::{AtomicU32, Ordering};

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::{Response, form_values};

/// The number of calls of this instance: always 1 if instances are fresh.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// A manifest without verification, settings or hosts.
pub fn manifest(name: &str, version: &str) -> String {
    format!(r#"{{"name": "{name}", "version": "{version}", "summary": "Test guest"}}"#)
}

/// One event of kind `echo`, and a response with the guest's version and the number of calls of its instance.
pub fn echo(version: &str) -> Received {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let response = Response::new(200)
        .with_header("content-type", "application/json")
        .with_body(format!(r#"{{"version":"{version}","instance":{calls}}}"#));
    Ok(Receipt::from(Event::new("echo")).with_response(response))
}

/// A number from the query, or `default`.
pub fn number(request: &Request, key: &str, default: usize) -> usize {
    form_values(request.query(), key).next().and_then(|value| value.parse().ok()).unwrap_or(default)
}
