//! The fields of Telegram's updates that events are built from.

use std::fmt::{self, Formatter};

use gateway_plugin_sdk::json::{Object, Text};
use serde::de::{MapAccess, Visitor};
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
    /// The bot that writes in the name of a business.
    #[serde(borrow)]
    sender_business_bot: Object<Account<'a>>,
    /// Who reacts or votes, or opened the connection of a business.
    #[serde(borrow)]
    user: Object<Account<'a>>,
    /// The chat in whose name somebody reacts.
    #[serde(borrow)]
    actor_chat: Object<Account<'a>>,
    /// The chat in whose name somebody votes.
    #[serde(borrow)]
    voter_chat: Object<Account<'a>>,
    #[serde(borrow)]
    boost: Object<Boost<'a>>,
    /// The source of a boost that ended.
    #[serde(borrow)]
    source: Object<BoostSource<'a>>,
    #[serde(borrow)]
    poll_id: Text<'a>,
    #[serde(borrow)]
    chat: Object<Account<'a>>,
    #[serde(borrow)]
    message_thread_id: Text<'a>,
    #[serde(borrow)]
    is_topic_message: Text<'a>,
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
    /// The type of a chat.
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Boost<'a> {
    #[serde(borrow)]
    source: Object<BoostSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BoostSource<'a> {
    #[serde(borrow)]
    user: Object<Account<'a>>,
}

impl Content<'_> {
    /// The account that caused the update. A message in the name of a chat has one of Telegram's own bots in `from`.
    pub(crate) fn sender(&self) -> Option<&Account<'_>> {
        self.senders().next()
    }

    /// All accounts that take part in causing the update, the best first.
    pub(crate) fn senders(&self) -> impl Iterator<Item = &Account<'_>> {
        let source = self.boost.get().map_or(&self.source, |boost| &boost.source);
        let accounts =
            [&self.sender_business_bot, &self.sender_chat, &self.from, &self.user, &self.actor_chat, &self.voter_chat];
        accounts.into_iter().chain(source.get().map(|source| &source.user)).filter_map(Object::get)
    }

    /// The id of the chat.
    pub(crate) fn chat(&self) -> Option<&str> {
        self.place()?.chat.get()?.id.get()
    }

    /// The id of the topic in the chat. In a group without topics, `message_thread_id` is only the message that is replied to.
    pub(crate) fn thread(&self) -> Option<&str> {
        let place = self.place()?;
        let is_private = || place.chat.get().is_some_and(|chat| chat.kind.is("private"));
        place.message_thread_id.get().filter(|_| place.is_topic_message.is("true") || is_private())
    }

    /// The message that has the chat: of a query, the one with the button.
    fn place(&self) -> Option<&Self> {
        if self.chat.get().is_some() { Some(self) } else { self.message.get() }
    }

    /// The chat with its topic, `-1001234:7`; without a chat the poll of a vote, the sender, or the object itself, such as a poll.
    pub(crate) fn subject(&self) -> Option<String> {
        let sender = || self.sender().and_then(|sender| sender.id.get());
        let alone = || self.poll_id.get().or_else(sender).or_else(|| self.id.get()).map(str::to_owned);
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
            } else {
                let content: Object<Content<'_>> = map.next_value()?;
                let is_better = match (content.get(), update.content.get()) {
                    (Some(new), Some(held)) => update.kind == name || held.sender().is_none() && new.sender().is_some(),
                    (new, _) => new.is_some() || update.kind.get().is_none(),
                };
                // The member with the sender is the content, whatever stands before it. Of one that is given twice, the last counts.
                if is_better {
                    update.kind = name;
                    update.content = content;
                }
            }
        }
        Ok(update)
    }
}
