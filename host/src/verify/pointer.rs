//! Integers at a JSON pointer.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::digits::digits;

/// The value at the pointer is not an integer or occurs twice, or the body is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAnInteger;

/// Whether `pointer` is valid (RFC 6901) and points below the root.
pub(super) fn is_valid(pointer: &str) -> bool {
    pointer.starts_with('/') && pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

/// The integer at `pointer` in a JSON document: a non-negative number, or a string of digits.
///
/// Streams through the document, so a large body costs no memory.
pub(super) fn integer(document: &[u8], pointer: &str) -> Result<Option<i64>, NotAnInteger> {
    let path: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    // A byte order mark is signed like the rest, and no part of the JSON.
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let found = Walk(&path).deserialize(&mut deserializer).map_err(|_| NotAnInteger)?;
    deserializer.end().map_err(|_| NotAnInteger)?;
    Ok(found)
}

/// The name of a member as bytes: half of a surrogate pair in another name must not cost the time.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(NameVisitor).map(Name)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(name.to_vec())
    }
}

/// The rest of the path from the current value.
#[derive(Clone, Copy)]
struct Walk<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn leaf<E: Error>(self, value: Option<i64>) -> Result<Option<i64>, E> {
        match value {
            _ if !self.0.is_empty() => Ok(None),
            Some(value) if value >= 0 => Ok(Some(value)),
            _ => Err(E::custom("not an integer")),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.leaf(Some(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.leaf(i64::try_from(value).ok())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.leaf(digits(value.as_bytes()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        self.leaf(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        self.leaf(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.leaf(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((name, rest)) = self.0.split_first() else { return self.leaf(None) };
        let mut found = None;
        while let Some(Name(key)) = map.next_key()? {
            if key != name.as_bytes() {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value_seed(Walk(rest))?).is_some() {
                return Err(A::Error::custom("a member is given twice"));
            }
        }
        Ok(found.flatten())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let Some((name, rest)) = self.0.split_first() else { return self.leaf(None) };
        let place: Option<usize> =
            name.parse().ok().filter(|_| !name.starts_with('+') && (name == "0" || !name.starts_with('0')));
        let mut found = None;
        for index in 0.. {
            let more = if Some(index) == place {
                sequence.next_element_seed(Walk(rest))?.map(|value| found = value).is_some()
            } else {
                sequence.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integer_at_a_pointer_is_found_wherever_it_stands() {
        for (document, pointer, expected) in [
            (r#"{"a":1,"t":17}"#, "/t", Ok(Some(17))),
            (r#"{"a":{"t":5},"t":[3,{"x":"17"}]}"#, "/t/1/x", Ok(Some(17))),
            (r#"{"a/b":{"~":17}}"#, "/a~1b/~0", Ok(Some(17))),
            (r#"{"":17}"#, "/", Ok(Some(17))),
            (r#"{"\u0074":17}"#, "/t", Ok(Some(17))),
            (r#"{"\ud83d":"\ud83d","t":17}"#, "/t", Ok(Some(17))),
            ("\u{feff}{\"t\":17}", "/t", Ok(Some(17))),
            (r#"{"a":1}"#, "/t", Ok(None)),
            (r#"{"t":1}"#, "/t/u", Ok(None)),
            (r"[17]", "/00", Ok(None)),
            (r"[17]", "/1", Ok(None)),
            (r#"{"t":17.0}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":1e3}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":-17}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":18446744073709551615}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":" 17"}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":null}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":true}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":{}}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":[17]}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":17,"t":18}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":17} {}"#, "/t", Err(NotAnInteger)),
            (r#"{"t":17"#, "/t", Err(NotAnInteger)),
            ("", "/t", Err(NotAnInteger)),
        ] {
            assert_eq!(integer(document.as_bytes(), pointer), expected, "{document} {pointer}");
        }
    }

    #[test]
    fn a_pointer_starts_with_a_slash_and_escapes_completely() {
        for (pointer, expected) in
            [("/a", true), ("/a~0~1", true), ("", false), ("a", false), ("/~", false), ("/~2", false)]
        {
            assert_eq!(is_valid(pointer), expected, "{pointer:?}");
        }
    }
}
