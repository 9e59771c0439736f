//! The key by which two deliveries of an integration are the same event. Sentry builds a retry anew, with another `Request-ID`
//! and possibly other numbers, so neither the header nor the body identifies it.

use gateway_plugin_sdk::json::Text;

use crate::payload::{Occurrence, Payload};

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
        "issue" => {
            let issue = data?.issue.get()?;
            // `last_seen` alone is not enough: it does not change when the issue is assigned again, or resolved and reopened.
            let assignee = issue.assigned_to.get().map_or("", |assignee| text(&assignee.id));
            Some([issue.id.get()?, text(&issue.last_seen), text(&issue.status), assignee].join("/"))
        }
        "metric_alert" => {
            let alert = data?.metric_alert.get()?;
            Some([alert.id.get()?, text(&alert.date_started), text(&alert.date_closed)].join("/"))
        }
        "comment" => {
            // A comment can change more than once.
            Some([data?.comment_id.get()?, text(&data?.timestamp), text(&data?.comment)].join("/"))
        }
        _ => None,
    }
}

fn text<'a>(text: &'a Text<'_>) -> &'a str {
    text.get().unwrap_or_default()
}
