//! Updates of a Telegram bot: one event per update.
//!
//! | of the event | from |
//! |---|---|
//! | kind | the name of the update's member: `message`, `edited_message`, `callback_query` |
//! | subject | the chat's id, with a topic `chat:thread`; without a chat the id of the poll or of the user |
//! | delivery id | `update_id` |
//! | attributes | `sender`, `chat`, `thread`; `command` and `commandargs` of a new message |
//! | data | the body, unchanged |
//!
//! Updates of bots and of accounts in `ignore_senders` are acknowledged and dropped. Telegram sends a message in the name of a group or
//! a channel through a bot of its own; the sender of such a message is the chat, not the bot. An edited message is not searched for
//! commands, because the update does not include the old text.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::command::{self, Command};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{export_channel, kind_word};

use self::payload::{Account, Content, Update};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one update into one event; updates of bots and of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let update: Update<'_> = parse(request, body)?;
        let kind = update.kind.get().unwrap_or("unknown");
        let content = update.content.get();
        let sender = content.and_then(Content::sender);
        let names: Vec<&str> = content.into_iter().flat_map(Content::senders).flat_map(Account::names).collect();
        if sender.is_some_and(Account::is_bot) || command::is_ignored(request.host(), &names) {
            return Ok(Receipt::empty());
        }
        let is_new = matches!(kind, "message" | "channel_post" | "business_message");
        let text = content.and_then(Content::text).filter(|_| is_new);
        let event = Event::new(kind_word(kind))
            .with_subject(content.and_then(Content::subject))
            .with_delivery_id(update.id.get().map(str::to_owned))
            .with_fact("sender", sender.and_then(Account::name))
            .with_fact("chat", content.and_then(Content::chat))
            .with_fact("thread", content.and_then(Content::thread))
            .with_command(text.and_then(|text| command_in(request, text)));
        Ok(event.into())
    })
}

/// The command of a text. In a group it can name its bot: `/fix@kettle_bot the leak`.
fn command_in(request: &Request, text: &str) -> Option<Command> {
    let first = text.split_whitespace().next()?;
    let Some((name, bot)) = first.strip_prefix('/').and_then(|_| first.split_once('@')) else {
        return command::find(request.host(), text);
    };
    let own = request.host().config("bot").filter(|own| !own.is_empty());
    if own.is_some_and(|own| !own.trim_start_matches('@').eq_ignore_ascii_case(bot)) {
        return None;
    }
    let rest = &text.trim_start()[first.len()..];
    command::find(request.host(), &[name, rest].concat())
}

#[cfg(test)]
mod tests;
