//! The fields of Slack's payloads that events are built from.

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
    team_id: Text<'a>,
    #[serde(borrow)]
    context_team_id: Text<'a>,
    #[serde(borrow)]
    enterprise_id: Text<'a>,
    #[serde(borrow)]
    context_enterprise_id: Text<'a>,
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
    enterprise: Id<'a>,
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

/// An event, or an object inside of one: a message, an item.
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
    /// The message with a shared link.
    #[serde(borrow)]
    message_ts: Text<'a>,
    #[serde(borrow)]
    channel_type: Text<'a>,
    #[serde(borrow)]
    channel: Id<'a>,
    #[serde(borrow)]
    channel_id: Text<'a>,
    #[serde(borrow)]
    user: Id<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    file: Id<'a>,
    #[serde(borrow)]
    file_id: Text<'a>,
    /// A group of users.
    #[serde(borrow)]
    subteam: Id<'a>,
    #[serde(borrow)]
    subteam_id: Text<'a>,
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
    /// The ids of the app's own bots, if the payload contains them.
    pub(crate) fn bots(&self) -> impl Iterator<Item = &str> {
        self.authorizations.get().iter().filter(|own| own.is_bot.is("true")).filter_map(|own| own.user_id.get())
    }

    /// The team; in a payload of a whole organization, which has none, the organization.
    pub(crate) fn team(&self) -> Option<&str> {
        let team = self.team.get().or_else(|| self.team_id.get()).or_else(|| self.context_team_id.get());
        let organization = || self.enterprise.get().or_else(|| self.enterprise_id.get());
        team.or_else(organization).or_else(|| self.context_enterprise_id.get())
    }

    /// The user who interacted.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get()
    }

    /// The place of the interaction: the channel, and the thread or the message in it.
    pub(crate) fn place(&self) -> Place<'_> {
        let container = self.container.get();
        let message = self.message.get();
        let channel = self.channel.get().or_else(|| container?.channel_id.get());
        let thread = message.and_then(|message| message.thread_ts.get().or_else(|| message.ts.get()));
        let thread = thread.or_else(|| container?.thread_ts.get().or_else(|| container?.message_ts.get()));
        Place { channel, thread, is_direct: is_direct(channel) }
    }

    /// The app's own name for the button, shortcut or modal that was used.
    pub(crate) fn action(&self) -> Option<&str> {
        let of_view = || self.view.get().and_then(|view| view.callback_id.get());
        let used = self.actions.get().first().and_then(|action| action.action_id.get());
        used.or_else(|| self.callback_id.get()).or_else(of_view)
    }
}

/// The place of an event.
pub(crate) struct Place<'a> {
    pub(crate) channel: Option<&'a str>,
    /// The thread, or the message that can start one.
    pub(crate) thread: Option<&'a str>,
    /// Whether this is a conversation of the app with one person, which counts as one thread.
    pub(crate) is_direct: bool,
}

impl Place<'_> {
    /// `T1:C1:1531420618.000200`; for a direct conversation `T1:D1`, without a channel `T1`.
    pub(crate) fn subject(&self, team: Option<&str>) -> Option<String> {
        let thread = self.thread.filter(|_| self.channel.is_some() && !self.is_direct);
        joined([team, self.channel, thread])
    }
}

/// A subject of these parts; `None` if there is none.
pub(crate) fn joined(parts: [Option<&str>; 3]) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(":"))
}

fn is_direct(channel: Option<&str>) -> bool {
    channel.is_some_and(|channel| channel.starts_with('D'))
}

impl Event<'_> {
    /// The user that the event is about: the author of the message, the person who reacts or joins.
    pub(crate) fn user(&self) -> Option<&str> {
        let inner = || [&self.message, &self.assistant_thread].into_iter().find_map(|inner| inner.get()?.account());
        self.account().or_else(inner)
    }

    /// The subject: a file, the place, or else the user or the group of users that the event is about.
    pub(crate) fn subject(&self, team: Option<&str>) -> Option<String> {
        let place = self.place();
        let is_about_file = self.kind.get().is_some_and(|kind| kind.starts_with("file_"));
        if place.channel.is_some() && !is_about_file {
            return place.subject(team);
        }
        let item = || self.item.get()?.file.get();
        let file = self.file_id.get().or_else(|| self.file.get()).or_else(item);
        let group = || self.subteam_id.get().or_else(|| self.subteam.get());
        joined([team, file.or(place.channel).or_else(group).or_else(|| self.user()), None])
    }

    pub(crate) fn place(&self) -> Place<'_> {
        let pinned = self.item.get().map_or(&self.message, |item| &item.message);
        let inner = [&self.message, &self.previous_message, &self.item, pinned, &self.assistant_thread];
        let inner = || inner.into_iter().filter_map(Object::get);
        let channel = self.channel.get().or_else(|| self.channel_id.get());
        let channel =
            channel.or_else(|| inner().find_map(|inner| inner.channel.get().or_else(|| inner.channel_id.get())));
        // An event about a message has a time of its own; the time of the inner message identifies the message.
        let thread = inner().find_map(|inner| inner.thread_ts.get().or_else(|| inner.ts.get()));
        let shared = || self.message_ts.get().or_else(|| self.ts.get());
        let thread = thread.or_else(|| self.thread_ts.get().or_else(|| self.deleted_ts.get()).or_else(shared));
        Place { channel, thread, is_direct: self.channel_type.is("im") || is_direct(channel) }
    }

    /// Whether this is a new message with a text.
    pub(crate) fn is_message(&self) -> bool {
        let is_plain =
            matches!(self.subtype.get(), None | Some("file_share" | "thread_broadcast" | "me_message" | "bot_message"));
        self.kind.is("app_mention") || self.kind.is("message") && is_plain
    }

    /// The message after an edit; `None` if it changed for another reason, such as the preview of a link.
    pub(crate) fn edit(&self) -> Option<&Self> {
        let message = self.message.get().filter(|_| self.kind.is("message") && self.subtype.is("message_changed"))?;
        let before = self.previous_message.get().and_then(Self::edited);
        message.edited().is_some_and(|edited| before != Some(edited)).then_some(message)
    }

    /// The time of the last edit of the text.
    pub(crate) fn edited(&self) -> Option<&str> {
        self.edited.get().and_then(|edited| edited.ts.get())
    }

    /// The accounts that sent the event.
    pub(crate) fn senders(&self) -> impl Iterator<Item = &str> {
        self.messages().flat_map(Self::accounts).flatten()
    }

    /// The event itself, the message that it changed or deleted, and the thread that somebody opened.
    fn messages(&self) -> impl Iterator<Item = &Self> {
        let inner = [&self.message, &self.previous_message, &self.assistant_thread];
        [self].into_iter().chain(inner.into_iter().filter_map(Object::get))
    }

    fn accounts(&self) -> [Option<&str>; 5] {
        let profile = self.bot_profile.get().and_then(|profile| profile.app_id.get());
        [self.user.get(), self.user_id.get(), self.bot_id.get(), self.app_id.get(), profile]
    }

    /// The user, whom some events name `user_id`.
    fn account(&self) -> Option<&str> {
        self.user.get().or_else(|| self.user_id.get())
    }

    /// Whether a bot without an account wrote it, as old integrations do.
    pub(crate) fn is_bot_message(&self) -> bool {
        self.messages().any(|event| event.subtype.is("bot_message"))
    }
}

impl View<'_> {
    /// The modal that opened this one, or this one itself.
    pub(crate) fn root(&self) -> Option<&str> {
        self.root_view_id.get().or_else(|| self.id.get())
    }
}
