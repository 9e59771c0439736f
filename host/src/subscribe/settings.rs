//! The settings of subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::consumer::spec::ConsumerSpec;
use super::form::Form;
use crate::caller::{Caller, Rate};
use crate::event::EventPatterns;

/// Valid input of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The path below which subscribers are answered, without a slash at its end.
    pub prefix: String,
    /// More paths for subscriptions.
    pub aliases: Vec<AliasSettings>,
    /// By name. Without any, subscriptions are off.
    pub subscribers: BTreeMap<String, SubscriberSettings>,
    /// By name.
    pub consumers: BTreeMap<String, ConsumerSpec>,
    pub limits: Limits,
    /// Origins of web pages that may subscribe, beside the gateway's own.
    pub origins: Vec<String>,
    pub mcp: McpSettings,
}

/// MCP Events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpSettings {
    /// The endpoint of the Model Context Protocol.
    pub path: String,
    /// How long whoever polls is asked to wait when there is nothing more.
    pub poll: Duration,
}

/// The limits of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more are answered 503.
    pub connections: usize,
    /// Connections of one subscriber; more are answered 429.
    pub connections_per_subscriber: usize,
    /// Attempts to connect, from one address: for each subscriber, and for those with a wrong key together.
    pub attempts: Rate,
    /// Bytes of the largest payload that is sent along; a larger one is referred to.
    pub max_payload: usize,
    /// Bytes of the largest message of a subscriber.
    pub max_message: usize,
    /// How many it may send.
    pub messages: Rate,
    /// How often a connection is asked whether it is alive.
    pub ping: Duration,
    /// How long it may be silent.
    pub timeout: Duration,
    /// How long a message may take to be sent.
    pub write_timeout: Duration,
    /// How long a connection lasts; `None` means for ever.
    pub max_age: Option<Duration>,
}

/// A path for subscriptions beside the one below the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasSettings {
    pub path: String,
    pub form: Form,
    /// A path on the admin address that tells of the connections.
    pub stats: Option<String>,
}

/// Who may read what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberSettings {
    /// At least one.
    pub callers: Vec<Arc<Caller>>,
    /// What it may read.
    pub grant: Arc<EventPatterns>,
    /// The consumers that it may hold.
    pub consumers: Vec<String>,
}

impl Settings {
    /// The default of `prefix`.
    pub const PREFIX: &str = "/api";

    /// Whether anybody may subscribe.
    pub fn is_on(&self) -> bool {
        !self.subscribers.is_empty()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: Self::PREFIX.to_owned(),
            aliases: Vec::new(),
            subscribers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            limits: Limits::default(),
            origins: Vec::new(),
            mcp: McpSettings::default(),
        }
    }
}

impl Default for McpSettings {
    fn default() -> Self {
        Self { path: "/mcp".to_owned(), poll: Duration::from_secs(5) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |text: &str, burst| text.parse::<Rate>().expect("it is a rate").with_burst(burst);
        Self {
            connections: 1000,
            connections_per_subscriber: 100,
            attempts: rate("10/m", 10),
            max_payload: 1 << 20,
            max_message: 64 << 10,
            messages: rate("100/s", 100),
            ping: Duration::from_secs(20),
            timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_age: None,
        }
    }
}
