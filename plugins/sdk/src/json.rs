//! Tolerant JSON, for senders that may change their payload: a member of another shape counts as missing, the rest is kept.
//!
//! ```
//! use gateway_plugin_sdk::json::{Object, Text};
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default)]
//! struct Issue<'a> {
//!     #[serde(borrow)]
//!     key: Text<'a>,
//!     #[serde(borrow)]
//!     author: Object<Author<'a>>,
//! }
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default)]
//! struct Author<'a> {
//!     #[serde(borrow)]
//!     name: Text<'a>,
//! }
//!
//! let issue: Issue = serde_json::from_str(r#"{"key": 7, "author": [{"name": "ada"}]}"#).expect("it is JSON");
//! assert_eq!(issue.key.get(), Some("7"));
//! assert!(issue.author.get().is_none());
//! ```

mod repair;

use std::borrow::Cow;
use std::fmt::{self, Formatter};
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

pub use self::repair::repair;
use crate::channel::{Received, Rejection, Request};
use crate::reply::body_of;
use crate::{Level, Response};

/// What some senders put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A string, an integer or a boolean; any other member counts as missing. A string without escapes is borrowed from the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text; `None` if it is missing or empty.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// Whether the member is this text.
    pub fn is(&self, text: &str) -> bool {
        self.get() == Some(text)
    }
}

/// A [`Text`], or the `id` of an object: in some places senders give only the id of a user or a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Id<'a>(Text<'a>);

impl Id<'_> {
    /// The id; `None` if it is missing or empty.
    pub fn get(&self) -> Option<&str> {
        self.0.get()
    }
}

/// An object; any other member counts as missing. It is boxed, because most objects are absent.
#[derive(Clone, Debug)]
pub struct Object<T>(Option<Box<T>>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Object<T> {
    /// The object, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }
}

/// The objects in an array; other elements are skipped. Empty if the member is not an array.
#[derive(Clone, Debug)]
pub struct Objects<T>(Vec<T>);

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Objects<T> {
    /// The objects in order.
    pub fn get(&self) -> &[T] {
        &self.0
    }
}

/// Parses a payload. A text that is not Unicode or a member that is given twice does not cost the others: the JSON is then
/// [repaired](repair). JSON that does not fit the type gives the default and a warning in the log: the event is kept without
/// facts. A body that is not JSON is refused.
pub fn parse<'a, T: Default + Deserialize<'a>>(request: &'a Request, json: &'a str) -> Result<T, Rejection> {
    let mut read = serde_json::from_str::<Object<T>>(json);
    if read.is_err() {
        serde_json::from_str::<IgnoredAny>(json)
            .map_err(|error| Rejection::new(400, format!("body is not JSON: {error}")))?;
        if let Some(repaired) = request.keep_text(repair(json)) {
            read = serde_json::from_str(repaired);
        }
    }
    let reason = match read {
        Ok(Object(Some(payload))) => return Ok(*payload),
        Ok(Object(None)) => String::from("not an object"),
        Err(error) => error.to_string(),
    };
    request.host().log(Level::Warn, &format!("Payload has an unexpected shape, event kept without facts: {reason}"));
    Ok(T::default())
}

/// Passes the request's body to `receive` as text, without a byte order mark. Bytes that are not UTF-8 become U+FFFD: a sender
/// that cuts a text off within a character loses that text alone.
pub fn with_text(request: &Request, receive: impl FnOnce(&str) -> Received) -> Received {
    receive(&request.text())
}

/// The request's body as text, without a byte order mark; a body that is not UTF-8 is refused. It is for formats that can have
/// other encodings; [`with_text`] is for JSON.
pub fn text(request: &Request) -> Result<&str, Rejection> {
    let body = request.body().strip_prefix(BYTE_ORDER_MARK).unwrap_or(request.body());
    str::from_utf8(body).map_err(|error| Rejection::new(400, format!("body is not UTF-8: {error}")))
}

impl Response {
    /// The body as JSON, also the reply of a model that was cut off within a character; `Null` if it is not JSON.
    pub fn json(&self) -> Value {
        let body = body_of(self);
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let repaired = || serde_json::from_str(&repair(&String::from_utf8_lossy(body))).ok();
        serde_json::from_slice(body).ok().or_else(repaired).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor { of_object: false }).map(Text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor { of_object: true }).map(|id| Id(Text(id)))
    }
}

/// Accepts a string, an integer or a boolean, and skips any other value.
struct TextVisitor {
    /// Whether to accept the `id` of an object, too.
    of_object: bool,
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, word: bool) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(if word { "true" } else { "false" })))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if self.of_object && key.is("id") {
                id = map.next_value::<Text<'de>>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(id)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = ShapeVisitor { with_elements: false, of: PhantomData };
        deserializer.deserialize_any(visitor).map(|(object, _)| Object(object))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = ShapeVisitor { with_elements: true, of: PhantomData };
        deserializer.deserialize_any(visitor).map(|(_, objects)| Objects(objects))
    }
}

/// Accepts an object or an array of objects, and skips any other value.
struct ShapeVisitor<T> {
    with_elements: bool,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ShapeVisitor<T> {
    type Value = (Option<Box<T>>, Vec<T>);

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        if self.with_elements {
            return IgnoredAny.visit_map(map).map(|_| (None, Vec::new()));
        }
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| (Some(Box::new(object)), Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if !self.with_elements {
            return IgnoredAny.visit_seq(seq).map(|_| (None, Vec::new()));
        }
        let mut objects = Vec::new();
        while let Some(element) = seq.next_element::<Object<T>>()? {
            objects.extend(element.0.map(|object| *object));
        }
        Ok((None, objects))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok((None, Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok((None, Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok((None, Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok((None, Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok((None, Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((None, Vec::new()))
    }
}

#[cfg(test)]
mod tests;
