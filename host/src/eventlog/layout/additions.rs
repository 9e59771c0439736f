//! How a stored type grows without a new version: a list of tagged additions at its end.
//!
//! A program skips an addition that it does not know if the tag is below [`REQUIRED`], and loses it when it writes the
//! record again. It refuses the record if the tag is [`REQUIRED`] or above: such an addition changes what the rest means.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// The first tag that nobody may skip.
const REQUIRED: u8 = 128;

/// What a later program has added to a stored type: only the highest tag is kept, because this program knows none. It
/// writes no additions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Additions(Option<u8>);

impl Additions {
    pub(crate) const NONE: Self = Self(None);

    /// An error if there is an addition that must not be skipped.
    pub(crate) fn skip(self) -> Result<(), Unreadable> {
        match self.0 {
            Some(tag @ REQUIRED..) => Err(Unreadable::Addition(tag)),
            _ => Ok(()),
        }
    }

    /// What a later program would write.
    #[cfg(test)]
    pub(crate) fn of(tag: u8) -> Self {
        Self(Some(tag))
    }
}

/// A list of tags and texts.
impl Serialize for Additions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.map(|tag| (tag, "later")))
    }
}

impl<'de> Deserialize<'de> for Additions {
    // With the one below it makes a bucket of deliveries a quarter cheaper to read.
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Tags)
    }
}

struct Tags;

impl<'de> Visitor<'de> for Tags {
    type Value = Additions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of additions")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut additions: A) -> Result<Additions, A::Error> {
        let mut highest = None;
        while let Some((tag, _)) = additions.next_element::<(u8, &[u8])>()? {
            highest = highest.max(Some(tag));
        }
        Ok(Additions(highest))
    }
}

/// Why the content of a record, which is what was written, cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not what belongs there.
    Damaged(String),
    /// It has an addition that this program must know and does not.
    Addition(u8),
}

impl From<postcard::Error> for Unreadable {
    fn from(error: postcard::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<crate::event::NameError> for Unreadable {
    fn from(error: crate::event::NameError) -> Self {
        Self::Damaged(error.to_string())
    }
}
