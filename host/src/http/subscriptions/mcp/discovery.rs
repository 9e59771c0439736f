//! What the server says of itself.

use serde_json::{Value, json};

/// The revision of the protocol.
pub(super) const REVISION: &str = "2026-07-28";

/// The extension (SEP-3415, "Extension Identifier").
const EVENTS: &str = "io.modelcontextprotocol/events";

/// How long what `server/discover` says may be kept, in milliseconds.
const DISCOVERED: u64 = 3_600_000;

/// Who the server is (2026-07-28, "Discovery").
pub(super) fn discover() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": [REVISION],
        "capabilities": {"extensions": {EVENTS: {"listChanged": false}}},
        "instructions": "Events of webhooks and services. `events/list` names their types, `events/poll` and `events/stream` read them.",
        "ttlMs": DISCOVERED,
        "cacheScope": "private",
        "_meta": meta(),
    })
}

/// What every result says of the server (2026-07-28, "Per-response protocol fields").
pub(super) fn meta() -> Value {
    json!({"io.modelcontextprotocol/serverInfo": {"name": "gateway", "version": env!("CARGO_PKG_VERSION")}})
}
