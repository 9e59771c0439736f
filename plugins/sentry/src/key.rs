//! The key by which two deliveries of an integration are the same event. Sentry builds a retry anew, with another `Request-ID`
//! and possibly other numbers, so neither the header nor the body identifies it.
//!
//! The key of some kinds names a state, as the manifest lists: the status of an issue, its assignee, the level of a metric
//! alert, the text of a comment. There is no time in these keys, because a state lasts, and a state that comes back is news.

use gateway_plugin_sdk::json::Text;

use crate::payload::{Issue, Occurrence, Payload};

/// The key of a resource within its installation and kind; `None` if the resource is unknown or incomplete.
pub(crate) fn of(resource: &str, payload: &Payload<'_>) -> Option<String> {
    let data = payload.data.get();
    match resource {
        "installation" => Some(String::new()),
        "error" => data?.error.get().or(data?.event.get()).and_then(Occurrence::id).map(str::to_owned),
        "event_alert" => {
            // One occurrence can trigger several rules.
            let id = data?.event.get().and_then(Occurrence::id)?;
            Some([id, text(&data?.triggered_rule)].join("/"))
        }
        "issue" => of_issue(data?.issue.get()?, payload.action.get().unwrap_or_default()),
        "metric_alert" => data?.metric_alert.get()?.id.get().map(str::to_owned),
        "comment" => Some([data?.comment_id.get()?, text(&data?.timestamp), text(&data?.comment)].join("/")),
        _ => None,
    }
}

fn of_issue(issue: &Issue<'_>, action: &str) -> Option<String> {
    let id = issue.id.get()?;
    let assignee = issue.assigned_to.get();
    Some(match action {
        "created" => id.to_owned(),
        "assigned" => {
            // A team can have the id of a user.
            let [kind, name] = assignee.map_or(["", ""], |assignee| [text(&assignee.kind), text(&assignee.id)]);
            [id, kind, name].join("/")
        }
        "resolved" | "unresolved" | "ignored" | "archived" => {
            [id, text(&issue.status), text(&issue.substatus)].join("/")
        }
        _ => {
            let assignee = assignee.map_or("", |assignee| text(&assignee.id));
            [id, text(&issue.last_seen), text(&issue.status), assignee].join("/")
        }
    })
}

fn text<'a>(text: &'a Text<'_>) -> &'a str {
    text.get().unwrap_or_default()
}
