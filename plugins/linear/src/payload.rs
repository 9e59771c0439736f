//! The fields of Linear's payloads that events are built from.

use gateway_plugin_sdk::command::Written;
use gateway_plugin_sdk::json::{Object, Text};
use serde::{Deserialize, Deserializer};

/// A payload of any event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) action: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    app_user_id: Text<'a>,
    #[serde(borrow)]
    actor: Object<Entity<'a>>,
    #[serde(borrow)]
    data: Object<Entity<'a>>,
    #[serde(borrow)]
    updated_from: Object<Before<'a>>,
    #[serde(borrow)]
    agent_session: Object<Entity<'a>>,
    #[serde(borrow)]
    agent_activity: Object<Entity<'a>>,
}

/// Any object in a payload: an issue, a comment, a user, a session of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entity<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    identifier: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    priority: Text<'a>,
    #[serde(borrow)]
    state: Object<Entity<'a>>,
    #[serde(borrow)]
    issue: Object<Entity<'a>>,
    #[serde(borrow)]
    issue_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    creator_id: Text<'a>,
    #[serde(borrow)]
    body: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
    #[serde(borrow)]
    comment: Object<Entity<'a>>,
    #[serde(borrow)]
    content: Object<Entity<'a>>,
}

/// The old values of changed members. `null` means that the member was empty; a missing member has not changed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Before<'a> {
    #[serde(borrow)]
    body: Member<'a>,
    #[serde(borrow)]
    description: Member<'a>,
}

/// A member that distinguishes `null` from missing.
#[derive(Debug, Default)]
struct Member<'a> {
    was: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self { was: Some(text) })
    }
}

impl Payload<'_> {
    /// The id of the user who caused the event.
    pub(crate) fn sender(&self) -> Option<&str> {
        let activity = || self.agent_activity.get().and_then(|activity| activity.user_id.get());
        let session = || self.agent_session.get().and_then(|session| session.creator_id.get());
        let data = || self.data.get().and_then(|data| data.user_id.get().or_else(|| data.creator_id.get()));
        self.actor.get().and_then(|actor| actor.id.get()).or_else(activity).or_else(session).or_else(data)
    }

    /// Whether the webhook's own app caused the event.
    pub(crate) fn is_own(&self) -> bool {
        self.app_user_id.get().is_some_and(|own| self.sender() == Some(own))
    }

    /// The subject: the issue, also for objects that belong to one, the session of an agent, else the object itself.
    pub(crate) fn subject(&self) -> Option<&str> {
        if let Some(session) = self.agent_session.get() {
            return session.id.get();
        }
        let data = self.data.get()?;
        let issue = data.issue.get();
        data.identifier
            .get()
            .or_else(|| issue.and_then(|issue| issue.identifier.get().or_else(|| issue.id.get())))
            .or_else(|| data.issue_id.get())
            .or_else(|| data.id.get())
    }

    /// The name of an issue's priority.
    pub(crate) fn severity(&self) -> Option<&'static str> {
        Some(match self.data.get()?.priority.get()? {
            "0" => "none",
            "1" => "urgent",
            "2" => "high",
            "3" => "medium",
            "4" => "low",
            _ => return None,
        })
    }

    /// The name of an issue's state.
    pub(crate) fn status(&self) -> Option<&str> {
        self.data.get()?.state.get()?.name.get()
    }

    /// The new or edited text: a comment, the description of an issue, or the prompt for an agent.
    pub(crate) fn written(&self) -> Option<Written<'_>> {
        let action = self.action.get()?;
        if let Some(session) = self.agent_session.get() {
            let activity = self.agent_activity.get();
            let prompt =
                activity.and_then(|activity| activity.body.get().or_else(|| activity.content.get()?.body.get()));
            let text = match action {
                "created" => session.comment.get().and_then(|comment| comment.body.get()),
                "prompted" => prompt,
                _ => None,
            };
            return text.map(Written::New);
        }
        let data = self.data.get()?;
        let before = self.updated_from.get();
        let (text, before) = match self.kind.get()? {
            "Comment" => (data.body.get()?, before.and_then(|before| before.body.was.as_ref())),
            "Issue" => (data.description.get()?, before.and_then(|before| before.description.was.as_ref())),
            _ => return None,
        };
        match action {
            "create" => Some(Written::New(text)),
            "update" => Some(Written::Edited { before: before?.get().unwrap_or_default(), text }),
            _ => None,
        }
    }
}
