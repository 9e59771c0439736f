//! Grafana alerting, contact points of type webhook: one event per alert of a notification.
//!
//! [`gateway_plugin_sdk::alert`] builds the events. Their keys start with the organization, because several organizations can
//! share one Grafana.

use gateway_plugin_sdk::alert::Dialect;
use gateway_plugin_sdk::channel::{Received, Request};
use gateway_plugin_sdk::export_channel;

export_channel!(include_str!("../manifest.json"), receive);

const GRAFANA: Dialect = Dialect {
    sender: "Grafana",
    version: "1",
    other: ("4", "Prometheus Alertmanager", "alertmanager"),
    scope: Some("orgId"),
    hint: "remove the custom payload from the contact point, or send it to a channel of the plugin `generic`",
};

/// Turns one notification into an event for each of its alerts.
pub fn receive(request: &Request) -> Received {
    GRAFANA.receive(request)
}

#[cfg(test)]
mod tests;
