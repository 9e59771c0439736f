use url::form_urlencoded::Serializer;

use crate::event::{AgentName, ChannelName, DeliveryState, EventId, EventStatus, Timestamp};

/// What is asked of a gateway, or of its log when none runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Channels,
    Agents,
    Plugins,
    Routes,
    Skills,
    Events(EventFilter),
    Event(EventId),
    Deliveries(DeliveryFilter),
}

/// Which events are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventFilter {
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
    pub(super) channel: Option<ChannelName>,
    pub(super) kind: Option<String>,
    pub(super) status: Option<EventStatus>,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// Which deliveries are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeliveryFilter {
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
    pub(super) state: Option<DeliveryState>,
    pub(super) agent: Option<AgentName>,
}

impl EventFilter {
    /// All events, as many as come without asking.
    pub(super) fn new() -> Self {
        Self { limit: 50, cursor: None, channel: None, kind: None, status: None, since: None, until: None }
    }

    /// The filter as the parameters of the admin API.
    pub(super) fn query(&self) -> String {
        parameters(&[
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor.clone()),
            ("channel", self.channel.as_ref().map(ToString::to_string)),
            ("kind", self.kind.clone()),
            ("status", self.status.map(|status| status.to_string())),
            ("since", self.since.map(|since| since.to_string())),
            ("until", self.until.map(|until| until.to_string())),
        ])
    }
}

impl DeliveryFilter {
    /// The filter as the parameters of the admin API.
    pub(super) fn query(&self) -> String {
        parameters(&[
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor.clone()),
            ("state", self.state.map(|state| state.to_string())),
            ("agent", self.agent.as_ref().map(ToString::to_string)),
        ])
    }
}

fn parameters(pairs: &[(&str, Option<String>)]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    Serializer::new(String::new()).extend_pairs(given).finish()
}

impl Request {
    /// Where the admin API answers it.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Channels => "/admin/channels".to_owned(),
            Self::Agents => "/admin/agents".to_owned(),
            Self::Plugins => "/admin/plugins".to_owned(),
            Self::Routes => "/admin/routes".to_owned(),
            Self::Skills => "/admin/skills".to_owned(),
            Self::Events(filter) => format!("/admin/events?{}", filter.query()),
            Self::Event(id) => format!("/admin/events/{id}"),
            Self::Deliveries(filter) => format!("/admin/deliveries?{}", filter.query()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_parameters() {
        let events = EventFilter {
            kind: Some("github.*&x".to_owned()),
            status: Some(EventStatus::Dead),
            since: Some(Timestamp::from_millis(0)),
            ..EventFilter::new()
        };

        assert_eq!(
            Request::Events(events).path(),
            "/admin/events?limit=50&kind=github.*%26x&status=dead&since=1970-01-01T00%3A00%3A00.000Z"
        );
    }
}
