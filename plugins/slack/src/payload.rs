//! The few fields of Slack's payloads that an event is made of.

use gateway_plugin_sdk::json::{Id, Object, Objects, Text};
use serde::Deserialize;

/// A payload of the Events API or of interactivity.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) challenge: Text<'a>,
    #[serde(borrow)]
    pub(crate) team_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) api_app_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) minute_rate_limited: Text<'a>,
    #[serde(borrow)]
    pub(crate) event: Object<Event<'a>>,
    #[serde(borrow)]
    authorizations: Objects<Authorization<'a>>,
    #[serde(borrow)]
    pub(crate) trigger_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) callback_id: Text<'a>,
    #[serde(borrow)]
    team: Id<'a>,
    #[serde(borrow)]
    user: Id<'a>,
    #[serde(borrow)]
    channel: Id<'a>,
    #[serde(borrow)]
    message: Object<Event<'a>>,
    #[serde(borrow)]
    container: Object<Container<'a>>,
    #[serde(borrow)]
    actions: Objects<Action<'a>>,
    #[serde(borrow)]
    pub(crate) view: Object<View<'a>>,
}

/// What happened, and what is inside of it: a message, an item.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) subtype: Text<'a>,
    #[serde(borrow)]
    pub(crate) text: Text<'a>,
    #[serde(borrow)]
    pub(crate) ts: Text<'a>,
    #[serde(borrow)]
    thread_ts: Text<'a>,
    #[serde(borrow)]
    deleted_ts: Text<'a>,
    #[serde(borrow)]
    channel_type: Text<'a>,
    #[serde(borrow)]
    channel: Id<'a>,
    #[serde(borrow)]
    channel_id: Text<'a>,
    #[serde(borrow)]
    user: Id<'a>,
    #[serde(borrow)]
    bot_id: Text<'a>,
    #[serde(borrow)]
    app_id: Text<'a>,
    #[serde(borrow)]
    bot_profile: Object<Profile<'a>>,
    #[serde(borrow)]
    edited: Object<Edited<'a>>,
    #[serde(borrow)]
    pub(crate) message: Object<Event<'a>>,
    #[serde(borrow)]
    pub(crate) previous_message: Object<Event<'a>>,
    #[serde(borrow)]
    item: Object<Event<'a>>,
    #[serde(borrow)]
    assistant_thread: Object<Event<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Profile<'a> {
    #[serde(borrow)]
    app_id: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Edited<'a> {
    #[serde(borrow)]
    ts: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Authorization<'a> {
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    is_bot: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Action<'a> {
    #[serde(borrow)]
    action_id: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Container<'a> {
    #[serde(borrow)]
    message_ts: Text<'a>,
    #[serde(borrow)]
    thread_ts: Text<'a>,
    #[serde(borrow)]
    channel_id: Text<'a>,
}

/// A modal or a home tab.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) hash: Text<'a>,
    #[serde(borrow)]
    root_view_id: Text<'a>,
    #[serde(borrow)]
    callback_id: Text<'a>,
}

impl Payload<'_> {
    /// The ids of the app's own bots, as far as the payload tells.
    pub(crate) fn bots(&self) -> impl Iterator<Item = &str> {
        self.authorizations.get().iter().filter(|own| own.is_bot.is("true")).filter_map(|own| own.user_id.get())
    }

    /// The team of an interaction: a payload of a whole organization has none.
    pub(crate) fn team(&self) -> Option<&str> {
        self.team.get().or_else(|| self.team_id.get())
    }

    /// Who has interacted.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get()
    }

    /// Where somebody has interacted: the channel, and the thread or the message in it.
    pub(crate) fn place(&self) -> Place<'_> {
        let container = self.container.get();
        let message = self.message.get();
        let channel = self.channel.get().or_else(|| container?.channel_id.get());
        let thread = message.and_then(|message| message.thread_ts.get().or_else(|| message.ts.get()));
        let thread = thread.or_else(|| container?.thread_ts.get().or_else(|| container?.message_ts.get()));
        Place { channel, thread, is_direct: is_direct(channel) }
    }

    /// The name that the app has given to what was used: a button, a shortcut, a modal.
    pub(crate) fn action(&self) -> Option<&str> {
        let of_view = || self.view.get().and_then(|view| view.callback_id.get());
        let used = self.actions.get().first().and_then(|action| action.action_id.get());
        used.or_else(|| self.callback_id.get()).or_else(of_view)
    }
}

/// Where something happens.
pub(crate) struct Place<'a> {
    pub(crate) channel: Option<&'a str>,
    /// The thread, or the message that can become one.
    pub(crate) thread: Option<&'a str>,
    /// Whether it is a conversation of the app with one person, which is one thread.
    pub(crate) is_direct: bool,
}

impl Place<'_> {
    /// `T1:C1:1531420618.000200`, of a direct conversation `T1:D1`, of what has no channel `T1`.
    pub(crate) fn subject(&self, team: Option<&str>) -> Option<String> {
        let thread = self.thread.filter(|_| self.channel.is_some() && !self.is_direct);
        let parts: Vec<&str> = [team, self.channel, thread].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(":"))
    }
}

fn is_direct(channel: Option<&str>) -> bool {
    channel.is_some_and(|channel| channel.starts_with('D'))
}

impl Event<'_> {
    /// Who it is about: the author of the message, the person who reacts or joins.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get().or_else(|| self.message.get().and_then(|message| message.user.get()))
    }

    pub(crate) fn place(&self) -> Place<'_> {
        let inner = [&self.message, &self.previous_message, &self.item, &self.assistant_thread];
        let inner = || inner.into_iter().filter_map(Object::get);
        let channel = self.channel.get().or_else(|| self.channel_id.get());
        let channel =
            channel.or_else(|| inner().find_map(|inner| inner.channel.get().or_else(|| inner.channel_id.get())));
        // What an event about a message says itself is when it happened, not which message it is about.
        let thread = inner().find_map(|inner| inner.thread_ts.get().or_else(|| inner.ts.get()));
        let thread =
            thread.or_else(|| self.thread_ts.get().or_else(|| self.deleted_ts.get()).or_else(|| self.ts.get()));
        Place { channel, thread, is_direct: self.channel_type.is("im") || is_direct(channel) }
    }

    /// Whether it is a message that somebody has just written, with a text of its own.
    pub(crate) fn is_message(&self) -> bool {
        let is_plain = matches!(self.subtype.get(), None | Some("file_share" | "thread_broadcast" | "me_message"));
        self.kind.is("app_mention") || self.kind.is("message") && is_plain
    }

    /// The message as somebody has edited it; none when it changed without that, for a preview of a link.
    pub(crate) fn edit(&self) -> Option<&Self> {
        let message = self.message.get().filter(|_| self.kind.is("message") && self.subtype.is("message_changed"))?;
        let before = self.previous_message.get().and_then(Self::edited);
        message.edited().is_some_and(|edited| before != Some(edited)).then_some(message)
    }

    /// When its text was edited last.
    pub(crate) fn edited(&self) -> Option<&str> {
        self.edited.get().and_then(|edited| edited.ts.get())
    }

    /// The accounts that it is from.
    pub(crate) fn senders(&self) -> impl Iterator<Item = &str> {
        self.messages().flat_map(Self::accounts).flatten()
    }

    /// The message, and where one was changed or deleted that one.
    fn messages(&self) -> impl Iterator<Item = &Self> {
        [Some(self), self.message.get(), self.previous_message.get()].into_iter().flatten()
    }

    fn accounts(&self) -> [Option<&str>; 4] {
        let profile = self.bot_profile.get().and_then(|profile| profile.app_id.get());
        [self.user.get(), self.bot_id.get(), self.app_id.get(), profile]
    }

    /// Whether a bot has written it in the way of old integrations, without an account.
    pub(crate) fn is_of_a_bot(&self) -> bool {
        self.messages().any(|event| event.subtype.is("bot_message"))
    }
}

impl View<'_> {
    /// The modal that this one was opened from, or itself.
    pub(crate) fn root(&self) -> Option<&str> {
        self.root_view_id.get().or_else(|| self.id.get())
    }
}
