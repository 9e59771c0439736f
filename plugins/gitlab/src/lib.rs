//! GitLab webhooks of projects and groups, and system hooks: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `object_kind` and, if there is one, `.action`: `merge_request.open`, `push`, `pipeline`; for system hooks `event_name` |
//! | subject | `group/project!7` for a merge request, `group/project#7` for an issue, `group/project@ref` for pushes, pipelines and jobs, else the project, the group or the user |
//! | delivery id | `Idempotency-Key`, which stays the same in a retry; from older servers `X-Gitlab-Event-UUID` and the hook's `X-Gitlab-Webhook-UUID` |
//! | attributes | `action`, `sender`, `project`, `status`, `severity`; `command` and `commandargs` of a new comment or description |
//! | data | the body, unchanged |
//!
//! Events of a user in `ignore_senders` are acknowledged and dropped: an agent must not be triggered by its own comment.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{command, export_channel, kind_word};

use self::payload::Payload;

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        if command::is_ignored(request.host(), &payload.senders().map(Option::unwrap_or_default)) {
            return Ok(Receipt::empty());
        }
        let command = payload.written().and_then(|written| written.command(request.host()));
        let event = Event::new(kind(request, &payload))
            .with_subject(payload.subject())
            .with_delivery_id(delivery(request))
            .with_fact("action", payload.action())
            .with_fact("sender", payload.sender())
            .with_fact("project", payload.project())
            .with_fact("status", payload.status())
            .with_fact("severity", payload.severity())
            .with_command(command);
        Ok(event.into())
    })
}

fn kind(request: &Request, payload: &Payload<'_>) -> String {
    let Some(name) = payload.object_kind.get().or_else(|| payload.event_name.get()) else {
        // `Push Hook`, the same for confidential issues and others.
        let header = request.header("x-gitlab-event").filter(|header| !header.is_empty());
        return header.map_or_else(
            || String::from("unknown"),
            |header| kind_word(header.trim_end_matches(" Hook")).to_ascii_lowercase(),
        );
    };
    match payload.action() {
        Some(action) => [&kind_word(name), ".", &kind_word(action)].concat(),
        None => kind_word(name),
    }
}

fn delivery(request: &Request) -> Option<String> {
    request.header("idempotency-key").map(str::to_owned).or_else(|| {
        let event = request.header("x-gitlab-event-uuid")?;
        // Events that a webhook itself causes can share the UUID of the first one.
        Some(match request.header("x-gitlab-webhook-uuid") {
            Some(hook) => [event, hook].join("/"),
            None => event.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests;
