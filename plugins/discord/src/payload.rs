//! The fields of Discord's payloads that events are built from.

use gateway_plugin_sdk::json::{Object, Objects, Text};
use serde::Deserialize;

/// An interaction, or a webhook event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) application_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) channel_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) guild_id: Text<'a>,
    #[serde(borrow)]
    member: Object<Member<'a>>,
    #[serde(borrow)]
    user: Object<User<'a>>,
    #[serde(borrow)]
    pub(crate) data: Object<Data<'a>>,
    #[serde(borrow)]
    pub(crate) event: Object<Event<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Member<'a> {
    #[serde(borrow)]
    user: Object<User<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// The content of a webhook event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Text<'a>,
    #[serde(borrow)]
    pub(crate) data: Object<Data<'a>>,
}

/// The data of an interaction or of a webhook event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Data<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) custom_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) options: Objects<Choice<'a>>,
    /// The user or the message that a command of a context menu is about.
    #[serde(borrow)]
    pub(crate) target_id: Text<'a>,
    #[serde(borrow)]
    channel_id: Text<'a>,
    #[serde(borrow)]
    lobby_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) content: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    author: Object<User<'a>>,
    #[serde(borrow)]
    user: Object<User<'a>>,
    #[serde(borrow)]
    guild: Object<User<'a>>,
}

/// An option of a command, or a command within it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
    #[serde(borrow)]
    options: Objects<Choice<'a>>,
}

impl Payload<'_> {
    /// The id of the user who interacted; in a guild this is a member.
    pub(crate) fn user(&self) -> Option<&str> {
        let member = self.member.get().and_then(|member| member.user.get());
        member.or_else(|| self.user.get())?.id.get()
    }
}

impl Data<'_> {
    /// The id of the user who caused a webhook event.
    pub(crate) fn sender(&self) -> Option<&str> {
        self.senders().into_iter().flatten().next()
    }

    /// All ids of users in a webhook event who can have caused it, the best first.
    pub(crate) fn senders(&self) -> [Option<&str>; 3] {
        let [author, user] = [&self.author, &self.user].map(|user| user.get().and_then(|user| user.id.get()));
        [author, user, self.user_id.get()]
    }

    /// The id of the lobby or the channel of a webhook event. A deleted message of a lobby names only the lobby.
    pub(crate) fn chat(&self) -> Option<&str> {
        self.lobby_id.get().or_else(|| self.channel_id.get())
    }

    /// The id of the guild of a webhook event.
    pub(crate) fn guild(&self) -> Option<&str> {
        self.guild.get().and_then(|guild| guild.id.get())
    }
}

/// The options as a person would type them: `lid check minutes:5`.
pub(crate) fn arguments(options: &[Choice<'_>]) -> String {
    let mut words = Vec::new();
    collect(options, &mut words);
    words.join(" ")
}

fn collect(options: &[Choice<'_>], words: &mut Vec<String>) {
    for option in options {
        let name = option.name.get().unwrap_or_default();
        match option.value.get() {
            Some(value) => words.push([name, ":", value].concat()),
            None => words.push(name.to_owned()),
        }
        collect(option.options.get(), words);
    }
}
