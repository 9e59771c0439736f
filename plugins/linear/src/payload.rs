//! The few fields of Linear's payloads that an event is made of.

use gateway_plugin_sdk::command::Written;
use gateway_plugin_sdk::json::{Object, Text};
use serde::{Deserialize, Deserializer};

/// A payload, of whatever event.
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
    actor: Object<Thing<'a>>,
    #[serde(borrow)]
    data: Object<Thing<'a>>,
    #[serde(borrow)]
    updated_from: Object<Before<'a>>,
    #[serde(borrow)]
    agent_session: Object<Thing<'a>>,
    #[serde(borrow)]
    agent_activity: Object<Thing<'a>>,
}

/// Any object below: an issue, a comment, a user, a session of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Thing<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    identifier: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    priority: Text<'a>,
    #[serde(borrow)]
    state: Object<Thing<'a>>,
    #[serde(borrow)]
    issue: Object<Thing<'a>>,
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
    comment: Object<Thing<'a>>,
    #[serde(borrow)]
    content: Object<Thing<'a>>,
}

/// What changed members were before. A member that is null was empty, one that is not there has not changed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Before<'a> {
    #[serde(borrow)]
    body: Member<'a>,
    #[serde(borrow)]
    description: Member<'a>,
}

/// A member that was there, whatever its value.
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
    /// The id of who caused the event.
    pub(crate) fn sender(&self) -> Option<&str> {
        let activity = || self.agent_activity.get().and_then(|activity| activity.user_id.get());
        let session = || self.agent_session.get().and_then(|session| session.creator_id.get());
        let data = || self.data.get().and_then(|data| data.user_id.get().or_else(|| data.creator_id.get()));
        self.actor.get().and_then(|actor| actor.id.get()).or_else(activity).or_else(session).or_else(data)
    }

    /// Whether the app that the webhook belongs to has caused the event itself.
    pub(crate) fn is_own(&self) -> bool {
        self.app_user_id.get().is_some_and(|own| self.sender() == Some(own))
    }

    /// What the event is about: an issue, also for what belongs to one, the session of an agent, else the object itself.
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

    /// The word for the priority of an issue.
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

    /// The name of the state that an issue is in.
    pub(crate) fn status(&self) -> Option<&str> {
        self.data.get()?.state.get()?.name.get()
    }

    /// What was written just now: a comment, the description of an issue, or what an agent is asked.
    pub(crate) fn written(&self) -> Option<Written<'_>> {
        let action = self.action.get()?;
        if let Some(session) = self.agent_session.get() {
            let activity = self.agent_activity.get();
            let asked =
                activity.and_then(|activity| activity.body.get().or_else(|| activity.content.get()?.body.get()));
            let text = match action {
                "created" => session.comment.get().and_then(|comment| comment.body.get()),
                "prompted" => asked,
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
