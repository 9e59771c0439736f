//! Values at JSON pointers: one pass through the data finds those of all routes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::value::{Number, Scalar};

/// Items of a list that are compared; further ones are ignored.
const MAX_ITEMS: usize = 1000;

/// A JSON pointer (RFC 6901) to a value below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// Parts of a pointer.
    pub const MAX_DEPTH: usize = 16;
    const MAX_LENGTH: usize = 512;

    /// `None` if it is not valid, or too long.
    pub fn new(text: &str) -> Option<Self> {
        let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        let is_short = text.len() <= Self::MAX_LENGTH && text.matches('/').count() <= Self::MAX_DEPTH;
        (text.starts_with('/') && is_escaped && is_short).then(|| Self(text.to_owned()))
    }

    fn tokens(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The values at each pointer of a [`PointerTree`], by slot.
pub(super) type Values = Vec<Vec<Scalar<'static>>>;

/// All pointers of a table of routes.
#[derive(Debug, Default)]
pub(super) struct PointerTree {
    root: Node,
    slots: usize,
}

#[derive(Debug, Default)]
struct Node {
    slot: Option<usize>,
    children: BTreeMap<String, Node>,
}

impl PointerTree {
    /// Adds a pointer and returns its slot.
    pub(super) fn add(&mut self, pointer: &Pointer) -> usize {
        let node = pointer.tokens().fold(&mut self.root, |node, token| node.children.entry(token).or_default());
        *node.slot.get_or_insert_with(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// The values in `json`. A pointer that leads nowhere has none.
    pub(super) fn read(&self, json: Option<&str>) -> Values {
        let mut values = vec![Vec::new(); self.slots];
        if let Some(json) = json {
            let walk = Walk { node: Some(&self.root), list: None, values: &mut values };
            // What could be read before an error, such as too deep a nesting, counts.
            let _ = walk.deserialize(&mut serde_json::Deserializer::from_str(json));
        }
        values
    }
}

/// Reads one value.
struct Walk<'a> {
    /// Where pointers end here or lead further.
    node: Option<&'a Node>,
    /// The slot of the list that has the value as an item.
    list: Option<usize>,
    values: &'a mut Values,
}

impl Walk<'_> {
    /// Notes the value where it is wanted. The last of several members of one name counts.
    fn note(&mut self, value: Scalar<'static>) {
        if let Some(list) = self.list {
            self.values[list].push(value.clone());
        }
        if let Some(slot) = self.node.and_then(|node| node.slot) {
            self.values[slot] = vec![value];
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.is_none() && self.list.is_none() {
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.note(Scalar::Number(Number::Whole(value.into())));
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.note(Scalar::Number(Number::Whole(value.into())));
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.note(Scalar::Number(Number::Real(value)));
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.note(Scalar::Flag(value));
        Ok(())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.note(Scalar::Text(Cow::Owned(value.to_owned())));
        Ok(())
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.note(Scalar::Other("null"));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.note(Scalar::Other("an object"));
        let Self { node, values, .. } = self;
        while let Some(name) = map.next_key::<String>()? {
            let node = node.and_then(|node| node.children.get(&name));
            map.next_value_seed(Walk { node, list: None, values })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        self.note(Scalar::Other("a list"));
        let Self { node, values, .. } = self;
        let slot = node.and_then(|node| node.slot);
        if let Some(slot) = slot {
            values[slot].clear();
        }
        for index in 0.. {
            let node = node.and_then(|node| node.children.get(&index.to_string()));
            let item = Walk { node, list: slot.filter(|_| index < MAX_ITEMS), values };
            if sequence.next_element_seed(item)?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_finds_the_values_of_all_pointers() {
        let document = r#"{"a": {"b": [1, "x", {"c": true}], "b/~": null}, "n": 1.5, "n": 2, "o": {}, "l": [[1]]}"#;
        let expected = [
            ("/a/b", r#"1, "x", an object"#),
            ("/a/b/1", r#""x""#),
            ("/a/b/2/c", "true"),
            ("/a/b~1~0", "null"),
            ("/n", "2"),
            ("/o", "an object"),
            ("/o/p", ""),
            ("/l", "a list"),
            ("/l/0", "1"),
            ("/nowhere", ""),
        ];
        let mut tree = PointerTree::default();
        let slots = expected.map(|(pointer, _)| tree.add(&Pointer::new(pointer).unwrap()));
        let values = tree.read(Some(document));

        for ((pointer, expected), slot) in expected.into_iter().zip(slots) {
            let found: Vec<_> = values[slot].iter().map(ToString::to_string).collect();
            assert_eq!(found.join(", "), expected, "{pointer}");
        }
        assert_eq!(tree.add(&Pointer::new("/n").unwrap()), slots[4]);
        assert!(tree.read(None).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_pointer_starts_with_a_slash_and_is_short() {
        let deep = "/a".repeat(Pointer::MAX_DEPTH);
        for (text, expected) in
            [("/a/b", true), ("/", true), (&*deep, true), (&*format!("{deep}/a"), false), ("a", false), ("/~2", false)]
        {
            assert_eq!(Pointer::new(text).is_some(), expected, "{text}");
        }
    }
}
