//! Linear webhooks of workspaces and of agents: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `type` and `.action`: `Issue.create`, `Comment.update`, `AgentSessionEvent.created` |
//! | subject | the identifier, `KTL-7`, also for objects that belong to an issue; the session of an agent; the document, project or initiative of a comment or an update; else the id of the object |
//! | delivery id, key | `Linear-Delivery` |
//! | attributes | `action`, `sender`, `status`, `severity`; `command` and `commandargs` of a new comment, description or prompt |
//! | data | the body, unchanged |
//!
//! An `AppUserNotification` has everything below `notification`; its sender is the actor, not the app's user that is told.
//!
//! A retry has the same `Linear-Delivery` but another `webhookTimestamp` and so another body: only the header identifies it. The
//! response is always 200, because Linear retries after any other status. Events that the webhook's own app or a user in
//! `ignore_senders` caused are acknowledged and dropped.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{Response, command, export_channel, kind_word};

use self::payload::Payload;

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let answer = Response::new(200);
        if payload.is_own() || command::is_ignored(request.host(), &[payload.sender().unwrap_or_default()]) {
            return Ok(Receipt::empty().with_response(answer));
        }
        let command = payload.written().and_then(|written| written.command(request.host()));
        let kind = kind_word(payload.kind.get().unwrap_or("unknown"));
        let kind = match payload.action.get() {
            Some(action) => [&kind, ".", &kind_word(action)].concat(),
            None => kind,
        };
        let delivery = request.header("linear-delivery");
        let event = match delivery {
            Some(delivery) => Event::new(kind).with_key(delivery),
            None => Event::new(kind),
        };
        let event = event
            .with_subject(payload.subject().map(str::to_owned))
            .with_delivery_id(delivery)
            .with_fact("action", payload.action.get())
            .with_fact("sender", payload.sender())
            .with_fact("status", payload.status())
            .with_fact("severity", payload.severity())
            .with_command(command);
        Ok(Receipt::from(event).with_response(answer))
    })
}

#[cfg(test)]
mod tests;
