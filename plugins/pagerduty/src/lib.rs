//! PagerDuty webhooks, version 3: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `event.event_type`: `incident.triggered`, `pagey.ping`; without one `unknown` |
//! | subject | the incident, also for its notes, responders and roles (`event.data.incident.id`), else `event.data.id`, else the service |
//! | delivery id | `X-Webhook-Id`, which stays the same in a retry, else `event.id` |
//! | key | `event.id`, which is the same for all subscriptions that the event is sent to |
//! | attributes | `sender` (`event.agent.id`); for an incident `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group` |
//! | data | the body, unchanged |
//!
//! The severity is the incident's priority as the account names it (`P1`), else its urgency (`high`, `low`). The status is
//! `resolved` or `firing`; kind and data show whether a person has acknowledged the incident. The group is the service.
//!
//! Events of an agent in `ignore_senders` are acknowledged and dropped. PagerDuty calls whoever caused an event its agent: a user or
//! an integration, and nobody if it was PagerDuty itself.

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::json::{Object, Objects, Text, parse, with_text};
use gateway_plugin_sdk::{command, export_channel, kind_words};
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
    agent: Object<Reference<'a>>,
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
    /// Roles of one incident, which each of them names.
    #[serde(borrow)]
    incident_role_assignments: Objects<Role<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Role<'a> {
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

impl Data<'_> {
    fn subject(&self) -> Option<&str> {
        let of_role = || self.incident_role_assignments.get().iter().find_map(|role| role.incident.get()?.id.get());
        let incident = self.incident.get().and_then(|incident| incident.id.get());
        incident.or_else(of_role).or_else(|| self.id.get()).or_else(|| self.service.get()?.id.get())
    }
}

/// Turns one delivery into one event; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let sent = payload.event.get();
        let sender = sent.and_then(|sent| sent.agent.get()?.id.get());
        if command::is_ignored(request.host(), &[sender.unwrap_or_default()]) {
            return Ok(Receipt::empty());
        }
        let delivery_id = request.header("x-webhook-id");
        let delivery_id = delivery_id.or_else(|| sent.and_then(|sent| sent.id.get()));
        let kind = sent.and_then(|sent| sent.event_type.get()).and_then(kind_words);
        let kind = kind.unwrap_or_else(|| String::from("unknown"));
        let event = Event::new(kind).with_delivery_id(delivery_id).with_fact("sender", sender);
        // Two subscriptions get one event with two `X-Webhook-Id`.
        let event = match sent.and_then(|sent| sent.id.get()) {
            Some(id) => event.with_key(id),
            None => event,
        };
        let Some(data) = sent.and_then(|sent| sent.data.get()) else {
            return Ok(event.into());
        };
        let event = event.with_subject(data.subject().map(str::to_owned));
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
