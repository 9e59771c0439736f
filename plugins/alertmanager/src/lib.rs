//! Prometheus Alertmanager, receivers of type webhook: one event per alert of the notification, as
//! [`gateway_plugin_sdk::alert`] makes them. The members of a cluster all send, and their copies differ in `externalURL` only:
//! they are one event.

use gateway_plugin_sdk::alert::Dialect;
use gateway_plugin_sdk::channel::{Received, Request};
use gateway_plugin_sdk::export_channel;

export_channel!(include_str!("../manifest.json"), receive);

const ALERTMANAGER: Dialect = Dialect {
    sender: "Alertmanager",
    version: "4",
    other: ("1", "Grafana", "grafana"),
    scope: None,
    advice: "remove `payload` from the receiver, or receive it on a channel of the plugin `generic`",
};

/// Turns one notification into an event for each of its alerts.
pub fn receive(request: &Request) -> Received {
    ALERTMANAGER.receive(request)
}

#[cfg(test)]
mod tests;
