//! GitHub webhooks: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `X-GitHub-Event` and, if the body has one, `.action`: `pull_request.opened`, `push` |
//! | subject | `owner/repo#7` for an issue, pull request or discussion, `owner/repo@ref` for pushes and runs, else the repository; without one the organization, the account of an installation or purchase, the advisory, or the sender |
//! | delivery id | `X-GitHub-Delivery`, which stays the same in a redelivery |
//! | attributes | `action`, `sender`, `repository`, `status`, `severity`; `command` and `commandargs` of a new comment, review or description |
//! | data | GitHub's JSON, unchanged, also if the hook sends forms |
//!
//! `ignore_senders` lists logins, and slugs of apps that write in the name of a user. Their events are acknowledged and dropped:
//! an agent must not be triggered by its own comment. An edit yields a command only if the old text did not have it.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{command, export_channel, form_values, kind_word};

use self::payload::Payload;

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        if !request.is_form() {
            return Ok(event(request, body)?.map_or_else(Receipt::empty, Receipt::from));
        }
        let json = form_values(body, "payload").next().ok_or_else(|| {
            Rejection::new(
                400,
                "form field `payload` is missing; set the hook's content type, or send `payload=<JSON>`",
            )
        })?;
        let event = event(request, &json)?;
        Ok(event.map_or_else(Receipt::empty, |event| event.with_data("application/json", json.into_owned()).into()))
    })
}

/// The event of a JSON payload; `None` if its sender is ignored.
fn event(request: &Request, json: &str) -> Result<Option<Event>, Rejection> {
    let payload: Payload<'_> = parse(request, json)?;
    let senders = [payload.sender(), payload.app()];
    if command::is_ignored(request.host(), &senders.map(Option::unwrap_or_default)) {
        return Ok(None);
    }
    // An ignored sender is ignored whatever the header says.
    let name = event_name(request)?;
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

fn event_name(request: &Request) -> Result<&str, Rejection> {
    let name =
        request.header("x-github-event").ok_or_else(|| Rejection::new(400, "header `x-github-event` is missing"))?;
    // The signature does not cover headers, so this one is checked before it becomes part of a kind.
    let is_name = |name: &str| name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if name.is_empty() || name.len() > 64 || !is_name(name) {
        return Err(Rejection::new(400, "header `x-github-event` is not an event name: expected 1 to 64 of `a-z0-9_`"));
    }
    Ok(name)
}

/// `push`, `issues.opened`. An action is a word, except in `repository_dispatch`, where the sender can choose any text.
fn kind(name: &str, action: Option<&str>) -> String {
    match action {
        Some(action) => [name, ".", &kind_word(action)].concat(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
