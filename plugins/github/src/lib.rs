//! GitHub webhooks: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `X-GitHub-Event`, and `.action` when the body has one: `pull_request.opened`, `push` |
//! | subject | `owner/repo#7` for an issue, pull request or discussion, `owner/repo@ref` for pushes and runs, else the repository; without one the organization, the account of an installation or purchase, the advisory, or the sender |
//! | delivery id | `X-GitHub-Delivery`, which a redelivery keeps |
//! | attributes | `action`, `sender`, `repository`, `status`, `severity`; `command` and `commandargs` of a new comment, review or description |
//! | data | the JSON as GitHub sent it, also when the hook sends forms |
//!
//! Events of a login in `ignore_senders`, and what the app of a slug in it writes in the name of somebody, are answered and
//! dropped: an agent that comments must not be woken by its comment. An edit is a command only when it makes a new one.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{command, export_channel, form_values, kind_word};

use self::payload::Payload;

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event, or into none when its sender is ignored.
pub fn receive(request: &Request) -> Received {
    let name = event_name(request)?;
    with_text(request, |body| {
        if !request.is_form() {
            return Ok(event(request, &name, body)?.map_or_else(Receipt::empty, Receipt::from));
        }
        let json = form_values(body, "payload").next().ok_or_else(|| {
            Rejection::new(
                400,
                "form field `payload` is missing; set the hook's content type, or send `payload=<JSON>`",
            )
        })?;
        let event = event(request, &name, &json)?;
        Ok(event.map_or_else(Receipt::empty, |event| event.with_data("application/json", json.into_owned()).into()))
    })
}

/// The event of a JSON payload; none when its sender is ignored.
fn event(request: &Request, name: &str, json: &str) -> Result<Option<Event>, Rejection> {
    let payload: Payload<'_> = parse(request, json)?;
    let senders = [payload.sender(), payload.app()];
    if command::is_ignored(request.host(), &senders.map(Option::unwrap_or_default)) {
        return Ok(None);
    }
    let command = payload.written().and_then(|written| written.command(request.host()));
    Ok(Some(
        Event::new(kind(name, payload.action()))
            .with_subject(payload.subject())
            .with_delivery_id(request.header("x-github-delivery"))
            .with_fact("action", payload.action())
            .with_fact("sender", payload.sender())
            .with_fact("repository", payload.repository())
            .with_fact("status", payload.status())
            .with_fact("severity", payload.severity())
            .with_command(command),
    ))
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

/// `push`, `issues.opened`. An action is a word, but in `repository_dispatch` it is any text its sender chose.
fn kind(name: &str, action: Option<&str>) -> String {
    match action {
        Some(action) => [name, ".", &kind_word(action)].concat(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
