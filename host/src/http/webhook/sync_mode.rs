//! Routes whose webhooks are answered with what the agent says.

use ::http::{HeaderName, HeaderValue, StatusCode};

use super::accepted::accepted;
use super::plugin_response::{OCTETS, disarm};
use crate::dispatch::{SyncOutcome, Watch};
use crate::event::{EventId, OnTimeout, RequestId, SyncMode};
use crate::http::answer::{Response, with_body};
use crate::http::live_settings::LiveSettings;
use crate::http::refusal::Refusal;
use crate::http::shared::Shared;
use crate::ingest::Received;
use crate::plugin;

/// Names the event in the answer of an agent.
const GATEWAY_EVENT_ID: HeaderName = HeaderName::from_static("gateway-event-id");

/// Waits for the agent that gets the event, within the time of its route.
pub(crate) async fn agent_answer(
    shared: &Shared,
    live: &LiveSettings,
    id: RequestId,
    received: &Received,
    event: EventId,
    mut watch: Watch,
    mode: SyncMode,
) -> Response {
    let outcome = match live.answers.try_acquire() {
        Ok(_waits) => tokio::time::timeout(mode.timeout, watch.outcome()).await.ok(),
        // Too many wait already; the delivery goes on as after a timeout.
        Err(_) => None,
    };
    let mut response = match (outcome, mode.on_timeout) {
        (Some(SyncOutcome::Delivered(plugin::Answer { content_type, body, .. })), _) => {
            let content_type = HeaderValue::try_from(content_type).ok().filter(|text| !text.is_empty());
            let mut response = with_body(StatusCode::OK, content_type.unwrap_or(OCTETS), body);
            disarm(response.headers_mut());
            response
        }
        (Some(SyncOutcome::Dead { code, message }), _) => shared.refuse(id, &Refusal::Undelivered { code, message }),
        (None, OnTimeout::GatewayTimeout) => shared.refuse(id, &Refusal::AgentTimeout(mode.timeout)),
        // The event is named in the body.
        (None, OnTimeout::Accepted) => return accepted(id, &received.events),
    };
    let name = HeaderValue::try_from(event.to_string()).expect("a UUID may stand in a header");
    response.headers_mut().insert(GATEWAY_EVENT_ID, name);
    response
}
