//! What is said of connections under a path of the configuration.

use ::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::event::Timestamp;
use crate::http::answer::{Response, with_json};
use crate::http::shared::Shared;
use crate::subscribe::Totals;

/// The connections, if `path` is the `stats` of an alias.
pub(crate) fn stats(shared: &Shared, path: &str) -> Option<Response> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct EventDelivery {
        total_events_sent: u64,
        failed_deliveries: u64,
        last_failure_time: Option<Timestamp>,
        last_failure_reason: Option<&'static str>,
    }
    let subscriptions = &shared.services.subscriptions;
    subscriptions.settings().aliases.iter().find(|alias| alias.stats.as_deref() == Some(path))?;
    let connections = subscriptions.connections().into_iter().map(|connection| {
        json!({
            "gatewayId": connection.subscriber_id,
            "connectionId": connection.connection_id,
            "connectedAt": connection.connected_at,
            "lastHeartbeat": connection.last_heartbeat,
            "status": connection.status,
        })
    });
    let Totals { sent, failed, last_failure_at, last_failure_reason, .. } = subscriptions.totals();
    let delivery = EventDelivery {
        total_events_sent: sent,
        failed_deliveries: failed,
        last_failure_time: last_failure_at,
        last_failure_reason,
    };
    let connections = json!({"totalActive": subscriptions.active(), "connections": connections.collect::<Vec<_>>()});
    Some(with_json(StatusCode::OK, &json!({"gatewayConnections": connections, "eventDelivery": delivery})))
}
