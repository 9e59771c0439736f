//! One line for every request.

use std::net::IpAddr;
use std::time::Instant;

use ::http::header::USER_AGENT;
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Version};
use hyper::body::Body;
use tracing::Level;

use crate::event::{ChannelName, RequestId};

use super::respond::Answer;
use super::shared::Front;

/// The module of its lines in `log.level`.
const TARGET: &str = "gateway::access";

/// What a request to a channel came to know of itself; travels with its answer.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// Where the channel is mounted. What is below may hold a secret: some providers can carry one nowhere else.
    pub(super) path: String,
    pub(super) channel: ChannelName,
    pub(super) caller: Option<String>,
}

/// What is noted of a request before it is gone.
pub(super) struct Noted {
    method: Method,
    path: String,
    version: Version,
    user_agent: Option<HeaderValue>,
}

impl Noted {
    fn of(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            version: head.version,
            user_agent: head.headers.get(USER_AGENT).cloned(),
        }
    }
}

impl Front {
    /// Whether a line is written for each request.
    pub(super) fn logs_access(&self) -> bool {
        self.settings.access_log || tracing::enabled!(target: TARGET, Level::DEBUG)
    }

    /// What is to be noted of the request, if anything is.
    pub(super) fn noted(&self, head: &Parts) -> Option<Noted> {
        self.logs_access().then(|| Noted::of(head))
    }

    /// Writes the line.
    pub(super) fn log_access(&self, noted: &Noted, id: RequestId, client: IpAddr, started: Instant, answer: &Answer) {
        let Noted { method, path, version, user_agent } = noted;
        let visit = answer.extensions().get::<Visit>();
        let path = visit.map_or(path, |visit| &visit.path);
        let channel = visit.map(|visit| visit.channel.as_str());
        let caller = visit.and_then(|visit| visit.caller.as_deref());
        let user_agent = user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let status = answer.status().as_u16();
        let bytes = answer.body().size_hint().exact();
        let time = started.elapsed();
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET, $level, request_id = %id, %client, %method, path, ?version, status, bytes, ?time, channel,
                    caller, user_agent = user_agent.as_deref(), "Request answered"
                )
            };
        }
        if self.settings.access_log { line!(Level::INFO) } else { line!(Level::DEBUG) }
    }
}
