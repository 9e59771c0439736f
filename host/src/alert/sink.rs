//! What becomes of the deliveries that ask an agent to begin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::hub::Alerts;
use super::id::IncidentId;
use crate::event::{AgentName, ChannelName, DeliveryId, Event, Outcome, Seq};
use crate::eventlog::{CommitSink, NewDelivery};

/// Hears of the events that were told, and how their deliveries end.
///
/// It is not durable. An agent whose answer it misses is one that says nothing: it is waited for as long as the settings say.
#[derive(Clone)]
pub struct AlertSink(Arc<Inner>);

struct Inner {
    alerts: Alerts,
    open: Mutex<HashMap<Seq, Open>>,
}

/// The open deliveries of an event that asks an agent to begin.
struct Open {
    incident: IncidentId,
    agents: Vec<(u32, AgentName)>,
}

impl AlertSink {
    /// The most events whose deliveries are watched at a time.
    const MOST: usize = 100_000;

    /// What tells `alerts` how the deliveries of its events end.
    pub fn new(alerts: Alerts) -> Self {
        Self(Arc::new(Inner { alerts, open: Mutex::default() }))
    }
}

impl CommitSink for AlertSink {
    fn committed(&self, event: &Arc<Event>, deliveries: &[NewDelivery]) {
        let asks = ["opened", "recurred", "still_firing", "storm_started"];
        if event.channel.as_str() != ChannelName::ALERTS
            || deliveries.is_empty()
            || !event.attribute("reason").is_some_and(|reason| asks.contains(&reason))
        {
            return;
        }
        let Some(incident) = event.subject.as_ref().and_then(|subject| subject.parse().ok()) else { return };
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= Self::MOST {
            self.0.alerts.missed();
            return;
        }
        let agents = deliveries.iter().map(|delivery| (delivery.id.index, delivery.agent.clone())).collect();
        open.insert(event.seq, Open { incident, agents });
    }

    fn attempted(&self, delivery: DeliveryId, outcome: Outcome) {
        if outcome == Outcome::Retry {
            return;
        }
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = open.get_mut(&delivery.seq) else { return };
        let Some(place) = entry.agents.iter().position(|(index, _)| *index == delivery.index) else { return };
        let (_, agent) = entry.agents.swap_remove(place);
        let accepted = outcome == Outcome::Delivered;
        let incident = entry.incident;
        // Another agent may still take it.
        if !accepted && !entry.agents.is_empty() {
            return;
        }
        open.remove(&delivery.seq);
        drop(open);
        if !self.0.alerts.delivered(incident, &agent, delivery, accepted) {
            self.0.alerts.missed();
        }
    }
}
