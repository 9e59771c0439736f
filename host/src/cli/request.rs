//! Requests to the admin API, as routes and parameters.

use url::form_urlencoded::Serializer;

pub(super) use crate::event::EventName;
use crate::event::EventStatus;
pub(super) use crate::eventlog::{DeliveryFilter, Selection};

/// A `GET` of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Channels,
    Agents,
    Plugins,
    Routes,
    Skills,
    Consumers,
    /// What a consumer has parked.
    Parked(String),
    Subscribers,
    Types,
    Sites,
    Backends,
    /// A page of incidents, by its query.
    Incidents(String),
    /// A page of alerts, by its query.
    Alerts(String),
    AlertRules,
    /// A page of silences, by its query.
    Silences(String),
    Log(LogRequest),
}

/// A `GET` that the event log can answer without a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogRequest {
    Events(EventFilter),
    Event(EventName),
    Deliveries(DeliveryList),
    Replays,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventFilter {
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
    /// A text in the event.
    pub(super) text: Option<String>,
    pub(super) events: Selection,
    pub(super) status: Option<EventStatus>,
}

/// A page of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeliveryList {
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
    pub(super) filter: DeliveryFilter,
}

type Parameter = (&'static str, Option<String>);

impl EventFilter {
    /// The first page of all events.
    pub(super) fn new() -> Self {
        Self { limit: 50, cursor: None, text: None, events: Selection::default(), status: None }
    }

    /// The query string.
    pub(super) fn query(&self) -> String {
        let page = [
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor.clone()),
            ("q", self.text.clone()),
            ("status", self.status.map(|status| status.to_string())),
        ];
        parameters(&[&page[..], &selecting(&self.events)].concat())
    }
}

impl DeliveryList {
    /// The query string.
    pub(super) fn query(&self) -> String {
        let page = [("limit", Some(self.limit.to_string())), ("cursor", self.cursor.clone())];
        parameters(&[&page[..], &filtering(&self.filter)].concat())
    }
}

/// The parameters of a filter.
pub(super) fn filtering(filter: &DeliveryFilter) -> Vec<Parameter> {
    let mut pairs = vec![
        ("state", filter.state.map(|state| state.to_string())),
        ("agent", filter.agent.as_ref().map(ToString::to_string)),
    ];
    pairs.extend(selecting(&filter.events));
    pairs
}

pub(super) fn selecting(events: &Selection) -> [Parameter; 4] {
    [
        ("channel", events.channel.as_ref().map(ToString::to_string)),
        ("kind", events.kind.clone()),
        ("since", events.since.map(|since| since.to_string())),
        ("until", events.until.map(|until| until.to_string())),
    ]
}

/// The query string of those `pairs` that have a value.
pub(super) fn parameters(pairs: &[Parameter]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    Serializer::new(String::new()).extend_pairs(given).finish()
}

/// A segment of a path.
pub(super) fn encoded(segment: &str) -> String {
    url::form_urlencoded::byte_serialize(segment.as_bytes()).collect()
}

impl Request {
    /// Path and query.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Channels => "/admin/channels".to_owned(),
            Self::Agents => "/admin/agents".to_owned(),
            Self::Plugins => "/admin/plugins".to_owned(),
            Self::Routes => "/admin/routes".to_owned(),
            Self::Skills => "/admin/skills".to_owned(),
            Self::Consumers => "/admin/consumers".to_owned(),
            Self::Parked(name) => format!("/admin/consumers/{}/parked?limit=500", encoded(name)),
            Self::Subscribers => "/admin/subscribers".to_owned(),
            Self::Types => "/admin/types".to_owned(),
            Self::Sites => "/admin/sites".to_owned(),
            Self::Backends => "/admin/backends".to_owned(),
            Self::Incidents(query) => format!("/admin/incidents?{query}"),
            Self::Alerts(query) => format!("/admin/alerts?{query}"),
            Self::AlertRules => "/admin/alerts/rules".to_owned(),
            Self::Silences(query) => format!("/admin/silences?{query}"),
            Self::Log(request) => request.path(),
        }
    }
}

impl LogRequest {
    /// Path and query.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Events(filter) => format!("/admin/events?{}", filter.query()),
            Self::Event(name) => format!("/admin/events/{name}"),
            Self::Deliveries(list) => format!("/admin/deliveries?{}", list.query()),
            Self::Replays => "/admin/replays".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    #[test]
    fn filters_become_parameters() {
        let events = EventFilter {
            events: Selection {
                kind: Some("github.*&x".to_owned()),
                since: Some(Timestamp::from_millis(0)),
                ..Selection::default()
            },
            status: Some(EventStatus::Dead),
            ..EventFilter::new()
        };

        assert_eq!(
            LogRequest::Events(events).path(),
            "/admin/events?limit=50&status=dead&kind=github.*%26x&since=1970-01-01T00%3A00%3A00.000Z"
        );
    }
}
