//! The fields of Sentry's payloads that events are built from. A field of another shape counts as missing.

use gateway_plugin_sdk::json::{Object, Text};
use serde::Deserialize;

/// The body of a webhook: first the members of an integration, then `project`, `group` and `event` of a service hook, then those of
/// the legacy plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) action: Text<'a>,
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
    pub(crate) issue_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) project_slug: Text<'a>,
    #[serde(borrow)]
    pub(crate) comment_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) comment: Text<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Text<'a>,
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
    pub(crate) slug: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Assignee<'a> {
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
    pub(crate) project: Text<'a>,
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
    pub(crate) date_closed: Text<'a>,
    #[serde(borrow)]
    pub(crate) alert_rule: Object<Rule<'a>>,
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
