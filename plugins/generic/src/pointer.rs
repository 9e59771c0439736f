//! JSON pointers (RFC 6901) into JSON text. Values off the path are skipped, so no tree is built.
//!
//! A pointer also leads into JSON that is inside of a text: a field of a form, a part of a multipart body, the message of a
//! notification. Of members with the same name the last one counts.

use std::borrow::Cow;
use std::fmt;

use gateway_plugin_sdk::json::repair;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A pointer; without steps it points to the whole document.
#[derive(Debug)]
pub(crate) struct Pointer {
    text: String,
    steps: Vec<String>,
}

/// Where the steps lead.
enum Found<'a> {
    Value(&'a RawValue),
    /// To a text, with this many steps left.
    Text(Cow<'a, str>, usize),
}

impl Pointer {
    /// `None` if the text is not empty and does not start with `/`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let steps = match text {
            "" => Vec::new(),
            _ => text.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        };
        Some(Pointer { text: text.to_owned(), steps })
    }

    /// The whole document.
    pub(crate) fn whole() -> Self {
        Pointer { text: String::new(), steps: Vec::new() }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The value at this pointer in `json`, which must be valid JSON.
    pub(crate) fn find<'a>(&self, json: &'a str) -> Option<Cow<'a, RawValue>> {
        find(&self.steps, json)
    }
}

fn find<'a>(steps: &[String], json: &'a str) -> Option<Cow<'a, RawValue>> {
    if let Ok(found) = Below(steps).deserialize(&mut serde_json::Deserializer::from_str(json)) {
        return resolve(steps, found?);
    }
    // Half of a surrogate pair in a name makes the document unreadable.
    let repaired = repair(json);
    let found = Below(steps).deserialize(&mut serde_json::Deserializer::from_str(&repaired)).ok()??;
    resolve(steps, found).map(|value| Cow::Owned(value.into_owned()))
}

fn resolve<'a>(steps: &[String], found: Found<'a>) -> Option<Cow<'a, RawValue>> {
    match found {
        Found::Value(value) => Some(Cow::Borrowed(value)),
        Found::Text(text, left) => {
            let is_json = text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<&RawValue>(&text).is_ok();
            let value = find(steps.get(steps.len() - left..)?, is_json.then_some(&*text)?)?;
            Some(Cow::Owned(value.into_owned()))
        }
    }
}

/// A string that is borrowed from the JSON unless it has escapes. A plain `Cow` would always be copied.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The name of a member. Half of a surrogate pair becomes U+FFFD.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, because as a text serde_json refuses it.
        deserializer.deserialize_bytes(NameVisitor).map(Name)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

/// A string, a number or a boolean as text.
pub(crate) fn scalar(raw: Cow<'_, RawValue>) -> Option<Cow<'_, str>> {
    match raw {
        Cow::Borrowed(raw) => scalar_of(raw.get()),
        Cow::Owned(raw) => scalar_of(raw.get()).map(|text| Cow::Owned(text.into_owned())),
    }
}

/// As [`scalar`], of JSON.
pub(crate) fn scalar_of(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => match serde_json::from_str::<Text<'_>>(json) {
            Ok(text) => Some(text.0),
            Err(_) => serde_json::from_str(&repair(json)).ok().map(Cow::Owned),
        },
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// Finds the value these steps below the deserialized one.
struct Below<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = Option<Found<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => <&RawValue>::deserialize(deserializer).map(|value| Some(Found::Value(value))),
            [step, rest @ ..] => deserializer.deserialize_any(Step { step, rest }),
        }
    }
}

struct Step<'p> {
    step: &'p str,
    rest: &'p [String],
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<Found<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(name)) = map.next_key()? {
            if name == self.step {
                found = map.next_value_seed(Below(self.rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // `01` and `+1` are not indexes.
        let wanted = self.step.parse::<usize>().ok().filter(|index| index.to_string() == self.step);
        let mut found = None;
        for index in 0.. {
            let more = if wanted == Some(index) {
                seq.next_element_seed(Below(self.rest))?.map(|value| found = value)
            } else {
                seq.next_element::<IgnoredAny>()?.map(drop)
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Found::Text(Cow::Owned(text.to_owned()), self.rest.len() + 1)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Found::Text(Cow::Borrowed(text), self.rest.len() + 1)))
    }
}
