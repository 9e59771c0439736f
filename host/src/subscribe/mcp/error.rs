//! Errors of the Model Context Protocol.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

/// An error object of JSON-RPC 2.0.
///
/// The numbers from -32023 on are those of SEP-3415, "Error Handling"; the ones from -32020 to -32022 are those of the base protocol
/// (2026-07-28, "Error Codes"). Clients tell the cases of one number apart by `data`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct McpError {
    /// Decides what a client does.
    pub code: i32,
    /// For people; of the errors of SEP-3415 the name.
    pub message: Cow<'static, str>,
    /// `null` is left out.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

#[expect(missing_docs, reason = "the names are those of the specifications")]
impl McpError {
    pub const PARSE_ERROR: i32 = -32700;
    pub const INVALID_REQUEST: i32 = -32600;
    pub const METHOD_NOT_FOUND: i32 = -32601;
    pub const INVALID_PARAMS: i32 = -32602;
    pub const INTERNAL_ERROR: i32 = -32603;
    pub const HEADER_MISMATCH: i32 = -32020;
    pub const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;
    pub const NOT_FOUND: i32 = -32023;
    pub const FORBIDDEN: i32 = -32024;
    pub const RESOURCE_EXHAUSTED: i32 = -32025;
    pub const UNSUPPORTED: i32 = -32026;
}

impl McpError {
    /// An error that says nothing beside its text.
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: Value::Null }
    }

    /// The same with more for programs.
    #[must_use]
    pub fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// There is no such type of events.
    pub fn unknown_event(reason: &str) -> Self {
        Self::new(Self::NOT_FOUND, "NotFound").with(json!({"kind": "event", "reason": reason}))
    }

    /// The subscriber may not read that.
    pub fn forbidden(reason: &str) -> Self {
        Self::new(Self::FORBIDDEN, "Forbidden").with(json!({"reason": reason}))
    }

    /// A limit is reached.
    pub fn exhausted(limit: &str, reason: &str) -> Self {
        Self::new(Self::RESOURCE_EXHAUSTED, "ResourceExhausted").with(json!({"limit": limit, "reason": reason}))
    }

    /// A way of delivery that is not offered.
    pub fn no_delivery(mode: &str) -> Self {
        Self::new(Self::UNSUPPORTED, "Unsupported").with(json!({"feature": "deliveryMode", "value": mode}))
    }
}
