//! Notifications in Alertmanager's format, which other senders use too: one event per alert.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `alert.firing` or `alert.resolved`: the alert's own status, never the group's |
//! | subject | the alert's fingerprint; a missing one is computed from the labels, as Prometheus does |
//! | key | the dialect's `scope`, if it has one, then fingerprint and status: the state that the alert is in |
//! | attributes | `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group`, `externalurl`; with a `scope` also `org` |
//! | data | the alert as it was sent, plus the member `group`: the members of the notification that apply to all its alerts |
//!
//! A notification repeats all alerts of its group, and each member of a cluster sends a copy. The key names the state of the
//! alert, and the manifest says so: as long as the state lasts, it is one event, and when it comes back, it is another one.
//! `startsAt` is not in the key. Two replicas of Prometheus see an alert a tick apart, and an alert that returns after
//! Prometheus was cut off has the `startsAt` of before. Labels, including the severity, are part of the fingerprint.
//! Annotations are not in the key: they often hold the latest value, so that each repetition would be a new event.
//!
//! An alert needs a status, and a fingerprint or labels; anything else about it may be missing or of another type. A malformed
//! alert does not affect the others: it becomes an event `alert.unknown`, so that it is not lost unseen. The notification is
//! refused only if all of its alerts are malformed.

mod notification;

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::notification::{Alert, Notification};
use crate::Level;
use crate::channel::{Event, Receipt, Received, Rejection, Request};
use crate::fact::{fnv1a, hex};
use crate::json::repair;

/// More alerts than the gateway can be set to accept (`max_events`): not worth the memory.
const MAX_ALERTS: usize = 100_000;

/// The most bytes of the group that each of its alerts carries.
const MAX_GROUP: usize = 16 << 10;

/// The most bytes of all these copies in the events of a notification.
const MAX_COPIES: usize = 12 << 20;

/// A sender of notifications in this format, and its particulars.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The sender's name.
    pub sender: &'static str,
    /// The value of `version` in its notifications.
    pub version: &'static str,
    /// The other sender of this format, recognised by its `version`: version, name, plugin.
    pub other: (&'static str, &'static str, &'static str),
    /// A member of the notification that scopes fingerprints.
    pub scope: Option<&'static str>,
    /// What to do about a body in another format.
    pub hint: &'static str,
}

impl Dialect {
    /// Turns one notification into an event for each of its alerts.
    ///
    /// The attribute `group` is the notification's `groupKey`, which changes with the sender's configuration. The setting
    /// `group_labels`, an array of label names, builds it from these labels instead.
    pub fn receive(&self, request: &Request) -> Received {
        let body = request.text();
        let as_sent = Notification::read(&body);
        let repaired = as_sent.is_err().then(|| repair(&body));
        let notification = repaired.as_deref().map_or(as_sent, Notification::read);
        let notification = notification.map_err(|error| self.unreadable(&body, &error))?;
        self.check_version(request, &notification)?;
        let alerts = notification.alerts().map_err(|problem| self.refusal("/alerts", &problem))?;
        if alerts.len() > MAX_ALERTS {
            let problem = format!("{} alerts, expected at most {MAX_ALERTS}; group them by more labels", alerts.len());
            return Err(Rejection::at(413, "/alerts", problem));
        }
        let cut = notification.truncated();
        if cut > 0 {
            let message = format!("{cut} alerts were above the sender's limit and did not reach the gateway");
            request.host().log(Level::Warn, &message);
        }
        let group = AlertGroup::new(self, request, &notification, alerts.len());
        let events: Vec<_> = alerts.iter().map(|raw| group.event(raw)).collect();
        if !events.is_empty() && events.iter().all(Result::is_err) {
            let problem = events.into_iter().find_map(Result::err);
            return Err(problem.map_or_else(|| Rejection::new(422, "no alert"), |problem| problem.refusal(self, 0)));
        }
        let or_unknown = |(index, (event, raw)): (usize, (Result<Event, Problem>, &&RawValue))| {
            event.unwrap_or_else(|problem| {
                let detail = problem.refusal(self, index).detail;
                request.host().log(Level::Warn, &format!("Malformed alert, kept as `alert.unknown`: {detail}"));
                group.unknown(raw)
            })
        };
        Ok(Receipt::from(events.into_iter().zip(&alerts).enumerate().map(or_unknown).collect::<Vec<_>>()))
    }

    fn check_version(&self, request: &Request, notification: &Notification<'_>) -> Result<(), Rejection> {
        let Some(version) = notification.text("version") else {
            return Err(self.refusal("/version", "is missing"));
        };
        let (other, sender, plugin) = self.other;
        if version == other {
            let problem = format!("this notification is from {sender}; send it to a channel of the plugin `{plugin}`");
            return Err(Rejection::at(422, "/version", problem));
        }
        if version != self.version {
            let expected = self.version;
            let message =
                format!("Notification has version `{}`, expected `{expected}`, processed anyway", shown(&version));
            request.host().log(Level::Warn, &message);
        }
        Ok(())
    }

    /// The refusal of a body that is not an object: JSON in another format, or no JSON at all.
    fn unreadable(&self, body: &str, error: &serde_json::Error) -> Rejection {
        if error.is_data() && serde_json::from_str::<&RawValue>(body).is_ok() {
            return Rejection::new(422, format!("expected an object; {}", self.not_default()));
        }
        Rejection::new(400, format!("body is not JSON: {error}; {}", self.hint))
    }

    fn refusal(&self, pointer: &str, problem: &str) -> Rejection {
        Rejection::at(422, pointer, format!("{problem}; {}", self.not_default()))
    }

    fn not_default(&self) -> String {
        let Dialect { sender, hint, .. } = self;
        format!("not the default payload of {sender}: {hint}")
    }
}

/// Why an alert is malformed.
struct Problem {
    /// Relative to the alert.
    pointer: &'static str,
    text: String,
}

impl Problem {
    fn refusal(&self, dialect: &Dialect, index: usize) -> Rejection {
        dialect.refusal(&format!("/alerts/{index}{}", self.pointer), &self.text)
    }
}

/// The group that the alerts of one notification belong to.
struct AlertGroup<'a> {
    scope: &'a str,
    /// The member `group` of each event's data.
    json: String,
    key: Option<Cow<'a, str>>,
    /// The address of the sender, by which the members of a cluster differ.
    external_url: Option<Cow<'a, str>>,
    /// The setting `group_labels`.
    label_names: Vec<String>,
}

impl<'a> AlertGroup<'a> {
    fn new(dialect: &Dialect, request: &Request, notification: &'a Notification<'_>, alerts: usize) -> Self {
        let config = request.host().config("group_labels");
        let label_names = config.map_or_else(Vec::new, |config| {
            serde_json::from_str(&config).unwrap_or_else(|error| {
                let message = format!("`group_labels` is not an array of label names, using the group's key: {error}");
                request.host().log(Level::Error, &message);
                Vec::new()
            })
        });
        AlertGroup {
            scope: dialect.scope.and_then(|scope| notification.member(scope)).map_or("", RawValue::get),
            json: notification.group(MAX_GROUP.min(MAX_COPIES / alerts.max(1))),
            key: notification.text("groupKey"),
            external_url: notification.text("externalURL"),
            label_names,
        }
    }

    fn event(&self, raw: &RawValue) -> Result<Event, Problem> {
        self.event_of(raw.get(), raw).or_else(|problem| self.event_of(&repair(raw.get()), raw).map_err(|_| problem))
    }

    /// The event of an alert that reads as `json`.
    fn event_of(&self, json: &str, raw: &RawValue) -> Result<Event, Problem> {
        let object = |error| Problem { pointer: "", text: format!("expected an alert, an object: {error}") };
        let alert: Alert<'_> = serde_json::from_str(json).map_err(object)?;
        let status = alert.status()?;
        // The fingerprint stands for the labels, so with one they only inform.
        let (fingerprint, labels) = match (alert.fingerprint(), alert.labels()) {
            (Some(fingerprint), labels) => (fingerprint, labels.unwrap_or_default()),
            (None, labels) => {
                let labels = labels?;
                (Cow::Owned(labels.fingerprint()), labels)
            }
        };
        let mut key = [&*fingerprint, "/", status].concat();
        if !self.scope.is_empty() {
            key = [self.scope, "/", &key].concat();
        }
        let group = match self.label_names.is_empty() {
            true => self.key.as_deref().map(Cow::Borrowed),
            false => Some(Cow::Owned(labels.named(&self.label_names))),
        };
        Ok(Event::new(["alert.", status].concat())
            .with_subject(Some(fingerprint.to_string()))
            .with_key(key)
            .with_data("application/json", self.data(raw))
            .with_fact("fingerprint", Some(&fingerprint))
            .with_fact("startsat", alert.starts_at().as_deref())
            .with_fact("status", Some(status))
            .with_fact("severity", labels.get("severity"))
            .with_fact("alertname", labels.get("alertname"))
            .with_fact("group", group.as_deref())
            .with_fact("externalurl", self.external_url.as_deref())
            .with_fact("org", Some(self.scope)))
    }

    /// The event of a malformed alert. Its key is a digest of its text, because each notification repeats it.
    fn unknown(&self, raw: &RawValue) -> Event {
        let digest = hex(fnv1a(raw.get().as_bytes()));
        Event::new("alert.unknown")
            .with_key([self.scope, "unknown", &digest].join("/"))
            .with_data("application/json", self.data(raw))
            .with_fact("group", self.key.as_deref())
    }

    /// The alert's JSON with the group as its last member, otherwise unchanged.
    fn data(&self, alert: &RawValue) -> String {
        let Some(open) = alert.get().strip_suffix('}') else {
            return alert.get().to_owned();
        };
        let comma = if open.trim_end().ends_with('{') { "" } else { "," };
        [open.trim_end(), comma, r#""group":"#, &self.json, "}"].concat()
    }
}

/// A text of the sender, shortened for a message.
fn shown(text: &str) -> Cow<'_, str> {
    const MAX: usize = 64;
    crate::fact::fit(Cow::Borrowed(text), MAX)
}
