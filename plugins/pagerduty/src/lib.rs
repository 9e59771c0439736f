//! PagerDuty webhooks, version 3: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `event.event_type`: `incident.triggered`, `pagey.ping`; without one `unknown` |
//! | subject | the incident, also for its notes and responders (`event.data.incident.id`), else `event.data.id` |
//! | delivery id | `X-Webhook-Id`, which stays the same in a retry, else `event.id` |
//! | attributes | for an incident `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group` |
//! | data | the body, unchanged |
//!
//! The severity is the incident's priority as the account names it (`P1`), else its urgency (`high`, `low`). The status is
//! `resolved` or `firing`; kind and data show whether a person has acknowledged the incident. The group is the service.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use gateway_plugin_sdk::json::{Object, Text, parse, with_text};
use gateway_plugin_sdk::{export_channel, kind_words};
use serde::Deserialize;

export_channel!(include_str!("../manifest.json"), receive);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    event: Object<Sent<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    event_type: Text<'a>,
    #[serde(borrow)]
    data: Object<Data<'a>>,
}

/// An incident, or an object that belongs to one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    incident_key: Text<'a>,
    #[serde(borrow)]
    urgency: Text<'a>,
    #[serde(borrow)]
    priority: Object<Reference<'a>>,
    #[serde(borrow)]
    service: Object<Reference<'a>>,
    #[serde(borrow)]
    incident: Object<Reference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reference<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    summary: Text<'a>,
}

/// Turns one delivery into one event.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let sent = payload.event.get();
        let delivery_id = request.header("x-webhook-id");
        let delivery_id = delivery_id.or_else(|| sent.and_then(|sent| sent.id.get()).map(str::to_owned));
        let kind = sent.and_then(|sent| sent.event_type.get()).unwrap_or("unknown");
        let event = Event::new(kind_words(kind)).with_delivery_id(delivery_id);
        let Some(data) = sent.and_then(|sent| sent.data.get()) else {
            return Ok(event.into());
        };
        let incident = data.incident.get().and_then(|incident| incident.id.get());
        let event = event.with_subject(incident.or(data.id.get()).map(str::to_owned));
        Ok(if data.kind.is("incident") { with_incident(event, data).into() } else { event.into() })
    })
}

fn with_incident(event: Event, data: &Data<'_>) -> Event {
    let summary = |reference: Option<&Reference<'_>>| reference.and_then(|one| one.summary.get()).map(str::to_owned);
    let status = if data.status.is("resolved") { "resolved" } else { "firing" };
    let priority = summary(data.priority.get());
    event
        .with_fact("fingerprint", data.incident_key.get().or(data.id.get()))
        .with_fact("startsat", data.created_at.get())
        .with_fact("status", data.status.get().map(|_| status))
        .with_fact("severity", priority.as_deref().or(data.urgency.get()))
        .with_fact("alertname", data.title.get())
        .with_fact("group", summary(data.service.get()).as_deref())
}

#[cfg(test)]
mod tests;
