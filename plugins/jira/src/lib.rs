//! Jira webhooks of administrators and of Connect apps: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `webhookEvent` without `jira:`: `issue_created`, `comment_created`, `sprint_started` |
//! | subject | the site's host and the issue: its key in Cloud, `kettle.atlassian.net/KTL-7`, its number on a server, `jira.example.org/10041`; without an issue the key or id of the comment, attachment, sprint, board, version, project or user |
//! | delivery id | `X-Atlassian-Webhook-Identifier`, which stays the same in a retry; without it a repetition is recognised by its body, that of an issue only until the next event of the issue: a status can come back |
//! | key | for a comment: site, issue, comment, kind and time |
//! | attributes | `action`, `sender`, `issue` (the key), `status`, `severity`, `flow`, `retry`; `command` and `commandargs` of a new comment or description |
//! | data | the body, unchanged |
//!
//! A comment arrives twice, as `comment_created` and as an update of its issue. Both get the kind and the key of the comment, so they
//! are one event. An edited comment is not searched for commands, because the payload does not say whether its text has changed.

mod markup;
mod payload;

use std::borrow::Cow;
use std::collections::BTreeMap;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::command::{self, Command};
use gateway_plugin_sdk::json::{parse, with_text};
use gateway_plugin_sdk::{Level, export_channel, kind_word};

use self::payload::{Entity, Payload};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one delivery into one event; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let sender = payload.sender();
        // A lifecycle call carries a secret of the app and is not for agents. Events have this member, too.
        let is_lifecycle =
            matches!(payload.lifecycle.get(), Some("installed" | "uninstalled" | "enabled" | "disabled"));
        if is_lifecycle || command::is_ignored(request.host(), &sender.map(Entity::names).unwrap_or_default()) {
            return Ok(Receipt::empty());
        }
        let kind = payload.kind();
        // The manifest says that the body of an issue's event is a state.
        let delivery = request.header("x-atlassian-webhook-identifier");
        let delivery = delivery.or_else(|| (!kind.starts_with("issue_")).then_some("body"));
        let severity = payload.priority().map(|priority| severity(request, priority));
        let event = Event::new(kind_word(kind))
            .with_subject(payload.subject())
            .with_delivery_id(delivery)
            .with_fact("action", payload.action())
            .with_fact("sender", sender.and_then(Entity::account))
            .with_fact("issue", payload.issue_key())
            .with_fact("status", payload.status())
            .with_fact("severity", severity.as_deref())
            .with_fact("flow", request.header("x-atlassian-webhook-flow"))
            .with_fact("retry", request.header("x-atlassian-webhook-retry"))
            .with_command(command_in(request, &payload, kind));
        Ok(match comment_key(&payload, kind) {
            Some(key) => event.with_key(key),
            None => event,
        }
        .into())
    })
}

/// The key of a comment, which is the same in both of its deliveries.
fn comment_key(payload: &Payload<'_>, kind: &str) -> Option<String> {
    let comment = payload.comment.get().filter(|_| kind.starts_with("comment_"))?;
    let issue = payload.issue_id()?;
    let time = comment.updated.get().or_else(|| comment.created.get()).unwrap_or_default();
    Some([payload.site().unwrap_or_default(), issue, comment.id.get()?, kind, time].join("/"))
}

/// The command in a new comment, in the description of a new issue, or in an edited description.
fn command_in(request: &Request, payload: &Payload<'_>, kind: &str) -> Option<Command> {
    let account = request.host().config("mention");
    let accounts: Vec<&str> = account.iter().map(String::as_str).collect();
    let find = |text: &str| command::find_for(request.host(), text, &accounts);
    match kind {
        "comment_created" => find(&markup::text_of(payload.comment.get()?.body?)?),
        "issue_created" => find(&markup::text_of(payload.description()?)?),
        "issue_updated" => {
            let change = payload.changed_description()?;
            let before = change.from_string.get().map(markup::of_wiki).unwrap_or_default();
            find(&markup::of_wiki(change.to_string.get()?)).filter(|command| find(&before).as_ref() != Some(command))
        }
        _ => None,
    }
}

/// The severity that the setting `severities` has for a priority, else the priority's name. Sites rename and translate priorities.
fn severity<'p>(request: &Request, priority: &'p str) -> Cow<'p, str> {
    let Some(config) = request.host().config("severities") else { return Cow::Borrowed(priority) };
    let words: BTreeMap<String, String> = serde_json::from_str(&config).unwrap_or_else(|error| {
        let message = format!("`severities` is not a table of strings, using an empty one: {error}");
        request.host().log(Level::Error, &message);
        BTreeMap::new()
    });
    let word = words.into_iter().find(|(name, _)| name.to_lowercase() == priority.to_lowercase());
    word.map_or(Cow::Borrowed(priority), |(_, word)| Cow::Owned(word))
}

#[cfg(test)]
mod tests;
