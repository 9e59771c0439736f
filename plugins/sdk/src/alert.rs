//! Notifications as Alertmanager defined them and others took them over: one event per alert.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `alert.firing` or `alert.resolved`: the alert's own status, never the group's |
//! | subject | the alert's fingerprint; a missing one is computed from the labels, as Prometheus does |
//! | key | fingerprint, `startsAt`, status; before them what the dialect has as `scope` |
//! | attributes | `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group` |
//! | data | the alert as it was sent, with one more member, `group`: what the notification says about all of its alerts |
//!
//! A notification carries all alerts of its group, those of the last one included, and copies of it come from every member of
//! a cluster, so the key makes each alert one event for as long as it fires. The key leaves out the annotations: labels, the
//! severity among them, are part of the fingerprint, while annotations tend to hold the latest value, and each repetition
//! would be a new event.
//!
//! An alert that cannot be read does not cost its neighbours: it becomes an event `alert.unknown`, so that somebody sees it.
//! Only when no alert can be read is the notification refused.

mod notification;

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::notification::{Alert, Notification};
use crate::Level;
use crate::channel::{Event, Receipt, Received, Rejection, Request};
use crate::fact::{fnv1a, hex};

/// Events that the gateway takes of one request.
const MAX_ALERTS: usize = 1000;

/// Who sends notifications of this shape, and what is particular about them.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The sender's name.
    pub sender: &'static str,
    /// The member `version` of its notifications.
    pub version: &'static str,
    /// The other sender, told apart by its `version`: the version, its name, its plugin.
    pub other: (&'static str, &'static str, &'static str),
    /// A member of the notification that scopes fingerprints.
    pub scope: Option<&'static str>,
    /// What to do about a body of another shape.
    pub advice: &'static str,
}

impl Dialect {
    /// Turns one notification into an event for each of its alerts.
    ///
    /// The setting `group_labels`, an array of label names, makes the attribute `group` of them, in the place of the
    /// notification's `groupKey`, which changes with the configuration of the sender.
    pub fn receive(&self, request: &Request) -> Received {
        let body = request.body();
        let notification = Notification::read(&body).map_err(|error| self.unreadable(&body, &error))?;
        self.check_version(request, &notification)?;
        let alerts = notification.alerts().map_err(|problem| self.refusal("/alerts", &problem))?;
        if alerts.len() > MAX_ALERTS {
            let problem = format!("{} alerts, expected at most {MAX_ALERTS}; group them by more labels", alerts.len());
            return Err(Rejection::at(422, "/alerts", problem));
        }
        let cut = notification.truncated();
        if cut > 0 {
            let message = format!("{cut} alerts were cut off by the sender's maximum and never reached the gateway");
            request.host().log(Level::Warn, &message);
        }
        let batch = Batch::new(self, request, &notification);
        let events: Vec<_> = alerts.iter().map(|raw| batch.event(raw)).collect();
        if !events.is_empty() && events.iter().all(Result::is_err) {
            let problem = events.into_iter().find_map(Result::err);
            return Err(problem.map_or_else(|| Rejection::new(422, "no alert"), |problem| problem.refusal(self, 0)));
        }
        let told = |(index, (event, raw)): (usize, (Result<Event, Problem>, &&RawValue))| {
            event.unwrap_or_else(|problem| {
                let detail = problem.refusal(self, index).detail;
                request.host().log(Level::Warn, &format!("An alert is kept as `alert.unknown`: {detail}"));
                batch.unknown(raw)
            })
        };
        Ok(Receipt::from(events.into_iter().zip(&alerts).enumerate().map(told).collect::<Vec<_>>()))
    }

    fn check_version(&self, request: &Request, notification: &Notification<'_>) -> Result<(), Rejection> {
        let Some(version) = notification.text("version") else {
            return Err(self.refusal("/version", "is missing"));
        };
        let (other, sender, plugin) = self.other;
        if version == other {
            let problem =
                format!("this is a notification of {sender}; receive it on a channel of the plugin `{plugin}`");
            return Err(Rejection::at(422, "/version", problem));
        }
        if version != self.version {
            let expected = self.version;
            let message =
                format!("The notification has version `{}`, expected `{expected}`; read all the same", shown(&version));
            request.host().log(Level::Warn, &message);
        }
        Ok(())
    }

    /// A body that is JSON has another shape; anything else has none.
    fn unreadable(&self, body: &[u8], error: &serde_json::Error) -> Rejection {
        if error.is_data() && serde_json::from_slice::<&RawValue>(body).is_ok() {
            return Rejection::new(422, format!("expected an object; {}", self.not_default()));
        }
        Rejection::new(400, format!("body is not JSON: {error}; {}", self.advice))
    }

    fn refusal(&self, pointer: &str, problem: &str) -> Rejection {
        Rejection::at(422, pointer, format!("{problem}; {}", self.not_default()))
    }

    fn not_default(&self) -> String {
        let Dialect { sender, advice, .. } = self;
        format!("not the default payload of {sender}: {advice}")
    }
}

/// What keeps one alert from being read.
struct Problem {
    /// Below the alert.
    pointer: &'static str,
    text: String,
}

impl Problem {
    fn refusal(&self, dialect: &Dialect, index: usize) -> Rejection {
        dialect.refusal(&format!("/alerts/{index}{}", self.pointer), &self.text)
    }
}

/// What the alerts of one notification have in common.
struct Batch<'a> {
    scope: &'a str,
    /// The member `group` of each event's data.
    group: String,
    group_key: Option<Cow<'a, str>>,
    group_labels: Vec<String>,
}

impl<'a> Batch<'a> {
    fn new(dialect: &Dialect, request: &Request, notification: &'a Notification<'_>) -> Self {
        let config = request.host().config("group_labels");
        let group_labels = config.map_or_else(Vec::new, |config| {
            serde_json::from_str(&config).unwrap_or_else(|error| {
                let message = format!("`group_labels` is no array of label names, the group's key is used: {error}");
                request.host().log(Level::Error, &message);
                Vec::new()
            })
        });
        Batch {
            scope: dialect.scope.and_then(|scope| notification.member(scope)).map_or("", RawValue::get),
            group: notification.group(),
            group_key: notification.text("groupKey"),
            group_labels,
        }
    }

    fn event(&self, raw: &RawValue) -> Result<Event, Problem> {
        let object = |error| Problem { pointer: "", text: format!("expected an alert, an object: {error}") };
        let alert: Alert<'_> = serde_json::from_str(raw.get()).map_err(object)?;
        let status = alert.status()?;
        let starts_at = alert.starts_at()?;
        let labels = alert.labels()?;
        let fingerprint = match alert.fingerprint()? {
            Some(fingerprint) => fingerprint,
            None => Cow::Owned(labels.fingerprint()),
        };
        let mut key = [&*fingerprint, &*starts_at, status].join("/");
        if !self.scope.is_empty() {
            key = [self.scope, "/", &key].concat();
        }
        let group = match self.group_labels.is_empty() {
            true => self.group_key.as_deref().map(Cow::Borrowed),
            false => Some(Cow::Owned(labels.named(&self.group_labels))),
        };
        Ok(Event::new(["alert.", status].concat())
            .with_subject(Some(fingerprint.to_string()))
            .with_key(key)
            .with_data("application/json", self.data(raw))
            .with_fact("fingerprint", Some(&fingerprint))
            .with_fact("startsat", Some(&starts_at))
            .with_fact("status", Some(status))
            .with_fact("severity", labels.get("severity"))
            .with_fact("alertname", labels.get("alertname"))
            .with_fact("group", group.as_deref()))
    }

    /// The event of an alert that cannot be read. Its text is its identity, because it comes with each notification again.
    fn unknown(&self, raw: &RawValue) -> Event {
        let digest = hex(fnv1a(raw.get().as_bytes()));
        Event::new("alert.unknown")
            .with_key([self.scope, "unknown", &digest].join("/"))
            .with_data("application/json", self.data(raw))
            .with_fact("group", self.group_key.as_deref())
    }

    /// The alert's JSON with the group's as its last member; nothing else of it changes.
    fn data(&self, alert: &RawValue) -> String {
        let Some(open) = alert.get().strip_suffix('}') else {
            return alert.get().to_owned();
        };
        let comma = if open.trim_end().ends_with('{') { "" } else { "," };
        [open.trim_end(), comma, r#""group":"#, &self.group, "}"].concat()
    }
}

/// A sender's text in a message.
fn shown(text: &str) -> Cow<'_, str> {
    const MAX: usize = 64;
    crate::fact::fit(Cow::Borrowed(text), MAX)
}
