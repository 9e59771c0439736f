//! How a stored type grows without a new version: a list of tagged additions at its end.
//!
//! A program skips an addition that it does not know if the tag is below [`REQUIRED`], and loses it when it writes the
//! record again. It refuses the record if the tag is [`REQUIRED`] or above: such an addition changes what the rest means.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};

use crate::event::{Event, EventId};

/// The first tag that nobody may skip.
const REQUIRED: u8 = 128;

/// What a later program has added to a stored type of which this one knows no additions: only the highest tag is kept.
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

/// The additions of an event: what its provider calls the delivery, under [`Self::DELIVERY_ID`], why it is in quarantine, under
/// [`Self::QUARANTINE`], and what it repeats, under [`Self::REPEAT_OF`]: a program that does not know the latter would tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventAdditions<'a> {
    delivery_id: Option<&'a [u8]>,
    quarantine: Option<&'a [u8]>,
    repeat_of: Option<&'a [u8]>,
    /// The highest tag that this program does not know.
    unknown: Option<u8>,
}

impl<'a> EventAdditions<'a> {
    const DELIVERY_ID: u8 = 1;
    const QUARANTINE: u8 = REQUIRED + 1;
    const REPEAT_OF: u8 = REQUIRED + 2;
    const NONE: Self = Self { delivery_id: None, quarantine: None, repeat_of: None, unknown: None };

    pub(crate) fn new(event: &'a Event) -> Self {
        Self {
            delivery_id: event.delivery_id.as_deref().map(str::as_bytes),
            quarantine: event.quarantine.as_deref().map(str::as_bytes),
            repeat_of: event.repeat_of.as_ref().map(EventId::as_bytes),
            unknown: None,
        }
    }

    /// The event with what they say of it; an error if there is an addition that must not be skipped.
    pub(crate) fn complete(self, event: Event) -> Result<Event, Unreadable> {
        Additions(self.unknown).skip()?;
        let damaged = |error: String| Unreadable::Damaged(format!("addition of an event: {error}"));
        let text = |content: Option<&'a [u8]>| {
            let text = content.map(std::str::from_utf8).transpose().map_err(|error| damaged(error.to_string()));
            text.map(|text| text.map(str::to_owned))
        };
        let id = |content: &[u8]| {
            EventId::from_slice(content).ok_or_else(|| damaged(format!("an id has {} bytes", content.len())))
        };
        Ok(Event {
            delivery_id: text(self.delivery_id)?,
            quarantine: text(self.quarantine)?,
            repeat_of: self.repeat_of.map(id).transpose()?,
            ..event
        })
    }

    /// What a later program would write.
    #[cfg(test)]
    pub(crate) fn of(tag: u8) -> Self {
        Self { unknown: Some(tag), ..Self::NONE }
    }
}

impl Serialize for EventAdditions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(tag) = self.unknown {
            return Additions(Some(tag)).serialize(serializer);
        }
        let known = [
            (Self::DELIVERY_ID, self.delivery_id),
            (Self::QUARANTINE, self.quarantine),
            (Self::REPEAT_OF, self.repeat_of),
        ];
        let count = known.iter().filter(|(_, content)| content.is_some()).count();
        let mut additions = serializer.serialize_seq(Some(count))?;
        for (tag, content) in known {
            if let Some(content) = content {
                additions.serialize_element(&(tag, Text(content)))?;
            }
        }
        additions.end()
    }
}

/// Bytes as a text of postcard: the length before them.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EventAdditions<'a> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EventTags)
    }
}

struct EventTags;

impl<'de> Visitor<'de> for EventTags {
    type Value = EventAdditions<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of additions")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut additions: A) -> Result<Self::Value, A::Error> {
        let mut read = EventAdditions::NONE;
        while let Some((tag, content)) = additions.next_element::<(u8, &[u8])>()? {
            match tag {
                EventAdditions::DELIVERY_ID => read.delivery_id = Some(content),
                EventAdditions::QUARANTINE => read.quarantine = Some(content),
                EventAdditions::REPEAT_OF => read.repeat_of = Some(content),
                unknown => read.unknown = read.unknown.max(Some(unknown)),
            }
        }
        Ok(read)
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
