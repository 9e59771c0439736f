//! What makes two deliveries of an integration the same event. A retry is built anew, with another `Request-ID` and possibly
//! other figures, so neither that nor the body tells.

use gateway_plugin_sdk::json::Text;

use crate::payload::{Occurrence, Payload};

/// The key of a resource within its installation and kind; none where it cannot be told.
pub(crate) fn of(resource: &str, payload: &Payload<'_>) -> Option<String> {
    let data = payload.data.get();
    match resource {
        "installation" => Some(String::new()),
        "error" => data?.error.get().or(data?.event.get()).and_then(Occurrence::id).map(str::to_owned),
        "event_alert" => {
            // One occurrence may trigger several rules.
            let id = data?.event.get().and_then(Occurrence::id)?;
            Some([id, text(&data?.triggered_rule)].join("/"))
        }
        "issue" => {
            let issue = data?.issue.get()?;
            // Assigned twice, or resolved and found again, it has seen nothing new in between.
            let assignee = issue.assigned_to.get().map_or("", |assignee| text(&assignee.id));
            Some([issue.id.get()?, text(&issue.last_seen), text(&issue.status), assignee].join("/"))
        }
        "metric_alert" => {
            let alert = data?.metric_alert.get()?;
            Some([alert.id.get()?, text(&alert.date_started), text(&alert.date_closed)].join("/"))
        }
        "comment" => {
            // A comment may be changed more than once.
            Some([data?.comment_id.get()?, text(&data?.timestamp), text(&data?.comment)].join("/"))
        }
        _ => None,
    }
}

fn text<'a>(text: &'a Text<'_>) -> &'a str {
    text.get().unwrap_or_default()
}
