//! The fields of Jira's payloads that events are built from.

use gateway_plugin_sdk::json::{Object, Objects, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A payload of any event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow, rename = "webhookEvent")]
    webhook_event: Text<'a>,
    #[serde(borrow)]
    issue_event_type_name: Text<'a>,
    /// Only in lifecycle calls to a Connect app.
    #[serde(borrow, rename = "eventType")]
    pub(crate) lifecycle: Text<'a>,
    #[serde(borrow)]
    user: Object<Entity<'a>>,
    #[serde(borrow)]
    pub(crate) issue: Object<Entity<'a>>,
    #[serde(borrow)]
    pub(crate) comment: Object<Entity<'a>>,
    #[serde(borrow)]
    worklog: Object<Entity<'a>>,
    #[serde(borrow)]
    attachment: Object<Entity<'a>>,
    #[serde(borrow, rename = "issueLink")]
    issue_link: Object<Entity<'a>>,
    #[serde(borrow)]
    project: Object<Entity<'a>>,
    #[serde(borrow)]
    sprint: Object<Entity<'a>>,
    #[serde(borrow)]
    board: Object<Entity<'a>>,
    #[serde(borrow)]
    version: Object<Entity<'a>>,
    #[serde(borrow)]
    changelog: Object<Changelog<'a>>,
}

/// Any object in a payload: an issue, a comment, an account, a project.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Entity<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow, rename = "self")]
    url: Text<'a>,
    #[serde(borrow)]
    account_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    issue_id: Text<'a>,
    #[serde(borrow)]
    source_issue_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) created: Text<'a>,
    #[serde(borrow)]
    pub(crate) updated: Text<'a>,
    #[serde(borrow)]
    author: Object<Entity<'a>>,
    #[serde(borrow)]
    update_author: Object<Entity<'a>>,
    /// Text, or a document.
    #[serde(borrow)]
    pub(crate) body: Option<&'a RawValue>,
    #[serde(borrow)]
    fields: Object<Fields<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    priority: Object<Entity<'a>>,
    #[serde(borrow)]
    status: Object<Entity<'a>>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changelog<'a> {
    #[serde(borrow)]
    items: Objects<Change<'a>>,
}

/// One changed field, with its values as people see them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Change<'a> {
    #[serde(borrow)]
    field: Text<'a>,
    #[serde(borrow)]
    pub(crate) from_string: Text<'a>,
    #[serde(borrow)]
    pub(crate) to_string: Text<'a>,
}

impl Payload<'_> {
    /// The event's name without the prefix `jira:`: `issue_updated`, `comment_created`. Jira sends a comment twice, the second time as
    /// an update of its issue; both get the comment's kind. Old servers send only the update, or no name at all. The update of an
    /// issue that does not say which comment it is about stays an update.
    pub(crate) fn kind(&self) -> &str {
        let named = self.webhook_event.get().map(|event| event.strip_prefix("jira:").unwrap_or(event));
        let changes = self.changes();
        let detail = self.issue_event_type_name.get();
        let is_unnamed_comment = detail.is_some_and(is_about_comment) && self.comment.get().is_none();
        match (named, detail.filter(|_| !is_unnamed_comment)) {
            (Some("issue_updated") | None, Some("issue_commented")) => "comment_created",
            (Some("issue_updated") | None, Some("issue_comment_edited")) => "comment_updated",
            (Some("issue_updated") | None, Some("issue_comment_deleted")) => "comment_deleted",
            (Some("issue_updated"), None) if changes.is_empty() && self.comment.get().is_some() => self.comment_kind(),
            (Some(named), _) => named,
            (None, Some("issue_created")) => "issue_created",
            (None, Some("issue_deleted")) => "issue_deleted",
            (None, None) if changes.is_empty() && self.comment.get().is_some() => self.comment_kind(),
            (None, None) if changes.is_empty() && !is_unnamed_comment => "unknown",
            (None, _) => "issue_updated",
        }
    }

    fn comment_kind(&self) -> &'static str {
        let is_edited = self.comment.get().is_some_and(|comment| comment.created != comment.updated);
        if is_edited { "comment_updated" } else { "comment_created" }
    }

    /// The more specific name of the event: Jira's own, or the one for the first changed field.
    pub(crate) fn action(&self) -> Option<&str> {
        self.issue_event_type_name.get().or_else(|| {
            Some(match self.changes().first()?.field.get()? {
                "assignee" => "issue_assigned",
                "status" | "resolution" => "issue_generic",
                _ => "issue_updated",
            })
        })
    }

    fn changes(&self) -> &[Change<'_>] {
        self.changelog.get().map(|log| log.items.get()).unwrap_or_default()
    }

    /// The change of the description.
    pub(crate) fn changed_description(&self) -> Option<&Change<'_>> {
        self.changes().iter().find(|change| change.field.is("description"))
    }

    /// The description of the issue: a text or a document.
    pub(crate) fn description(&self) -> Option<&RawValue> {
        self.issue.get()?.fields.get()?.description
    }

    /// The name of the issue's priority, which each site chooses.
    pub(crate) fn priority(&self) -> Option<&str> {
        self.issue.get()?.fields.get()?.priority.get()?.name.get()
    }

    /// The name of the issue's status.
    pub(crate) fn status(&self) -> Option<&str> {
        self.issue.get()?.fields.get()?.status.get()?.name.get()
    }

    /// The user who caused the event, else the author of the comment, the work log or the attachment. One without an account is
    /// passed over.
    pub(crate) fn sender(&self) -> Option<&Entity<'_>> {
        let written = [&self.comment, &self.worklog, &self.attachment].into_iter().find_map(Object::get);
        let authors = written.into_iter().flat_map(|it| [&it.update_author, &it.author]);
        let mut people = [&self.user].into_iter().chain(authors).filter_map(Object::get);
        people.find(|person| person.account().is_some())
    }

    /// The key of the issue, as people call it: `KTL-7`.
    pub(crate) fn issue_key(&self) -> Option<&str> {
        self.issue.get()?.key.get()
    }

    /// The number of the issue. A server sends a comment without its issue, whose number is then in the URL of the comment.
    pub(crate) fn issue_id(&self) -> Option<&str> {
        let of_comment = || between(self.comment.get()?.url.get()?, "/issue/", "/comment/");
        let of_worklog = || self.worklog.get()?.issue_id.get();
        let of_link = || self.issue_link.get()?.source_issue_id.get();
        let issue = self.issue.get().and_then(|issue| issue.id.get());
        issue.or_else(of_comment).or_else(of_worklog).or_else(of_link)
    }

    /// The site and the subject within it: `kettle.atlassian.net/KTL-7`. Different sites can have the same issue keys.
    pub(crate) fn subject(&self) -> Option<String> {
        let numbered = [
            ("comment", &self.comment),
            ("attachment", &self.attachment),
            ("sprint", &self.sprint),
            ("board", &self.board),
            ("version", &self.version),
        ];
        let numbered =
            || numbered.into_iter().find_map(|(noun, entity)| Some([noun, "/", entity.get()?.id.get()?].concat()));
        let project = || self.project.get().and_then(|project| project.key.get()).map(str::to_owned);
        // In any other event this is the user who caused it.
        let user = || self.user.get().filter(|_| self.kind().starts_with("user_"))?.account().map(str::to_owned);
        let about = self.issue_name().map(str::to_owned).or_else(numbered).or_else(project).or_else(user)?;
        Some(match self.site() {
            Some(site) => [site, "/", &about].concat(),
            None => about,
        })
    }

    /// The name of the issue that all events of a site have in common. A server has only the number in some of them; in Cloud
    /// almost all have the key.
    fn issue_name(&self) -> Option<&str> {
        let is_cloud =
            self.site().is_none_or(|site| site.ends_with(".atlassian.net") || site.ends_with(".atlassian.com"));
        match is_cloud {
            true => self.issue_key().or_else(|| self.issue_id()),
            false => self.issue_id().or_else(|| self.issue_key()),
        }
    }

    /// The host of the site, from the URLs in the payload.
    pub(crate) fn site(&self) -> Option<&str> {
        let entities = [
            &self.issue,
            &self.comment,
            &self.worklog,
            &self.attachment,
            &self.project,
            &self.sprint,
            &self.board,
            &self.version,
            &self.user,
        ];
        let url = entities.into_iter().find_map(|entity| entity.get()?.url.get())?;
        let (_, rest) = url.split_once("://")?;
        rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
    }
}

impl Entity<'_> {
    /// The id of an account; on self-hosted servers its name.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account_id.get().or_else(|| self.name.get()).or_else(|| self.key.get())
    }

    /// All names and ids of an account.
    pub(crate) fn names(&self) -> [&str; 3] {
        [&self.account_id, &self.name, &self.key].map(|name| name.get().unwrap_or_default())
    }
}

/// Whether the name of an issue's event says that a comment changed.
fn is_about_comment(name: &str) -> bool {
    matches!(name, "issue_commented" | "issue_comment_edited" | "issue_comment_deleted")
}

/// The part of a text between two others.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(start)?;
    let (part, _) = rest.split_once(end)?;
    (!part.is_empty() && !part.contains('/')).then_some(part)
}
