//! The few fields of Telegram's updates that an event is made of.

use std::fmt::{self, Formatter};

use gateway_plugin_sdk::json::{Object, Text};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The accounts that stand for anonymous administrators and for channels, which are people's: GroupAnonymousBot, Channel_Bot.
const STAND_INS: [&str; 2] = ["1087968824", "136817688"];

/// An update: its number, and one more member, whose name says what it is.
#[derive(Debug, Default)]
pub(crate) struct Update<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) kind: Text<'a>,
    pub(crate) content: Object<Content<'a>>,
}

/// What an update is about: a message, a query, a poll, a change of a member.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Content<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    from: Object<Account<'a>>,
    /// In whose name a member writes: the channel, or the group of an anonymous administrator.
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
    /// Of a query: the message with the button.
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
    /// Who has caused the update. A message in the name of a chat has an account of Telegram's own in `from`.
    pub(crate) fn sender(&self) -> Option<&Account<'_>> {
        self.sender_chat.get().or_else(|| self.from.get()).or_else(|| self.user.get())
    }

    /// The id of the chat.
    pub(crate) fn chat(&self) -> Option<&str> {
        let within = || self.message.get().and_then(|message| message.chat.get());
        self.chat.get().or_else(within)?.id.get()
    }

    /// The id of the topic or the thread in the chat.
    pub(crate) fn thread(&self) -> Option<&str> {
        self.message_thread_id.get().or_else(|| self.message.get()?.message_thread_id.get())
    }

    /// The chat with its topic, `-1001234:7`; without a chat who has caused the update, or the thing itself, such as a poll.
    pub(crate) fn subject(&self) -> Option<String> {
        let alone = || self.sender().and_then(|sender| sender.id.get()).or_else(|| self.id.get()).map(str::to_owned);
        match (self.chat(), self.thread()) {
            (Some(chat), Some(thread)) => Some([chat, ":", thread].concat()),
            (Some(chat), None) => Some(chat.to_owned()),
            (None, _) => alone(),
        }
    }

    /// What somebody has written, also under a picture.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.get().or_else(|| self.caption.get())
    }
}

impl Account<'_> {
    /// The user name, which not everybody has, else the id.
    pub(crate) fn name(&self) -> Option<&str> {
        self.username.get().or_else(|| self.id.get())
    }

    /// All that an account is known by.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.id, &self.username].map(|name| name.get().unwrap_or_default())
    }

    /// Whether it is a bot's, other than those that stand for people.
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
