//! The fields of GitLab's payloads that events are built from.

use gateway_plugin_sdk::command::Written;
use gateway_plugin_sdk::json::{Object, Text};
use serde::Deserialize;

/// A payload of any event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) object_kind: Text<'a>,
    /// Only in system hooks and in some group hooks.
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
    user_id: Text<'a>,
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
    path: Text<'a>,
    #[serde(borrow)]
    user: Object<Entity<'a>>,
    #[serde(borrow)]
    project: Object<Entity<'a>>,
    #[serde(borrow)]
    repository: Object<Entity<'a>>,
    #[serde(borrow)]
    group: Object<Entity<'a>>,
    #[serde(borrow)]
    pub(crate) object_attributes: Object<Entity<'a>>,
    #[serde(borrow)]
    merge_request: Object<Entity<'a>>,
    #[serde(borrow)]
    issue: Object<Entity<'a>>,
    #[serde(borrow)]
    changes: Object<Changes<'a>>,
}

/// Any object in a payload: a user, a project, what the event is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entity<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    iid: Text<'a>,
    #[serde(borrow)]
    username: Text<'a>,
    #[serde(borrow)]
    path_with_namespace: Text<'a>,
    #[serde(borrow)]
    full_path: Text<'a>,
    #[serde(borrow)]
    group_path: Text<'a>,
    #[serde(borrow)]
    homepage: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
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
    /// The action, such as `open`.
    pub(crate) fn action(&self) -> Option<&str> {
        self.object_attributes.get().and_then(|object| object.action.get()).or_else(|| self.action.get())
    }

    /// The name of the user who caused the event, else the id: older servers send no name with a job.
    pub(crate) fn sender(&self) -> Option<&str> {
        self.senders().into_iter().flatten().next()
    }

    /// All names and ids of the user who caused the event, the best first. In an event about a member of a project or a group
    /// the payload names only that member.
    pub(crate) fn senders(&self) -> [Option<&str>; 4] {
        if self.event_name.get().is_some_and(|name| name.starts_with("user_")) {
            return [None; 4];
        }
        let user = self.user.get();
        [
            user.and_then(|user| user.username.get()),
            self.user_username.get(),
            user.and_then(|user| user.id.get()),
            self.user_id.get(),
        ]
    }

    /// The path of the project, with its groups. Payloads without a project have it in the URL of the repository or of the object.
    pub(crate) fn project(&self) -> Option<&str> {
        let homepage = || path(self.repository.get()?.homepage.get()?);
        let itself = || Some(path(self.object_attributes.get()?.url.get()?)?.split_once("/-/")?.0);
        let is_project = |path: &&str| !path.starts_with("groups/");
        let project = self.project.get().and_then(|project| project.path_with_namespace.get());
        project
            .or_else(|| self.path_with_namespace.get())
            .or_else(|| self.project_path_with_namespace.get())
            .or_else(homepage)
            .or_else(|| itself().filter(is_project))
    }

    /// The subject; a comment on a merge request has the subject of the merge request.
    pub(crate) fn subject(&self) -> Option<String> {
        let Some(project) = self.project() else {
            let group = self.group.get().and_then(|group| group.full_path.get().or_else(|| group.group_path.get()));
            let group = group.or_else(|| self.full_path.get()).or_else(|| self.group_path.get());
            return group.or_else(|| self.path.get()).or_else(|| self.username.get()).map(str::to_owned);
        };
        Some(match (self.number(), self.reference()) {
            (Some([mark, number]), _) => [project, mark, number].concat(),
            (None, Some([kind, reference])) => [project, "@", kind, reference].concat(),
            (None, None) => project.to_owned(),
        })
    }

    /// `!` and the number of a merge request, or `#` and the number of an issue.
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

    /// The full reference, `refs/heads/main`. Pushes have it in full, pipelines and jobs as a branch or a tag.
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

    /// The status of a pipeline, a job or a deployment, else the state of the subject.
    pub(crate) fn status(&self) -> Option<&str> {
        let object = self.object_attributes.get();
        let status = || object.and_then(|object| object.status.get().or_else(|| object.state.get()));
        self.build_status.get().or_else(status).or_else(|| self.status.get())
    }

    /// GitLab's own severity of a vulnerability or an incident; `medium` for a failed run.
    pub(crate) fn severity(&self) -> Option<&str> {
        let own = self.object_attributes.get().and_then(|object| object.severity.get());
        let is_run = matches!(self.object_kind.get(), Some("pipeline" | "build" | "deployment"));
        // `unknown` is the severity of an issue that is not an incident.
        let own = own.filter(|severity| !severity.eq_ignore_ascii_case("unknown"));
        own.or_else(|| (is_run && self.status() == Some("failed")).then_some("medium"))
    }

    /// The new or edited text: a comment or a description. Other events only repeat older texts, and the edit of a comment does not
    /// include the old one.
    pub(crate) fn written(&self) -> Option<Written<'_>> {
        let object = self.object_attributes.get()?;
        match (self.object_kind.get()?, object.action.get()) {
            // System notes report what a user did. Older servers send only new notes, without an action.
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

/// The path of a URL, without slashes at its ends.
fn path(url: &str) -> Option<&str> {
    let (_, path) = url.split_once("://")?.1.split_once('/')?;
    Some(path.trim_matches('/')).filter(|path| !path.is_empty())
}
