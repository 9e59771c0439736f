//! Sentry's three kinds of webhooks, recognised by their headers and shape: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | for an integration `Sentry-Hook-Resource` and `.action`: `issue.resolved`, `metric_alert.critical`; for a service hook `service_hook.triggered`; for the legacy plugin `legacy.triggered`; for a UI component `component.requested` |
//! | subject | the issue's id, also for its errors, comments, alerts, forms and Seer's work on it; for a metric alert or a mobile build its own id |
//! | delivery id | `Request-ID`, which differs in each attempt |
//! | key | installation, kind, and what the event tells of the resource: an id, or the state that it is in; an unknown resource has no key |
//! | attributes | `sender` (`actor.id`); `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group` (the project), `comment`, `installation`, if the resource has them |
//! | data | the body, unchanged |
//!
//! A select in a form of an integration requests its options with GET. The response is an empty list, and there is no event.
//!
//! The group is the slug of the project, which an error has only in its URL. Events of an actor in `ignore_senders` are acknowledged
//! and dropped.
//!
//! A level becomes a severity: `fatal` is `critical`, `error` is `high`, `debug` is `low`, any other stays as it is. A metric alert's
//! severity is its action. The status is `firing`, `resolved`, or an issue's own status such as `ignored`.

mod key;
mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{Response, command, export_channel, kind_word};

use self::payload::{Issue, MetricAlert, Occurrence, Payload, Project};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event, or answers a form that requests its options; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    if request.method() == "GET" {
        let no_options = Response::new(200).with_header("content-type", "application/json").with_body("[]");
        return Ok(Receipt::empty().with_response(no_options));
    }
    let delivery_id = request.header("request-id");
    let event = with_text(request, |body| {
        // The request of a UI component may have no body; its signature then covers an empty one.
        let payload = if body.is_empty() { Payload::default() } else { parse(request, body)? };
        if command::is_ignored(request.host(), &[payload.sender().unwrap_or_default()]) {
            return Ok(Receipt::empty());
        }
        let event = match request.header("sentry-hook-resource") {
            Some(resource) => from_integration(resource, &payload),
            None => without_resource(request, &payload),
        };
        Ok(event.with_fact("sender", payload.sender()).into())
    });
    event.map(|mut receipt| {
        receipt.events = receipt.events.into_iter().map(|event| event.with_delivery_id(delivery_id)).collect();
        receipt
    })
}

/// The event of an integration.
fn from_integration(resource: &str, payload: &Payload<'_>) -> Event {
    let installation = payload.installation.get().and_then(|installation| installation.uuid.get());
    of_resource(resource, payload, installation).with_fact("installation", installation)
}

/// The event of an integration's resource. The header is not signed, so its value is only used as a word; an unknown resource is an event too.
fn of_resource(resource: &str, payload: &Payload<'_>, installation: Option<&str>) -> Event {
    let resource = kind_word(resource);
    let kind = match payload.action.get() {
        Some(action) => [&resource, ".", &kind_word(action)].concat(),
        None if resource.is_empty() => String::from("unknown"),
        None => resource.clone(),
    };
    let event = match key::of(&resource, payload) {
        Some(key) => Event::new(&*kind).with_key([installation.unwrap_or_default(), &kind, &key].join("/")),
        None => Event::new(kind),
    };
    let Some(data) = payload.data.get() else {
        return event;
    };
    if let Some(alert) = data.metric_alert.get() {
        return with_metric_alert(event, alert, payload.action.get());
    }
    if let Some(occurrence) = data.event.get().or(data.error.get()) {
        let alert = data.issue_alert.get().and_then(|alert| alert.title.get());
        return with_occurrence(event, occurrence, data.triggered_rule.get().or(alert));
    }
    if let Some(issue) = data.issue.get() {
        return with_issue(event, issue, None);
    }
    if let Some((build, state)) = data.build() {
        return event
            .with_subject(Some(build.to_owned()))
            .with_fact("status", state.map(str::to_ascii_lowercase).as_deref())
            .with_fact("group", data.project());
    }
    event
        .with_subject(data.issue_id().map(str::to_owned))
        .with_fact("fingerprint", data.issue_id())
        .with_fact("group", data.project())
        .with_fact("comment", data.comment_id.get())
}

fn without_resource(request: &Request, payload: &Payload<'_>) -> Event {
    let occurrence = payload.event.get();
    let id = occurrence.and_then(Occurrence::id);
    let project = payload.project.get().and_then(Project::name);
    if let Some(issue) = payload.group.get() {
        // The GUID identifies the hook and is the same in all its deliveries.
        let hook = request.header("x-servicehook-guid").unwrap_or_default();
        let event = Event::new("service_hook.triggered");
        let event = match id {
            Some(id) => event.with_key(["service_hook", hook, id].join("/")),
            None => event,
        };
        return with_issue(event, issue, project);
    }
    let Some(occurrence) = occurrence else {
        return Event::new("component.requested")
            .with_subject(payload.issue_id.get().map(str::to_owned))
            .with_fact("fingerprint", payload.issue_id.get())
            .with_fact("group", project);
    };
    let event = Event::new("legacy.triggered");
    let event = match id {
        Some(id) => event.with_key(["legacy", payload.project_slug.get().unwrap_or_default(), id].join("/")),
        None => event,
    };
    event
        .with_subject(payload.id.get().map(str::to_owned))
        .with_fact("fingerprint", payload.id.get())
        .with_fact("startsat", occurrence.datetime.get())
        .with_fact("status", Some("firing"))
        .with_fact("severity", payload.level.get().map(severity))
        .with_fact("alertname", payload.message.get().or(payload.culprit.get()))
        .with_fact("group", payload.project_slug.get())
}

fn with_metric_alert(event: Event, alert: &MetricAlert<'_>, action: Option<&str>) -> Event {
    let severity = action.filter(|action| matches!(*action, "critical" | "warning"));
    let rule = alert.alert_rule.get().and_then(|rule| rule.name.get());
    event
        .with_subject(alert.id.get().map(str::to_owned))
        .with_fact("fingerprint", alert.id.get())
        .with_fact("startsat", alert.date_started.get())
        .with_fact("status", Some(if action == Some("resolved") { "resolved" } else { "firing" }))
        .with_fact("severity", severity)
        .with_fact("alertname", rule.or(alert.title.get()))
        .with_fact("group", alert.project())
}

fn with_occurrence(event: Event, occurrence: &Occurrence<'_>, rule: Option<&str>) -> Event {
    event
        .with_subject(occurrence.issue_id.get().map(str::to_owned))
        .with_fact("fingerprint", occurrence.issue_id.get())
        .with_fact("startsat", occurrence.datetime.get())
        .with_fact("status", Some("firing"))
        .with_fact("severity", occurrence.level.get().map(severity))
        .with_fact("alertname", rule.or(occurrence.title.get()))
        .with_fact("group", occurrence.project())
}

/// Adds the facts of an issue, which names its project itself or belongs to `project`.
fn with_issue(event: Event, issue: &Issue<'_>, project: Option<&str>) -> Event {
    let status = issue.status.get().map(|status| if status == "unresolved" { "firing" } else { status });
    event
        .with_subject(issue.id.get().map(str::to_owned))
        .with_fact("fingerprint", issue.id.get())
        .with_fact("startsat", issue.first_seen.get())
        .with_fact("status", status)
        .with_fact("severity", issue.level.get().map(severity))
        .with_fact("alertname", issue.title.get())
        .with_fact("group", issue.project.get().and_then(Project::name).or(project))
}

fn severity(level: &str) -> &str {
    match level {
        "fatal" => "critical",
        "error" => "high",
        "debug" => "low",
        other => other,
    }
}

#[cfg(test)]
mod tests;
