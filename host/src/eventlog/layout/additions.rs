//! How a stored type grows without a new version: a list of tagged additions at its end.
//!
//! A program skips an addition that it does not know if the tag is below [`REQUIRED`], and loses it when it writes the
//! record again. It refuses the record if the tag is [`REQUIRED`] or above: such an addition changes what the rest means.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The first tag that nobody may skip.
const REQUIRED: u8 = 128;

/// What a later program has added to a stored type. This one writes none and knows none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Additions(Vec<(u8, Bytes)>);

impl Additions {
    pub(crate) const NONE: Self = Self(Vec::new());

    /// The additions as they are skipped; an error if one of them must not be.
    pub(crate) fn skip(&self) -> Result<(), Unreadable> {
        match self.0.iter().find(|(tag, _)| *tag >= REQUIRED) {
            Some((tag, _)) => Err(Unreadable::Addition(*tag)),
            None => Ok(()),
        }
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

#[cfg(test)]
impl Additions {
    /// What a later program would write.
    pub(crate) fn of(tag: u8) -> Self {
        Self(vec![(tag, Bytes::from_static(b"later"))])
    }
}
