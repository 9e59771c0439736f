//! The few fields of GitLab's payloads that an event is made of.

use gateway_plugin_sdk::command::Written;
use gateway_plugin_sdk::json::{Object, Text};
use serde::Deserialize;

/// A payload, of whatever event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) object_kind: Text<'a>,
    /// Of system hooks, and of some hooks of groups.
    #[serde(borrow)]
    pub(crate) event_name: Text<'a>,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    tag: Text<'a>,
    #[serde(borrow)]
    build_status: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    user_username: Text<'a>,
    #[serde(borrow)]
    username: Text<'a>,
    #[serde(borrow)]
    path_with_namespace: Text<'a>,
    #[serde(borrow)]
    project_path_with_namespace: Text<'a>,
    #[serde(borrow)]
    group_path: Text<'a>,
    #[serde(borrow)]
    full_path: Text<'a>,
    #[serde(borrow)]
    user: Object<Thing<'a>>,
    #[serde(borrow)]
    project: Object<Thing<'a>>,
    #[serde(borrow)]
    group: Object<Thing<'a>>,
    #[serde(borrow)]
    pub(crate) object_attributes: Object<Thing<'a>>,
    #[serde(borrow)]
    merge_request: Object<Thing<'a>>,
    #[serde(borrow)]
    issue: Object<Thing<'a>>,
    #[serde(borrow)]
    changes: Object<Changes<'a>>,
}

/// Any object below: a user, a project, what the event is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Thing<'a> {
    #[serde(borrow)]
    iid: Text<'a>,
    #[serde(borrow)]
    username: Text<'a>,
    #[serde(borrow)]
    path_with_namespace: Text<'a>,
    #[serde(borrow)]
    full_path: Text<'a>,
    #[serde(borrow)]
    pub(crate) action: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    pub(crate) severity: Text<'a>,
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    tag: Text<'a>,
    #[serde(borrow)]
    system: Text<'a>,
    #[serde(borrow)]
    note: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changes<'a> {
    #[serde(borrow)]
    description: Object<Change<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change<'a> {
    #[serde(borrow)]
    previous: Text<'a>,
}

impl Payload<'_> {
    /// What happened, such as `open`.
    pub(crate) fn action(&self) -> Option<&str> {
        self.object_attributes.get().and_then(|object| object.action.get()).or_else(|| self.action.get())
    }

    /// The user name of who caused the event.
    pub(crate) fn sender(&self) -> Option<&str> {
        self.user.get().and_then(|user| user.username.get()).or_else(|| self.user_username.get())
    }

    /// The path of the project with those of its groups.
    pub(crate) fn project(&self) -> Option<&str> {
        let project = self.project.get().and_then(|project| project.path_with_namespace.get());
        project.or_else(|| self.path_with_namespace.get()).or_else(|| self.project_path_with_namespace.get())
    }

    /// What the event is about: a comment on a merge request has the subject of the merge request.
    pub(crate) fn subject(&self) -> Option<String> {
        let Some(project) = self.project() else {
            let group = self.group.get().and_then(|group| group.full_path.get());
            let group = group.or_else(|| self.full_path.get()).or_else(|| self.group_path.get());
            return group.or_else(|| self.username.get()).map(str::to_owned);
        };
        Some(match (self.number(), self.reference()) {
            (Some([mark, number]), _) => [project, mark, number].concat(),
            (None, Some([kind, reference])) => [project, "@", kind, reference].concat(),
            (None, None) => project.to_owned(),
        })
    }

    /// `!` and the number of a merge request, `#` and that of an issue.
    fn number(&self) -> Option<[&str; 2]> {
        let itself = match self.object_kind.get()? {
            "merge_request" => Some(["!", self.object_attributes.get()?.iid.get()?]),
            "issue" | "work_item" => Some(["#", self.object_attributes.get()?.iid.get()?]),
            _ => None,
        };
        itself
            .or_else(|| Some(["!", self.merge_request.get()?.iid.get()?]))
            .or_else(|| Some(["#", self.issue.get()?.iid.get()?]))
    }

    /// The full reference, `refs/heads/main`: pushes name it so, pipelines and jobs by the branch or the tag.
    fn reference(&self) -> Option<[&str; 2]> {
        let run = self.object_attributes.get();
        let reference = self.reference.get().or_else(|| run?.reference.get())?;
        let is_tag = self.tag.is("true") || run.is_some_and(|run| run.tag.is("true"));
        Some(match reference.starts_with("refs/") {
            true => ["", reference],
            false if is_tag => ["refs/tags/", reference],
            false => ["refs/heads/", reference],
        })
    }

    /// How far a pipeline, a job or a deployment is, or the state of what the event is about.
    pub(crate) fn status(&self) -> Option<&str> {
        let object = self.object_attributes.get();
        let status = || object.and_then(|object| object.status.get().or_else(|| object.state.get()));
        self.build_status.get().or_else(status).or_else(|| self.status.get())
    }

    /// GitLab's own word for a vulnerability or an incident; `medium` for a run that failed.
    pub(crate) fn severity(&self) -> Option<&str> {
        let own = self.object_attributes.get().and_then(|object| object.severity.get());
        let is_run = matches!(self.object_kind.get(), Some("pipeline" | "build" | "deployment"));
        // Issues that are no incidents say so.
        let own = own.filter(|severity| !severity.eq_ignore_ascii_case("unknown"));
        own.or_else(|| (is_run && self.status() == Some("failed")).then_some("medium"))
    }

    /// What was written just now: a comment, or the description of what was opened. Any other event repeats texts that were there
    /// before, and the edit of a comment does not say what it was.
    pub(crate) fn written(&self) -> Option<Written<'_>> {
        let object = self.object_attributes.get()?;
        match (self.object_kind.get()?, object.action.get()) {
            // Notes that GitLab writes itself tell what somebody did. Older servers tell new ones only, without an action.
            ("note", None | Some("create")) if !object.system.is("true") => {
                object.note.get().or_else(|| object.description.get()).map(Written::New)
            }
            ("issue" | "merge_request" | "work_item", Some("open")) => object.description.get().map(Written::New),
            ("issue" | "merge_request" | "work_item", Some("update")) => {
                let before = self.changes.get()?.description.get()?;
                Some(Written::Edited {
                    before: before.previous.get().unwrap_or_default(),
                    text: object.description.get()?,
                })
            }
            _ => None,
        }
    }
}
