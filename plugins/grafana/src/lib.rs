//! Grafana alerting, contact points of type webhook: one event per alert of the notification.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `alert.firing` or `alert.resolved`: the alert's own status, never the group's |
//! | subject | the alert's fingerprint |
//! | key | organization, fingerprint, `startsAt`, status |
//! | attributes | `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group` |
//! | data | the alert as it was sent, with one more member, `group`: what the notification says about all of its alerts |
//!
//! A notification carries all alerts of its group, those of the last one included, so the key makes each of them one event
//! for as long as it fires. The key leaves out the annotations: labels, the severity among them, are part of the fingerprint,
//! while annotations tend to hold the latest value, and each repetition would be a new event.

mod payload;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::{Level, export_channel};

use self::payload::{Alert, Notification};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns one notification into an event for each of its alerts.
pub fn receive(request: &Request) -> Received {
    let body = request.body();
    let notification: Notification<'_> =
        serde_json::from_slice(&body).map_err(|error| not_default(&format!("{error}")))?;
    if notification.version == "4" {
        return Err(Rejection::new(422, "this is a notification of Prometheus Alertmanager, not of Grafana"));
    }
    let cut = notification.truncated_alerts();
    if cut > 0 {
        let message =
            format!("{cut} alerts were cut off by `maxAlerts` of the contact point and never reached the gateway");
        request.host().log(Level::Warn, &message);
    }
    let group = serde_json::to_string(&notification).expect("it was read from JSON");
    let alerts = notification.alerts.iter().enumerate();
    let events: Result<Vec<_>, Rejection> = alerts
        .map(|(index, raw)| {
            let alert: Alert<'_> = serde_json::from_slice(raw.get().as_bytes())
                .map_err(|error| not_default(&format!("`alerts[{index}]`: {error}")))?;
            event(&alert, &notification, with_group(raw.get(), &group))
        })
        .collect();
    Ok(Receipt::from(events?))
}

fn event(alert: &Alert<'_>, notification: &Notification<'_>, data: String) -> Result<Event, Rejection> {
    let status = match &*alert.status {
        status @ ("firing" | "resolved") => status,
        other => return Err(not_default(&format!("unknown alert status `{other}`"))),
    };
    let key = [notification.organization(), &alert.fingerprint, &alert.starts_at, status].join("/");
    let event = Event::new(["alert.", status].concat())
        .with_subject(Some(alert.fingerprint.to_string()))
        .with_key(key)
        .with_data("application/json", data)
        .with_fact("fingerprint", Some(&alert.fingerprint))
        .with_fact("startsat", Some(&alert.starts_at))
        .with_fact("status", Some(status))
        .with_fact("severity", alert.severity())
        .with_fact("alertname", alert.name())
        .with_fact("group", notification.group_key().as_deref());
    Ok(event)
}

fn not_default(reason: &str) -> Rejection {
    let advice = "remove the custom payload from the contact point, or receive it on a channel for any JSON";
    Rejection::new(422, format!("not the default payload of Grafana ({reason}); {advice}"))
}

/// The alert's JSON with the group's as its last member; nothing else of it changes.
fn with_group(alert: &str, group: &str) -> String {
    let open = alert.trim_end().strip_suffix('}').expect("an alert that was parsed is an object").trim_end();
    [open, r#","group":"#, group, "}"].concat()
}

#[cfg(test)]
mod tests;
