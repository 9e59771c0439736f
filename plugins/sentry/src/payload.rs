//! The fields of Sentry's payloads that events are built from. A field of another shape counts as missing.

use gateway_plugin_sdk::json::{Object, Text};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The body of a webhook: first the members of an integration, then `project`, `group` and `event` of a service hook, then those of
/// the legacy plugin, then the issue of a UI component.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) action: Text<'a>,
    #[serde(borrow)]
    actor: Object<Actor<'a>>,
    #[serde(borrow)]
    pub(crate) installation: Object<Installation<'a>>,
    #[serde(borrow)]
    pub(crate) data: Object<Data<'a>>,
    #[serde(borrow)]
    pub(crate) project: Object<Project<'a>>,
    #[serde(borrow)]
    pub(crate) group: Object<Issue<'a>>,
    #[serde(borrow)]
    pub(crate) event: Object<Occurrence<'a>>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) project_slug: Text<'a>,
    #[serde(borrow)]
    pub(crate) level: Text<'a>,
    #[serde(borrow)]
    pub(crate) message: Text<'a>,
    #[serde(borrow)]
    pub(crate) culprit: Text<'a>,
    #[serde(borrow, rename = "issueId")]
    pub(crate) issue_id: Text<'a>,
}

impl Payload<'_> {
    /// The id of who caused the event: a user, an integration, or Sentry itself (`sentry`).
    pub(crate) fn sender(&self) -> Option<&str> {
        self.actor.get()?.id.get()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Actor<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Installation<'a> {
    #[serde(borrow)]
    pub(crate) uuid: Text<'a>,
}

/// The data for an integration; the members depend on the resource.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Data<'a> {
    #[serde(borrow)]
    pub(crate) issue: Object<Issue<'a>>,
    #[serde(borrow)]
    pub(crate) event: Object<Occurrence<'a>>,
    #[serde(borrow)]
    pub(crate) error: Object<Occurrence<'a>>,
    #[serde(borrow)]
    pub(crate) metric_alert: Object<MetricAlert<'a>>,
    #[serde(borrow)]
    pub(crate) issue_alert: Object<IssueAlert<'a>>,
    #[serde(borrow)]
    pub(crate) triggered_rule: Text<'a>,
    #[serde(borrow)]
    issue_id: Text<'a>,
    /// The issue that Seer works on.
    #[serde(borrow)]
    group_id: Text<'a>,
    /// The build of a mobile app, an artifact before production.
    #[serde(borrow, rename = "buildId")]
    build_id: Text<'a>,
    /// The state of that build.
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    project_slug: Text<'a>,
    #[serde(borrow, rename = "projectSlug")]
    build_project: Text<'a>,
    #[serde(borrow)]
    pub(crate) comment_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) comment: Text<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Text<'a>,
}

impl Data<'_> {
    /// The issue that a comment or Seer's work belongs to.
    pub(crate) fn issue_id(&self) -> Option<&str> {
        self.issue_id.get().or_else(|| self.group_id.get())
    }

    /// The build and its state.
    pub(crate) fn build(&self) -> Option<(&str, Option<&str>)> {
        Some((self.build_id.get()?, self.state.get()))
    }

    /// The slug of the project.
    pub(crate) fn project(&self) -> Option<&str> {
        self.project_slug.get().or_else(|| self.build_project.get())
    }
}

/// An issue, which a service hook calls a group.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Issue<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) title: Text<'a>,
    #[serde(borrow)]
    pub(crate) level: Text<'a>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    #[serde(borrow)]
    pub(crate) substatus: Text<'a>,
    #[serde(borrow)]
    pub(crate) first_seen: Text<'a>,
    #[serde(borrow)]
    pub(crate) last_seen: Text<'a>,
    #[serde(borrow)]
    pub(crate) project: Object<Project<'a>>,
    #[serde(borrow)]
    pub(crate) assigned_to: Object<Assignee<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Project<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    slug: Text<'a>,
}

impl Project<'_> {
    /// The slug, which names the project in almost all payloads, else the id.
    pub(crate) fn name(&self) -> Option<&str> {
        self.slug.get().or_else(|| self.id.get())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Assignee<'a> {
    /// `user` or `team`.
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
}

/// One occurrence of an issue, which Sentry calls an event or an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Occurrence<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    /// The name of `event_id` in a service hook.
    #[serde(borrow, rename = "eventID")]
    service_hook_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) issue_id: Text<'a>,
    #[serde(borrow)]
    project: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    pub(crate) title: Text<'a>,
    #[serde(borrow)]
    pub(crate) level: Text<'a>,
    #[serde(borrow)]
    pub(crate) datetime: Text<'a>,
}

impl Occurrence<'_> {
    pub(crate) fn id(&self) -> Option<&str> {
        self.event_id.get().or(self.service_hook_id.get())
    }

    /// The slug of the project, which is in the URL (`../projects/kitchen/kettles/events/..`), else the id.
    pub(crate) fn project(&self) -> Option<&str> {
        let slug = || self.url.get()?.split_once("/projects/")?.1.split('/').nth(1).filter(|slug| !slug.is_empty());
        slug().or_else(|| self.project.get())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetricAlert<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) title: Text<'a>,
    #[serde(borrow)]
    pub(crate) date_started: Text<'a>,
    #[serde(borrow)]
    projects: Slugs<'a>,
    #[serde(borrow)]
    pub(crate) alert_rule: Object<Rule<'a>>,
}

impl MetricAlert<'_> {
    /// The slug of the project, unless the alert is about several.
    pub(crate) fn project(&self) -> Option<&str> {
        match &self.projects {
            Slugs::Of(slugs) if slugs.len() == 1 => slugs[0].get(),
            _ => None,
        }
    }
}

/// The slugs of projects.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Slugs<'a> {
    #[serde(borrow)]
    Of(Vec<Text<'a>>),
    Other(IgnoredAny),
}

impl Default for Slugs<'_> {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rule<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IssueAlert<'a> {
    #[serde(borrow)]
    pub(crate) title: Text<'a>,
}
