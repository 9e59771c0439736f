//! Who hears of commits as they happen.

use std::sync::Arc;

use super::EventLogError;
use super::batch::NewDelivery;
use crate::event::{DeliveryId, Event, Outcome};

/// Hears of every commit, in order of position, on the writer's thread, after the commit is durable and before its callers
/// are answered. Must not block.
pub trait CommitSink: Send + Sync {
    /// `deliveries` of `event` are new: those that it was accepted with, or redeliveries.
    fn committed(&self, event: &Arc<Event>, deliveries: &[NewDelivery]);

    /// An attempt of `delivery` has ended. One whose commit failed in an unknown way is told with the commit that repeats it.
    fn attempted(&self, _delivery: DeliveryId, _outcome: Outcome) {}

    /// Nothing will be committed any more: the log is closed, or has failed.
    fn ended(&self, _why: &EventLogError) {}
}
