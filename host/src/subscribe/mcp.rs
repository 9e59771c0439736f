//! MCP Events: what is sent to subscribers that speak the Model Context Protocol.
//!
//! Written against SEP-3415 (Final; the extension `io.modelcontextprotocol/events` is in beta) on the revision 2026-07-28 of the
//! protocol. HTTP, methods and the types of events are in `http/subscriptions/mcp`.

mod error;
mod occurrence;
mod stream;

pub use self::error::McpError;
pub(super) use self::occurrence::Occurrence;
pub use self::occurrence::named_occurrence;
pub use self::stream::{McpStream, McpSubscription};
