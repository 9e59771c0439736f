//! The forms that messages have.

/// What a subscriber is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// An object with `type`; events are CloudEvents within. WebSocket: subprotocol `gateway.v1`.
    #[default]
    Gateway,
    /// Each message is a CloudEvent (CloudEvents 1.0, WebSocket binding). Subprotocol `cloudevents.json`.
    CloudEvents,
    /// `type`, `payload`, `timestamp` and `correlationId`.
    Plain,
    /// Events are occurrences of MCP Events (SEP-3415); what else is said is up to [`McpStream`](super::McpStream).
    Mcp,
}

impl Form {
    pub(super) const ALL: [Self; 4] = [Self::Gateway, Self::CloudEvents, Self::Plain, Self::Mcp];

    /// The WebSocket subprotocol.
    pub const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Gateway => Some("gateway.v1"),
            Self::CloudEvents => Some("cloudevents.json"),
            Self::Plain | Self::Mcp => None,
        }
    }
}
