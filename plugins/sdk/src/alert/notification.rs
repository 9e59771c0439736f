//! Parses the parts of a notification that events are built from. Parts that are passed on keep their original text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Problem, shown};
use crate::fact::{fnv1a, hex};
use crate::json::repair;

/// Members that are not copied to the group: the alerts themselves, and Grafana's text about all of them.
const NOT_THE_GROUP: [&str; 2] = ["alerts", "message"];

/// The members of the request body, in order. They stay unparsed, because senders keep adding some.
pub(super) struct Notification<'a>(Object<'a>);

type Object<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

impl<'a> Notification<'a> {
    pub(super) fn read(body: &'a str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(body);
        let members = json.deserialize_map(Members)?;
        json.end()?;
        Ok(Notification(members))
    }

    /// A member by name, the last one of several; `None` if it is `null`.
    pub(super) fn member(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().rfind(|(known, _)| known == name);
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    /// A member as text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.member(name).and_then(text)
    }

    /// The alerts, unparsed.
    pub(super) fn alerts(&self) -> Result<Vec<&'a RawValue>, String> {
        let raw = self.member("alerts").ok_or_else(|| String::from("is missing"))?;
        serde_json::from_str(raw.get()).map_err(|_| String::from("expected an array"))
    }

    /// The number of alerts that the sender left out.
    pub(super) fn truncated(&self) -> u64 {
        self.member("truncatedAlerts").and_then(|count| count.get().parse().ok()).unwrap_or(0)
    }

    /// The members that apply to all alerts, as JSON. Each alert carries a copy, so members beyond `max` bytes are left out.
    pub(super) fn group(&self, max: usize) -> String {
        let mut group = String::from("{");
        for (name, raw) in &self.0 {
            let (name, raw) = (name.as_ref(), raw.get());
            if NOT_THE_GROUP.contains(&name) || group.len() + name.len() + raw.len() > max {
                continue;
            }
            if group.len() > 1 {
                group.push(',');
            }
            group.push_str(&serde_json::Value::from(name).to_string());
            group.push(':');
            group.push_str(raw);
        }
        group.push('}');
        group
    }
}

/// One alert. Its members are parsed one by one, so that an error can name the member.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    starts_at: Option<&'a RawValue>,
    #[serde(borrow)]
    fingerprint: Option<&'a RawValue>,
}

impl<'a> Alert<'a> {
    pub(super) fn status(&self) -> Result<&'static str, Problem> {
        match required("/status", self.status)?.as_ref() {
            "firing" => Ok("firing"),
            "resolved" => Ok("resolved"),
            other => {
                let text = format!("unknown status `{}`, expected `firing` or `resolved`", shown(other));
                Err(Problem { pointer: "/status", text })
            }
        }
    }

    /// When it began; it only informs, so an alert without it is one, too.
    pub(super) fn starts_at(&self) -> Option<Cow<'a, str>> {
        self.starts_at.and_then(text)
    }

    /// The fingerprint as it was sent; `None` if it is missing or empty.
    pub(super) fn fingerprint(&self) -> Option<Cow<'a, str>> {
        self.fingerprint.and_then(text).filter(|fingerprint| !fingerprint.is_empty())
    }

    /// The labels. A value that is no text is its JSON.
    pub(super) fn labels(&self) -> Result<Labels<'a>, Problem> {
        let raw = self.labels.ok_or_else(|| Problem { pointer: "/labels", text: String::from("is missing") })?;
        let expected = |_| Problem { pointer: "/labels", text: String::from("expected an object of strings") };
        let members = serde_json::Deserializer::from_str(raw.get()).deserialize_map(Members).map_err(expected)?;
        let value = |raw: &'a RawValue| text(raw).unwrap_or(Cow::Borrowed(raw.get()));
        Ok(Labels(members.into_iter().map(|(name, raw)| (name, value(raw))).collect()))
    }
}

/// The labels of an alert, in their original order.
#[derive(Default)]
pub(super) struct Labels<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Labels<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The fingerprint that Prometheus and Alertmanager give to these labels.
    pub(super) fn fingerprint(&self) -> String {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_unstable();
        let mut bytes = Vec::new();
        for (name, value) in sorted {
            for part in [name, value] {
                bytes.extend_from_slice(part.as_bytes());
                bytes.push(0xff);
            }
        }
        hex(fnv1a(&bytes))
    }

    /// The labels of these names as a Prometheus selector: `{cluster="eu", service="web"}`.
    pub(super) fn named(&self, names: &[String]) -> String {
        let mut selector = String::from("{");
        for name in names {
            if selector.len() > 1 {
                selector.push_str(", ");
            }
            selector.push_str(name);
            selector.push('=');
            selector.push_str(&serde_json::Value::from(self.get(name).unwrap_or_default()).to_string());
        }
        selector.push('}');
        selector
    }
}

fn required<'a>(pointer: &'static str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Problem> {
    let raw = raw.ok_or_else(|| Problem { pointer, text: String::from("is missing") })?;
    text(raw).ok_or_else(|| Problem { pointer, text: String::from("expected a string") })
}

/// A string that is borrowed from the body unless it has escapes. A plain `Cow` would always be copied.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A string, a number or a boolean as text.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first()? {
        b'"' => match serde_json::from_str::<Text<'_>>(raw.get()) {
            Ok(text) => Some(text.0),
            Err(_) => serde_json::from_str(&repair(raw.get())).ok().map(Cow::Owned),
        },
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw.get())),
    }
}

/// Parses an object, but not the values of its members.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}
