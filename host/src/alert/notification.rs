//! What one notification says of one alert: an event of a channel that alerts come in by.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::id::{BundleId, Fact, SignalId};
use super::labels::{Labels, shown};
use super::settings::Settings;
use crate::event::{Event, EventId, Timestamp};

/// What one notification says of one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub event: EventId,
    /// When it was received.
    pub at: Timestamp,
    pub channel: String,
    pub signal: SignalId,
    pub fingerprint: String,
    pub status: Status,
    /// The sender's time of the state.
    pub starts_at: Option<Timestamp>,
    pub alertname: String,
    /// The sender's word.
    pub severity: String,
    pub labels: Labels,
    pub annotations: Labels,
    /// Whether it had more labels or annotations than are kept.
    pub cut: bool,
    /// What it says, without what changes from one notification to the next.
    pub content: Fact,
    /// Who sent it, where several send the same.
    pub peer: Option<Fact>,
    /// What it was sent together with.
    pub bundle: BundleId,
    /// Whether everything of the bundle is resolved, also what is not in the notification.
    pub bundle_resolved: bool,
}

/// What a notification says of its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Firing,
    Resolved,
}

/// The members of the data that count.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Alert<'a> {
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    group: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group<'a> {
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    receiver: Option<Cow<'a, str>>,
    #[serde(borrow)]
    group_labels: Option<&'a RawValue>,
}

impl Notification {
    /// What the event says.
    ///
    /// # Errors
    /// Why it says nothing of an alert, for people.
    pub fn read(event: &Event, settings: &Settings) -> Result<Self, String> {
        let attribute = |name: &str| event.attribute(name).filter(|value| !value.is_empty());
        let status = match attribute("status").map(str::to_lowercase).as_deref() {
            Some("firing" | "alerting" | "triggered" | "open") => Status::Firing,
            Some("resolved" | "ok" | "closed") => Status::Resolved,
            Some(other) => return Err(format!("no alert: its status is `{}`", short(other))),
            None => return Err("no alert: it has no attribute `status`".to_owned()),
        };
        let Some(fingerprint) = attribute("fingerprint") else {
            return Err("no alert: it has no attribute `fingerprint`".to_owned());
        };
        let data: Alert<'_> = serde_json::from_slice(&event.data).unwrap_or_default();
        let group = data.group.and_then(|group| serde_json::from_str::<Group<'_>>(group.get()).ok());
        let mut all = texts(data.labels);
        for name in ["alertname", "severity"] {
            if let Some(value) = attribute(name) {
                all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        let named = |name: &str| all.get(name).filter(|value| !value.is_empty()).map(|text| short(text));
        let alertname = named("alertname").unwrap_or_else(|| short(fingerprint));
        let severity = named("severity").unwrap_or_default();
        let signal = signal(event, settings, fingerprint, &all);
        let annotations = texts(data.annotations);
        let content = content(settings, &all, &annotations);
        let (labels, cut_labels) = Labels::new(all);
        let (annotations, cut_annotations) = Labels::new(annotations);
        let (receiver, labels_of_group) = group.as_ref().map_or(("", ""), |group| {
            (group.receiver.as_deref().unwrap_or_default(), group.group_labels.map_or("", RawValue::get))
        });
        let channel = event.channel.as_str();
        Ok(Self {
            event: event.id,
            at: event.time,
            channel: channel.to_owned(),
            signal,
            fingerprint: short(fingerprint),
            status,
            starts_at: attribute("startsat").and_then(|text| text.parse().ok()),
            alertname,
            severity,
            labels,
            annotations,
            cut: cut_labels || cut_annotations,
            content,
            peer: attribute("externalurl").map(|url| Fact::of([url.as_bytes()])),
            bundle: BundleId::of([channel.as_bytes(), receiver.as_bytes(), labels_of_group.as_bytes()]),
            bundle_resolved: group.is_some_and(|group| group.status.as_deref() == Some("resolved")),
        })
    }
}

/// The identity of the alert: the sender's fingerprint, unless labels that replicas differ by went into it.
fn signal(event: &Event, settings: &Settings, fingerprint: &str, labels: &BTreeMap<String, String>) -> SignalId {
    let scope = settings.scope_label.as_ref().and_then(|name| labels.get(name));
    let scope = scope.map_or(event.channel.as_str(), String::as_str);
    let org = event.attribute("org").unwrap_or_default();
    let ignored = |name: &String| settings.ignore_labels.contains(name);
    if !labels.keys().any(ignored) {
        return SignalId::of([scope, org, "fingerprint", fingerprint].map(str::as_bytes));
    }
    let kept = labels.iter().filter(|(name, _)| !ignored(name));
    let pairs = kept.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    SignalId::of([scope.as_bytes(), org.as_bytes(), b"labels"].into_iter().chain(pairs))
}

fn content(settings: &Settings, labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Fact {
    let kept = annotations.iter().filter(|(name, _)| !settings.volatile_annotations.contains(name));
    let pairs = labels.iter().chain(kept);
    Fact::of(pairs.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]))
}

/// The members of an object as texts; of anything else there are none.
fn texts(object: Option<&RawValue>) -> BTreeMap<String, String> {
    let members = object.and_then(|object| serde_json::from_str::<BTreeMap<String, Value>>(object.get()).ok());
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    members.unwrap_or_default().into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// A name as it is kept and shown.
fn short(text: &str) -> String {
    const MOST: usize = 256;
    shown(text, MOST).text
}
