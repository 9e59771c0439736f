//! Slack apps: events, slash commands and interactivity, recognised by their shape. An app can use the same URL for all three.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `event.type` and, if there is one, `.subtype`: `app_mention`, `message.channel_join`; `command./name`; `interactive.block_actions` |
//! | subject | `team:channel:thread`, where a message without a thread counts as one; `team:channel` in a direct conversation; `team:file` for a file; `team:view` for a modal; without a channel `team:user`; else `team` |
//! | key | for a message `team/channel/ts` and the time of its edit; for a modal `view.id/view.hash`; else `event_id` or `trigger_id` |
//! | attributes | `sender`, `team`, `chat`, `thread`, `action`, `command`, `commandargs` |
//! | data | JSON, also if Slack sends a form; the token in the form of a slash command is removed |
//!
//! A mention arrives twice if an app subscribes to both `app_mention` and `message.channels`. Both deliveries get the key of the
//! message, so they are one event. Both get the kind `app_mention`, whichever comes first: a message in a channel that mentions the
//! app always has this kind. The same holds for the edit of a mention, which also arrives as `message_changed`.
//!
//! A menu requests its options at each key (`block_suggestion`, `dialog_suggestion`). The response is an empty list, and there is no
//! event. Slack does not sign its checks of the certificate (`ssl_check`); the gateway answers them.
//!
//! Messages of the app itself are acknowledged and dropped. So are those of bots without an account (`bot_message`), such as posts of
//! incoming webhooks, unless the setting `bot_messages` keeps them. A retry is processed like any delivery, because the first attempt
//! may have failed; the key shows whether it is a duplicate.
//!
//! An event of a whole organization has no team; the organization then takes its place.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::command::{self, Command};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{Response, decode_form, export_channel, form_values, kind_word};
use serde_json::{Map, Value};

use self::payload::{Payload, joined};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns a request from Slack into an event, or answers its handshake.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        if !request.is_form() {
            return from_events_api(request, &parse(request, body)?);
        }
        let field = |name| form_values(body, name).next();
        if let Some(json) = field("payload") {
            return Ok(from_interaction(request, &parse(request, &json)?, &json));
        }
        if let Some(name) = field("command") {
            return Ok(from_slash_command(request, &name, body));
        }
        if field("ssl_check").is_some() {
            return Ok(acknowledged());
        }
        Err(Rejection::new(
            400,
            "expected a slash command or an interaction: the form has neither `command` nor `payload`",
        ))
    })
}

/// An empty response. Slack would show the content of any other one to the person who waits.
fn acknowledged() -> Receipt {
    Receipt::empty().with_response(Response::new(200))
}

fn from_events_api(request: &Request, payload: &Payload<'_>) -> Received {
    let kind = payload.kind.get().unwrap_or("unknown");
    if kind == "url_verification" {
        let challenge = payload.challenge.get().ok_or_else(|| Rejection::at(422, "/challenge", "expected a string"))?;
        let response = Response::new(200).with_header("content-type", "text/plain").with_body(challenge);
        return Ok(Receipt::empty().with_response(response));
    }
    let team = payload.team();
    let own = own_accounts(request, payload);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    if payload.event.get().is_some_and(|event| is_unwanted(request, payload, event, &own)) {
        return Ok(Receipt::empty());
    }
    let Some(event) = payload.event.get().filter(|_| kind == "event_callback") else {
        let minute = payload.minute_rate_limited.get().filter(|_| kind == "app_rate_limited");
        let key = minute.map(|minute| [kind, team.unwrap_or_default(), minute].join("/"));
        let event = Event::new(kind_word(kind)).with_subject(team.map(str::to_owned)).with_fact("team", team);
        return Ok(with_key(event, key.as_deref().or(payload.event_id.get())).into());
    };
    Ok(to_event(request, payload, event, &own).into())
}

fn to_event(request: &Request, payload: &Payload<'_>, event: &payload::Event<'_>, own: &[&str]) -> Event {
    let team = payload.team();
    let place = event.place();
    let is_mention = |message: &payload::Event<'_>| {
        let mentions = |own: &&str| message.text.get().is_some_and(|text| is_mentioned(text, own));
        !place.is_direct && own.iter().any(mentions)
    };
    let message = if event.is_message() { Some(event) } else { event.edit().filter(|message| is_mention(message)) };
    let kind = match (event.kind.get().unwrap_or("unknown"), event.subtype.get()) {
        ("message", _) if message.is_some_and(is_mention) => String::from("app_mention"),
        (kind, Some(subtype)) => [&kind_word(kind), ".", &kind_word(subtype)].concat(),
        (kind, None) => kind_word(kind),
    };
    let key = message.and_then(|message| {
        // An edit can add a mention, but has the time of the original message.
        let parts = [team, place.channel, Some(message.ts.get()?), message.edited()];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("/"))
    });
    let made = Event::new(kind)
        .with_subject(event.subject(team))
        .with_fact("sender", event.user())
        .with_fact("team", team)
        .with_fact("chat", place.channel)
        .with_fact("thread", place.thread.filter(|_| place.channel.is_some()));
    with_key(made, key.as_deref().or(payload.event_id.get())).with_command(command_in(request, event, own))
}

/// The command of a new message or of an edited text.
fn command_in(request: &Request, event: &payload::Event<'_>, own: &[&str]) -> Option<Command> {
    let find = |text: Option<&str>| command::find_for(request.host(), &as_written(text?), own);
    if event.is_message() {
        return find(event.text.get());
    }
    let after = event.message.get().filter(|_| event.subtype.is("message_changed"))?.text.get();
    let before = event.previous_message.get()?.text.get();
    // A message also changes when Slack adds the preview of a link.
    find(after).filter(|command| find(before).as_ref() != Some(command))
}

/// The text as its author wrote it: without Slack's escapes, and with code on its own lines.
fn as_written(text: &str) -> String {
    command::split_fences(text).replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

fn is_mentioned(text: &str, account: &str) -> bool {
    text.split("<@").skip(1).any(|rest| rest.strip_prefix(account).is_some_and(|rest| rest.starts_with(['>', '|'])))
}

/// The accounts of the app: from the setting, else from the payload.
fn own_accounts(request: &Request, payload: &Payload<'_>) -> Vec<String> {
    match request.host().config("mention").filter(|mention| !mention.is_empty()) {
        Some(mention) => vec![mention],
        None => payload.bots().map(str::to_owned).collect(),
    }
}

/// Whether the event comes from the app itself, from an ignored sender, or from a bot without an account and is not kept.
fn is_unwanted(request: &Request, payload: &Payload<'_>, event: &payload::Event<'_>, own: &[&str]) -> bool {
    let senders: Vec<&str> = event.senders().collect();
    let app = payload.api_app_id.get();
    let keeps_bots = || request.host().config("bot_messages").as_deref() == Some("true");
    event.is_bot_message() && !keeps_bots()
        || senders.iter().any(|sender| app == Some(sender))
        || own.iter().copied().chain(payload.bots()).any(|own| senders.contains(&own))
        || command::is_ignored(request.host(), &senders)
}

fn from_interaction(request: &Request, payload: &Payload<'_>, json: &str) -> Receipt {
    if matches!(payload.kind.get(), Some("block_suggestion" | "dialog_suggestion")) {
        let none = Response::new(200).with_header("content-type", "application/json").with_body(r#"{"options":[]}"#);
        return Receipt::empty().with_response(none);
    }
    let user = payload.user();
    if command::is_ignored(request.host(), &[user.unwrap_or_default()]) {
        return acknowledged();
    }
    let kind = payload.kind.get().unwrap_or("unknown");
    let (team, place) = (payload.team(), payload.place());
    let view = payload.view.get();
    let subject = match view.and_then(|view| view.root()) {
        Some(view) if place.channel.is_none() => Some([team.unwrap_or_default(), ":", view].concat()),
        _ if place.channel.is_none() => joined([team, user, None]),
        _ => place.subject(team),
    };
    // A second click on a modal has another trigger, but the same view.
    let of_view = view.filter(|_| kind.starts_with("view_")).and_then(|view| Some((view.id.get()?, view.hash.get()?)));
    let key = match of_view {
        Some((id, hash)) => Some([kind, "/", id, "/", hash].concat()),
        None => payload.trigger_id.get().map(str::to_owned),
    };
    let event = Event::new(["interactive.", &kind_word(kind)].concat())
        .with_subject(subject)
        .with_data("application/json", json)
        .with_fact("sender", user)
        .with_fact("team", team)
        .with_fact("chat", place.channel)
        .with_fact("thread", place.thread)
        .with_fact("action", payload.action());
    Receipt::from(with_key(event, key.as_deref())).with_response(Response::new(200))
}

fn from_slash_command(request: &Request, name: &str, form: &str) -> Receipt {
    let field = |name| form_values(form, name).next();
    let user = field("user_id");
    if command::is_ignored(request.host(), &[user.as_deref().unwrap_or_default()]) {
        return acknowledged();
    }
    let [team, channel, text, trigger] = ["team_id", "channel_id", "text", "trigger_id"].map(field);
    let team = team.or_else(|| field("enterprise_id"));
    let name = name.trim_start_matches('/');
    let event = Event::new(["command./", &kind_word(name)].concat())
        .with_subject(joined([team.as_deref(), channel.as_deref(), None]))
        .with_data("application/json", as_json(form))
        .with_fact("sender", user.as_deref())
        .with_fact("team", team.as_deref())
        .with_fact("chat", channel.as_deref())
        .with_command(Some(Command::new(&kind_word(name), text.as_deref().unwrap_or_default())));
    Receipt::from(with_key(event, trigger.as_deref())).with_response(Response::new(200))
}

/// The fields of a form as an object of strings. The token is an old means of verification and must not be passed on.
fn as_json(form: &str) -> String {
    let fields = form.split('&').filter_map(|pair| pair.split_once('='));
    let fields = fields.map(|(name, value)| (decode_form(name).into_owned(), decode_form(value).into_owned()));
    let fields: Map<_, _> =
        fields.filter(|(name, _)| name != "token").map(|(name, value)| (name, Value::from(value))).collect();
    Value::Object(fields).to_string()
}

fn with_key(event: Event, key: Option<&str>) -> Event {
    match key {
        Some(key) => event.with_key(key),
        None => event,
    }
}

#[cfg(test)]
mod tests;
