//! Discord apps: interactions and webhook events, told apart by what they look like. Both URLs of an app may be one.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `interaction.command`, `interaction.component`, `interaction.modal`; of a webhook event its type in lower case, `application_authorized` |
//! | subject | the channel's id; without a channel that of the guild or the user |
//! | key | the interaction's id; of a webhook event type, time and id of what it tells |
//! | attributes | `sender`, `chat`, `guild`, `action`, `command`, `commandargs` |
//! | data | the body, with the interaction's token, by which an agent answers within 15 minutes |
//!
//! The numbers of the two overlap: `"type": 1` is the PING of interactions and every webhook event, whose own PING is 0. A webhook event
//! has the member `event`, and no interaction does. An interaction is answered with "working on it" (5), because Discord waits three
//! seconds; autocompletion, which is asked at each key, is answered with no choices and is no event.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::command::{self, Command};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{Response, export_channel, kind_word};

use self::payload::{Data, Payload, arguments};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns what Discord sends into an event, or answers its handshake.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        if let Some(event) = payload.event.get() {
            return Ok(of_event(request, &payload, event));
        }
        Ok(match payload.kind.get() {
            Some("0") => Receipt::empty().with_response(Response::new(204)),
            Some("1") => answered(Receipt::empty(), r#"{"type":1}"#),
            Some("4") => answered(Receipt::empty(), r#"{"type":8,"data":{"choices":[]}}"#),
            kind => answered(of_interaction(request, &payload, kind), r#"{"type":5}"#),
        })
    })
}

fn answered(receipt: Receipt, json: &str) -> Receipt {
    receipt.with_response(Response::new(200).with_header("content-type", "application/json").with_body(json))
}

fn of_interaction(request: &Request, payload: &Payload<'_>, kind: Option<&str>) -> Receipt {
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
        .with_command(command);
    Receipt::from(match payload.id.get() {
        Some(id) => event.with_key(id),
        None => event,
    })
}

fn of_event(request: &Request, payload: &Payload<'_>, event: &payload::Event<'_>) -> Receipt {
    let response = Response::new(204);
    let data = event.data.get();
    let sender = data.and_then(Data::sender);
    let app = payload.application_id.get();
    if app.is_some() && sender == app || command::is_ignored(request.host(), &[sender.unwrap_or_default()]) {
        return Receipt::empty().with_response(response);
    }
    let name = event.kind.get().unwrap_or("unknown");
    let chat = data.and_then(|data| data.channel_id.get());
    let guild = data.and_then(Data::guild);
    let text = data.and_then(|data| data.content.get());
    // Only a new message makes a command: an update does not tell what it was before.
    let text = text.filter(|_| name.ends_with("_CREATE"));
    let accounts: Vec<&str> = app.into_iter().collect();
    let find = |text| command::find_for(request.host(), &command::split_fences(text), &accounts);
    let made = Event::new(kind_word(name).to_ascii_lowercase())
        .with_subject(chat.or(guild).or(sender).map(str::to_owned))
        .with_fact("sender", sender)
        .with_fact("chat", chat)
        .with_fact("guild", guild)
        .with_command(text.and_then(find));
    let about = data.and_then(|data| data.id.get()).or(sender).unwrap_or_default();
    Receipt::from(match event.timestamp.get() {
        Some(time) => made.with_key([name, "/", time, "/", about].concat()),
        None => made,
    })
    .with_response(response)
}

#[cfg(test)]
mod tests;
