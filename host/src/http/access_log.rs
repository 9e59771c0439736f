//! One line for every request.

use std::net::IpAddr;
use std::time::Instant;

use ::http::header::USER_AGENT;
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Version};
use hyper::body::Body;
use tracing::Level;

use crate::event::{ChannelName, RequestId};

use super::answer::Response;
use super::shared::Shared;

/// The target of its lines in `log.level`.
const TARGET: &str = "gateway::access";

/// What is known of a request to a channel; travels with its response.
#[derive(Clone, Debug)]
pub(crate) struct WebhookEntry {
    /// Where the channel is mounted. What is below may hold a secret: some providers can carry one nowhere else.
    pub(crate) path: String,
    pub(crate) channel: ChannelName,
    pub(crate) caller: Option<String>,
}

/// What the line says of the head of a request, which is gone when the line is written.
pub(crate) struct AccessEntry {
    method: Method,
    path: String,
    version: Version,
    user_agent: Option<HeaderValue>,
}

impl AccessEntry {
    fn of(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            version: head.version,
            user_agent: head.headers.get(USER_AGENT).cloned(),
        }
    }
}

impl Shared {
    /// Whether a line is written for each request.
    pub(crate) fn logs_access(&self) -> bool {
        self.live().settings.access_log || tracing::enabled!(target: TARGET, Level::DEBUG)
    }

    /// `None` when no line is written.
    pub(crate) fn access_entry(&self, head: &Parts) -> Option<AccessEntry> {
        self.logs_access().then(|| AccessEntry::of(head))
    }

    /// Writes the line.
    pub(crate) fn log_access(
        &self,
        entry: &AccessEntry,
        id: RequestId,
        client: IpAddr,
        started: Instant,
        response: &Response,
    ) {
        let AccessEntry { method, path, version, user_agent } = entry;
        let webhook = response.extensions().get::<WebhookEntry>();
        let path = webhook.map_or(path, |webhook| &webhook.path);
        let channel = webhook.map(|webhook| webhook.channel.as_str());
        let caller = webhook.and_then(|webhook| webhook.caller.as_deref());
        let user_agent = user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let status = response.status().as_u16();
        let bytes = response.body().size_hint().exact();
        let time = started.elapsed();
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET, $level, request_id = %id, %client, %method, path, ?version, status, bytes, ?time, channel,
                    caller, user_agent = user_agent.as_deref(), "Request answered"
                )
            };
        }
        if self.live().settings.access_log { line!(Level::INFO) } else { line!(Level::DEBUG) }
    }
}
