//! The fields of Telegram's updates that events are built from.

use std::fmt::{self, Formatter};

use gateway_plugin_sdk::json::{Object, Text};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Telegram's own bots that send for people, for anonymous administrators and for channels: GroupAnonymousBot, Channel_Bot.
const STAND_INS: [&str; 2] = ["1087968824", "136817688"];

/// An update: its number, and one more member, whose name is the kind.
#[derive(Debug, Default)]
pub(crate) struct Update<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) kind: Text<'a>,
    pub(crate) content: Object<Content<'a>>,
}

/// The content of an update: a message, a query, a poll, a change of a member.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Content<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    from: Object<Account<'a>>,
    /// The chat in whose name a member writes: a channel, or the group of an anonymous administrator.
    #[serde(borrow)]
    sender_chat: Object<Account<'a>>,
    #[serde(borrow)]
    user: Object<Account<'a>>,
    #[serde(borrow)]
    chat: Object<Account<'a>>,
    #[serde(borrow)]
    message_thread_id: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    caption: Text<'a>,
    /// Only in a query: the message with the button.
    #[serde(borrow)]
    message: Object<Content<'a>>,
}

/// A user, a bot or a chat.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Account<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    is_bot: Text<'a>,
    #[serde(borrow)]
    username: Text<'a>,
}

impl Content<'_> {
    /// The account that caused the update. A message in the name of a chat has one of Telegram's own bots in `from`.
    pub(crate) fn sender(&self) -> Option<&Account<'_>> {
        self.sender_chat.get().or_else(|| self.from.get()).or_else(|| self.user.get())
    }

    /// The id of the chat.
    pub(crate) fn chat(&self) -> Option<&str> {
        let within = || self.message.get().and_then(|message| message.chat.get());
        self.chat.get().or_else(within)?.id.get()
    }

    /// The id of the topic or thread in the chat.
    pub(crate) fn thread(&self) -> Option<&str> {
        self.message_thread_id.get().or_else(|| self.message.get()?.message_thread_id.get())
    }

    /// The chat with its topic, `-1001234:7`; without a chat the sender, or the object itself, such as a poll.
    pub(crate) fn subject(&self) -> Option<String> {
        let alone = || self.sender().and_then(|sender| sender.id.get()).or_else(|| self.id.get()).map(str::to_owned);
        match (self.chat(), self.thread()) {
            (Some(chat), Some(thread)) => Some([chat, ":", thread].concat()),
            (Some(chat), None) => Some(chat.to_owned()),
            (None, _) => alone(),
        }
    }

    /// The text, or the caption of a picture.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.get().or_else(|| self.caption.get())
    }
}

impl Account<'_> {
    /// The user name, which not every account has, else the id.
    pub(crate) fn name(&self) -> Option<&str> {
        self.username.get().or_else(|| self.id.get())
    }

    /// All names and ids of an account.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.id, &self.username].map(|name| name.get().unwrap_or_default())
    }

    /// Whether the account is a bot, other than the bots that send for people.
    pub(crate) fn is_bot(&self) -> bool {
        self.is_bot.is("true") && !self.id.get().is_some_and(|id| STAND_INS.contains(&id))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Update<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UpdateVisitor)
    }
}

struct UpdateVisitor;

impl<'de> Visitor<'de> for UpdateVisitor {
    type Value = Update<'de>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("an update")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut update = Update::default();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if name.is("update_id") {
                update.id = map.next_value()?;
            } else if update.kind.get().is_none() {
                update.kind = name;
                update.content = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(update)
    }
}
