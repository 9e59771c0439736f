//! Wakes who hears how deliveries end.

use std::sync::Arc;

use tokio::sync::Notify;

use super::hub::Alerts;
use crate::event::{DeliveryId, Event, Outcome};
use crate::eventlog::{CommitSink, NewDelivery};

/// Wakes alerts whenever a delivery has ended. What became of it is in the log: nothing is lost with the process.
#[derive(Clone)]
pub struct AlertSink(Arc<Notify>);

impl AlertSink {
    /// What wakes `alerts`.
    pub fn new(alerts: &Alerts) -> Self {
        Self(alerts.ended())
    }
}

impl CommitSink for AlertSink {
    fn committed(&self, _event: &Arc<Event>, _deliveries: &[NewDelivery]) {}

    fn attempted(&self, _delivery: DeliveryId, outcome: Outcome) {
        if outcome != Outcome::Retry {
            self.0.notify_one();
        }
    }
}
