//! Discord apps: interactions and webhook events, recognised by their shape. An app can use the same URL for both.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `interaction.command`, `interaction.component`, `interaction.modal`; for a webhook event its type in lower case, `application_authorized` |
//! | subject | the id of the channel or the lobby, else of the guild, else of the user, else of the object |
//! | key | the interaction's id; for a webhook event its type, its time and the id of its data |
//! | attributes | `sender`, `chat`, `guild`, `action`, `target` (what a context menu was opened on), `command`, `commandargs` |
//! | data | the body, including the interaction's token, with which an agent can answer for 15 minutes |
//!
//! The type numbers overlap: `"type": 1` is both the PING of interactions and the type of every webhook event, whose PING is 0. Only a
//! webhook event has the member `event`. The answer to an interaction is "working on it" (5), because Discord waits only three seconds.
//! The answer to autocompletion, which Discord requests at each key, is an empty list of choices, and it produces no event.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::command::{self, Command};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{Response, export_channel, kind_word};

use self::payload::{Data, Payload, arguments};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns a request from Discord into an event, or answers its handshake.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        if let Some(event) = payload.event.get() {
            return Ok(from_webhook_event(request, &payload, event));
        }
        Ok(match payload.kind.get() {
            Some("0") => Receipt::empty().with_response(Response::new(204)),
            Some("1") => with_json(Receipt::empty(), r#"{"type":1}"#),
            Some("4") => with_json(Receipt::empty(), r#"{"type":8,"data":{"choices":[]}}"#),
            kind => with_json(from_interaction(request, &payload, kind), r#"{"type":5}"#),
        })
    })
}

fn with_json(receipt: Receipt, json: &str) -> Receipt {
    receipt.with_response(Response::new(200).with_header("content-type", "application/json").with_body(json))
}

fn from_interaction(request: &Request, payload: &Payload<'_>, kind: Option<&str>) -> Receipt {
    let user = payload.user();
    if command::is_ignored(request.host(), &[user.unwrap_or_default()]) {
        return Receipt::empty();
    }
    let data = payload.data.get();
    let used = data.and_then(|data| data.name.get());
    let (kind, command) = match kind {
        Some("2") => {
            let arguments = data.map(|data| arguments(data.options.get())).unwrap_or_default();
            ("interaction.command", used.map(|name| Command::new(name, &arguments)))
        }
        Some("3") => ("interaction.component", None),
        Some("5") => ("interaction.modal", None),
        _ => ("interaction.unknown", None),
    };
    let subject = payload.channel_id.get().or_else(|| payload.guild_id.get()).or(user);
    let event = Event::new(kind)
        .with_subject(subject.map(str::to_owned))
        .with_fact("sender", user)
        .with_fact("chat", payload.channel_id.get())
        .with_fact("guild", payload.guild_id.get())
        .with_fact("action", data.and_then(|data| data.custom_id.get()).or(used))
        .with_fact("target", data.and_then(|data| data.target_id.get()))
        .with_command(command);
    Receipt::from(match payload.id.get() {
        Some(id) => event.with_key(id),
        None => event,
    })
}

fn from_webhook_event(request: &Request, payload: &Payload<'_>, event: &payload::Event<'_>) -> Receipt {
    let response = Response::new(204);
    let data = event.data.get();
    let sender = data.and_then(Data::sender);
    let app = payload.application_id.get();
    let senders = data.map(Data::senders).unwrap_or_default().map(Option::unwrap_or_default);
    if app.is_some_and(|app| senders.contains(&app)) || command::is_ignored(request.host(), &senders) {
        return Receipt::empty().with_response(response);
    }
    let name = event.kind.get().unwrap_or("unknown");
    let chat = data.and_then(Data::chat);
    let guild = data.and_then(Data::guild);
    let id = data.and_then(|data| data.id.get());
    let text = data.and_then(|data| data.content.get());
    // Only a new message can contain a command: an update does not include the old text.
    let text = text.filter(|_| name.ends_with("_CREATE"));
    let accounts: Vec<&str> = app.into_iter().collect();
    let find = |text| command::find_for(request.host(), &command::split_fences(text), &accounts);
    let made = Event::new(kind_word(name).to_ascii_lowercase())
        .with_subject(chat.or(guild).or(sender).or(id).map(str::to_owned))
        .with_fact("sender", sender)
        .with_fact("chat", chat)
        .with_fact("guild", guild)
        .with_command(text.and_then(find));
    let about = id.or(sender).unwrap_or_default();
    Receipt::from(match event.timestamp.get() {
        Some(time) => made.with_key([name, "/", time, "/", about].concat()),
        None => made,
    })
    .with_response(response)
}

#[cfg(test)]
mod tests;
