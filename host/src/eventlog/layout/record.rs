//! The envelope of every record: the version of its kind, a checksum, and the content.
//!
//! Each kind of record counts its versions for itself. A program reads all versions up to the one that it writes, and
//! refuses a later one with both numbers. The envelope is the same in all versions, so that a later version is told from
//! damage.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::additions::Unreadable;
use super::key;
use crate::eventlog::EventLogError;

/// No value is larger: the store would put it into a file of its own that it never syncs.
pub(crate) const MAX_VALUE: usize = 32 * 1024;

/// The version and the checksum.
pub(super) const ENVELOPE: usize = 5;

/// A kind of record that is read and written as a whole.
pub(crate) trait Record: Sized {
    /// What is written, and the latest that is read.
    const VERSION: u8;

    /// Appends the content.
    fn write(&self, value: Vec<u8>) -> Vec<u8>;

    /// Reads content of `version`, which is at most [`Record::VERSION`].
    fn read(version: u8, content: &[u8]) -> Result<Self, Unreadable>;
}

/// The version of kinds that have had no other one and are written as they are in memory.
pub(super) const PLAIN: u8 = 1;

/// Makes records of such types.
macro_rules! plain_records {
    ($($type:ty)+) => {
        $(impl $crate::eventlog::layout::record::Record for $type {
            const VERSION: u8 = $crate::eventlog::layout::record::PLAIN;

            fn write(&self, value: Vec<u8>) -> Vec<u8> {
                $crate::eventlog::layout::record::push(value, self)
            }

            fn read(_: u8, content: &[u8]) -> Result<Self, $crate::eventlog::layout::additions::Unreadable> {
                Ok(postcard::from_bytes(content)?)
            }
        })+
    };
}
pub(super) use plain_records;

/// A value that is being written; its envelope is filled in at the end.
pub(crate) fn draft(capacity: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(ENVELOPE + capacity);
    value.resize(ENVELOPE, 0);
    value
}

/// Completes a value with its envelope.
pub(crate) fn seal(key: &[u8], version: u8, mut value: Vec<u8>) -> Vec<u8> {
    let sum = checksum(key, version, &value[ENVELOPE..]);
    value[0] = version;
    value[1..ENVELOPE].copy_from_slice(&sum.to_le_bytes());
    value
}

/// A complete value with `content`.
pub(crate) fn encode<T: Record>(key: &[u8], content: &T) -> Vec<u8> {
    seal(key, T::VERSION, content.write(draft(64)))
}

/// A complete value of a plain kind, of what its type borrows.
pub(super) fn encode_plain<T: Serialize + ?Sized>(key: &[u8], content: &T) -> Vec<u8> {
    seal(key, PLAIN, push(draft(64), content))
}

/// The version and the content of a stored value, when it is what was written at `key` and its version is at most `newest`.
pub(crate) fn open(key: &[u8], value: &Bytes, newest: u8) -> Result<(u8, Bytes), EventLogError> {
    let (version, content) = checked(key, value)?;
    if version > newest {
        return Err(EventLogError::Version { key: key::display(key), found: version, expected: newest });
    }
    Ok((version, content))
}

/// The same for every version, also later ones.
pub(crate) fn checked(key: &[u8], value: &Bytes) -> Result<(u8, Bytes), EventLogError> {
    let (Some(&version), Some(sum)) = (value.first(), value.get(1..ENVELOPE)) else {
        return Err(corrupt(key, format!("{} bytes are too few", value.len())));
    };
    let content = value.slice(ENVELOPE..);
    if version == 0 || sum != checksum(key, version, &content).to_le_bytes() {
        return Err(corrupt(key, "the checksum does not match".to_owned()));
    }
    Ok((version, content))
}

/// Reads what [`encode`] wrote, now or in an earlier version.
pub(crate) fn decode<T: Record>(key: &[u8], value: &Bytes) -> Result<T, EventLogError> {
    let (version, content) = open(key, value, T::VERSION)?;
    T::read(version, &content).map_err(|error| unreadable(key, error))
}

pub(crate) fn corrupt(key: &[u8], detail: String) -> EventLogError {
    EventLogError::Corrupt { key: key::display(key), detail }
}

pub(crate) fn unreadable(key: &[u8], error: Unreadable) -> EventLogError {
    match error {
        Unreadable::Damaged(detail) => corrupt(key, detail),
        Unreadable::Addition(tag) => EventLogError::Addition { key: key::display(key), tag },
    }
}

/// Format 1 had no other version, and left it out.
fn checksum(key: &[u8], version: u8, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if version > 1 {
        hasher.update(&[version]);
    }
    hasher.update(key);
    hasher.update(content);
    hasher.finalize()
}

pub(super) fn push<T: Serialize + ?Sized>(value: Vec<u8>, content: &T) -> Vec<u8> {
    postcard::to_extend(content, value).expect("these records hold nothing that postcard refuses")
}

/// Positions whose events are no longer there, from the one in the key of the record to `last`.
///
/// What has neither an event nor this is damaged. Neighbours of one kind are one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    pub(crate) last: crate::event::Seq,
    /// They were lost to a damage, and the store was repaired; otherwise they were removed when their time was over.
    pub(crate) lost: bool,
}

plain_records! { Tombstone Bytes }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_was_written_or_an_error() {
        let key = key::meta("x");
        for version in [1, 2] {
            let value = seal(&key, version, push(draft(0), "content"));
            assert_eq!(open(&key, &value.clone().into(), 2).unwrap().0, version);
            assert!(open(&key::meta("y"), &value.clone().into(), 2).is_err());
            for position in 0..value.len() {
                for bit in 0..8 {
                    let mut flipped = value.clone();
                    flipped[position] ^= 1 << bit;
                    let error = open(&key, &flipped.into(), 2).unwrap_err();
                    assert!(matches!(error, EventLogError::Corrupt { .. }), "{position}: {error}");
                }
            }
            for length in 0..value.len() {
                assert!(open(&key, &value[..length].to_vec().into(), 2).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn a_later_version_is_refused_with_both_numbers() {
        let key = key::tombstone(crate::event::Seq(7));
        let value = seal(&key, 3, push(draft(0), "later"));

        let error = decode::<Tombstone>(&key, &value.into()).unwrap_err();

        assert_eq!(error, EventLogError::Version { key: "g/7".to_owned(), found: 3, expected: 1 });
    }
}
