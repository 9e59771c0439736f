//! Prometheus Alertmanager, receivers of type webhook: one event per alert of a notification.
//!
//! [`gateway_plugin_sdk::alert`] builds the events. Each member of a cluster sends a copy of a notification. The copies differ
//! only in `externalURL`, so their alerts have the same keys, and the manifest names it as the peer.

use gateway_plugin_sdk::alert::Dialect;
use gateway_plugin_sdk::channel::{Received, Request};
use gateway_plugin_sdk::export_channel;

export_channel!(include_str!("../manifest.json"), receive);

const ALERTMANAGER: Dialect = Dialect {
    sender: "Alertmanager",
    version: "4",
    other: ("1", "Grafana", "grafana"),
    scope: None,
    hint: "remove `payload` from the receiver, or send it to a channel of the plugin `generic`",
};

/// Turns one notification into an event for each of its alerts.
pub fn receive(request: &Request) -> Received {
    ALERTMANAGER.receive(request)
}

#[cfg(test)]
mod tests;
