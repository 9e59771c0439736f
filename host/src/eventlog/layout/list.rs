//! Lists whose elements become what they stand for while they are read, so that nothing is in memory twice.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::additions::Unreadable;

/// A stored type, and what it stands for.
pub(crate) trait Stored {
    type Value;

    fn into_value(self) -> Result<Self::Value, Unreadable>;
}

/// A list of `S`, read.
pub(crate) struct List<S: Stored>(Result<Vec<S::Value>, Unreadable>);

impl<S: Stored> List<S> {
    pub(crate) fn into_values(self) -> Result<Vec<S::Value>, Unreadable> {
        self.0
    }
}

impl<'de, S: Stored + Deserialize<'de>> Deserialize<'de> for List<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

struct Elements<S>(PhantomData<S>);

impl<'de, S: Stored + Deserialize<'de>> Visitor<'de> for Elements<S> {
    type Value = List<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<List<S>, A::Error> {
        /// A damaged length asks for no more memory at once.
        const RESERVED: usize = 1024;
        let mut values = Vec::with_capacity(elements.size_hint().unwrap_or(0).min(RESERVED));
        let mut failure = None;
        // All of them are read, also behind one that cannot be used: what follows the list begins there.
        while let Some(element) = elements.next_element::<S>()? {
            match element.into_value() {
                Ok(value) => values.push(value),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Ok(List(failure.map_or(Ok(values), Err)))
    }
}
