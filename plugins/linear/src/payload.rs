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
    oauth_client_id: Text<'a>,
    #[serde(borrow)]
    actor: Object<Entity<'a>>,
    /// The user of an authorization.
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    data: Object<Entity<'a>>,
    /// What the app's user is told, in place of `data`.
    #[serde(borrow)]
    notification: Object<Entity<'a>>,
    /// The issue of an SLA, in place of `data`.
    #[serde(borrow)]
    issue_data: Object<Entity<'a>>,
    #[serde(borrow)]
    updated_from: Object<Before<'a>>,
    #[serde(borrow)]
    agent_session: Object<Entity<'a>>,
    #[serde(borrow)]
    agent_activity: Object<Entity<'a>>,
}

/// Any object in a payload: an issue, a comment, a project, a user, a notification, a session of an agent.
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
    project: Object<Entity<'a>>,
    #[serde(borrow)]
    project_id: Text<'a>,
    #[serde(borrow)]
    project_update: Object<Entity<'a>>,
    #[serde(borrow)]
    project_update_id: Text<'a>,
    #[serde(borrow)]
    initiative: Object<Entity<'a>>,
    #[serde(borrow)]
    initiative_id: Text<'a>,
    #[serde(borrow)]
    initiative_update: Object<Entity<'a>>,
    #[serde(borrow)]
    initiative_update_id: Text<'a>,
    #[serde(borrow)]
    document: Object<Entity<'a>>,
    #[serde(borrow)]
    document_id: Text<'a>,
    #[serde(borrow)]
    document_content: Object<Entity<'a>>,
    #[serde(borrow)]
    document_content_id: Text<'a>,
    #[serde(borrow)]
    actor: Object<Entity<'a>>,
    #[serde(borrow)]
    actor_id: Text<'a>,
    #[serde(borrow)]
    external_user_actor_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    external_user_id: Text<'a>,
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
        let activity = || self.agent_activity.get()?.user_id.get();
        let session = || self.agent_session.get()?.creator_id.get();
        // The `userId` of a notification is the one who gets it.
        let notification = || self.notification.get()?.told_by();
        let data = || self.data.get()?.written_by();
        id(&self.actor)
            .or_else(activity)
            .or_else(session)
            .or_else(notification)
            .or_else(data)
            .or_else(|| self.user_id.get())
    }

    /// Whether the webhook's own app caused the event.
    pub(crate) fn is_own(&self) -> bool {
        let own = [self.app_user_id.get(), self.oauth_client_id.get()];
        self.sender().is_some_and(|sender| own.contains(&Some(sender)))
    }

    /// The subject: the issue, also for objects that belong to one, the session of an agent, the project, initiative or document
    /// of a comment or an update, else the object itself.
    pub(crate) fn subject(&self) -> Option<&str> {
        if let Some(session) = self.agent_session.get() {
            return session.id.get();
        }
        let told = self.notification.get();
        let Some(object) = told.or_else(|| self.data.get()).or_else(|| self.issue_data.get()) else {
            return self.user_id.get().or_else(|| self.app_user_id.get()).or_else(|| self.oauth_client_id.get());
        };
        // A document and a milestone have a project, too, but are objects of their own.
        let is_part = || {
            let kind = self.kind.get().unwrap_or_default();
            told.is_some()
                || matches!(kind, "Comment" | "Reaction" | "ProjectUpdate" | "InitiativeUpdate" | "CustomerNeed")
        };
        object.issue_name().or_else(|| object.owner().filter(|_| is_part())).or_else(|| object.id.get())
    }

    /// The name of an issue's priority.
    pub(crate) fn severity(&self) -> Option<&'static str> {
        Some(match self.data.get().or_else(|| self.issue_data.get())?.priority.get()? {
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
        self.data.get().or_else(|| self.issue_data.get())?.state.get()?.name.get()
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
        if let Some(told) = self.notification.get() {
            let is_new = action.ends_with("NewComment") || action.ends_with("CommentMention");
            return told.comment.get().filter(|_| is_new)?.body.get().map(Written::New);
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

impl Entity<'_> {
    /// The user who caused a notification.
    fn told_by(&self) -> Option<&str> {
        id(&self.actor).or_else(|| self.actor_id.get()).or_else(|| self.external_user_actor_id.get())
    }

    /// The user who wrote or created the object.
    fn written_by(&self) -> Option<&str> {
        let writer = self.user_id.get().or_else(|| self.external_user_id.get());
        writer.or_else(|| self.creator_id.get()).or_else(|| self.actor_id.get())
    }

    /// The issue that this is, or belongs to.
    fn issue_name(&self) -> Option<&str> {
        let issue = || {
            let issue = self.issue.get()?;
            issue.identifier.get().or_else(|| issue.id.get())
        };
        let of_comment = || self.comment.get()?.issue_id.get();
        self.identifier.get().or_else(issue).or_else(|| self.issue_id.get()).or_else(of_comment)
    }

    /// The document, project or initiative that a comment, a reaction or an update is about.
    fn owner(&self) -> Option<&str> {
        let content = self.document_content.get();
        let [project_update, initiative_update] = [&self.project_update, &self.initiative_update].map(Object::get);
        id(&self.document)
            .or_else(|| id(&content?.document))
            .or_else(|| self.document_id.get())
            .or_else(|| id(&content?.project))
            .or_else(|| id(&project_update?.project))
            .or_else(|| self.project_update_id.get())
            .or_else(|| id(&self.project).or_else(|| self.project_id.get()))
            .or_else(|| id(&initiative_update?.initiative))
            .or_else(|| self.initiative_update_id.get())
            .or_else(|| id(&self.initiative).or_else(|| self.initiative_id.get()))
            .or_else(|| self.document_content_id.get())
            .or_else(|| self.comment.get()?.owner())
    }
}

fn id<'p>(object: &'p Object<Entity<'_>>) -> Option<&'p str> {
    object.get()?.id.get()
}
