//! GitHub webhooks: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `X-GitHub-Event`, and `.action` when the body has one: `pull_request.opened`, `push` |
//! | subject | `owner/repo#7` for an issue, pull request or discussion, `owner/repo@ref` for pushes and runs, else the repository; without one the organization, the account of an installation or purchase, the advisory, or the sender |
//! | delivery id | `X-GitHub-Delivery`, which a redelivery keeps |
//! | attributes | `action`, `sender`, `repository`, `severity` |
//! | data | the JSON as GitHub sent it, also when the hook sends forms |
//!
//! Events of a login in `ignore_senders` are answered and dropped: an agent that comments must not be woken by its comment.

mod payload;

use std::borrow::Cow;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::{Level, export_channel, form_values};
use serde::de::IgnoredAny;

use self::payload::Payload;

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event, or into none when its sender is ignored.
pub fn receive(request: &Request) -> Received {
    let name = event_name(request)?;
    let body = String::from_utf8(request.body())
        .map_err(|error| Rejection::new(400, format!("body is not UTF-8: {}", error.utf8_error())))?;
    if !is_form(request) {
        return Ok(event(request, &name, &body)?.map_or_else(Receipt::empty, Receipt::from));
    }
    let json = form_values(&body, "payload").next().ok_or_else(|| {
        Rejection::new(400, "form field `payload` is missing; set the hook's content type, or send `payload=<JSON>`")
    })?;
    let event = event(request, &name, &json)?;
    Ok(event.map_or_else(Receipt::empty, |event| event.with_data("application/json", json.into_owned()).into()))
}

/// The event of a JSON payload; none when its sender is ignored.
fn event(request: &Request, name: &str, json: &str) -> Result<Option<Event>, Rejection> {
    let payload = parse(request, json)?;
    if payload.sender().is_some_and(|sender| is_ignored(request, sender)) {
        return Ok(None);
    }
    let mut event = Event::new(kind(name, payload.action()))
        .with_subject(payload.subject())
        .with_delivery_id(request.header("x-github-delivery"));
    let facts = [
        ("action", payload.action()),
        ("sender", payload.sender()),
        ("repository", payload.repository()),
        ("severity", payload.severity()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            event = event.with_attribute(name, value);
        }
    }
    Ok(Some(event))
}

fn event_name(request: &Request) -> Result<String, Rejection> {
    let name =
        request.header("x-github-event").ok_or_else(|| Rejection::new(400, "header `x-github-event` is missing"))?;
    // The signature does not cover headers, so this one is checked before it becomes part of a kind.
    let is_name = |name: &str| name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if name.is_empty() || name.len() > 64 || !is_name(&name) {
        return Err(Rejection::new(400, "header `x-github-event` is no event name: expected 1 to 64 of `a-z0-9_`"));
    }
    Ok(name)
}

fn is_form(request: &Request) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let content_type = request.header("content-type").unwrap_or_default();
    content_type.as_bytes().get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
}

/// Reads what the event needs. JSON of an unexpected shape is an event all the same, only with fewer facts.
fn parse<'a>(request: &Request, json: &'a str) -> Result<Payload<'a>, Rejection> {
    let error = match serde_json::from_str(json) {
        Ok(payload) => return Ok(payload),
        Err(error) => error,
    };
    if error.is_data() && serde_json::from_str::<IgnoredAny>(json).is_ok() {
        request.host().log(Level::Warn, &format!("Payload has an unexpected shape, event kept without facts: {error}"));
        return Ok(Payload::default());
    }
    Err(Rejection::new(400, format!("body is not JSON: {error}")))
}

fn is_ignored(request: &Request, sender: &str) -> bool {
    let Some(config) = request.host().config("ignore_senders") else {
        return false;
    };
    match serde_json::from_str::<Vec<Cow<'_, str>>>(&config) {
        Ok(ignored) => ignored.iter().any(|login| login.eq_ignore_ascii_case(sender)),
        Err(error) => {
            request
                .host()
                .log(Level::Error, &format!("`ignore_senders` is no array of logins, nothing is ignored: {error}"));
            false
        }
    }
}

/// `push`, `issues.opened`. An action is a word, but in `repository_dispatch` it is any text its sender chose.
fn kind(name: &str, action: Option<&str>) -> String {
    let mut kind = String::from(name);
    if let Some(action) = action.filter(|action| !action.is_empty()) {
        kind.push('.');
        kind.extend(action.chars().take(64).map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => letter,
            _ => '_',
        }));
    }
    kind
}

#[cfg(test)]
mod tests;
