//! A write as it is in a segment: its length, a checksum, its number, the position of the last event, and its changes.
//!
//! The checksum is over all of it and over the random number of the segment, so that nothing which an earlier life of the
//! file has left is taken for a record. The number is stored with that random number over it: a payload cannot pretend to have
//! records in it, and whoever looks for one behind damage computes few checksums in vain.

use std::ops::Range;

use bytes::Bytes;

use super::pointer::Pointer;
use crate::event::Seq;
use crate::eventlog::engine::Op;

/// Length, checksum, number and position.
pub(super) const HEAD: usize = 24;
/// The kind of a change, and the lengths of its key and its value.
const CHANGE: usize = 9;
const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// What the log has at a key, in the order of age: a record, a layer, the store of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Value(Bytes),
    At(Pointer),
    Removed,
}

/// A record that is being written; whoever knows its segment completes it.
pub(super) struct Draft {
    number: u64,
    bytes: Vec<u8>,
    /// The keys and what they have; values in the record by their place in it.
    changes: Vec<(Bytes, Change)>,
}

enum Change {
    Value(Bytes),
    Within(Range<usize>),
    Removed,
}

impl Draft {
    pub(super) fn new(ops: Vec<Op>, number: u64, head: Seq) -> Self {
        let length = HEAD + ops.iter().map(|op| CHANGE + op.size()).sum::<usize>();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&(length as u64).to_le_bytes()[..4]);
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&head.0.to_le_bytes());
        let mut changes = Vec::with_capacity(ops.len());
        for op in ops {
            let (kind, key, value) = match op {
                Op::Put(key, value) => (PUT, key, value),
                Op::Remove(key) => (REMOVE, key, Vec::new()),
            };
            bytes.push(kind);
            bytes.extend_from_slice(&(key.len() as u64).to_le_bytes()[..4]);
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes()[..4]);
            bytes.extend_from_slice(&key);
            let at = bytes.len();
            bytes.extend_from_slice(&value);
            let change = match kind {
                PUT if Pointer::is_for(&value) => Change::Within(at..bytes.len()),
                // What a value was built in may be larger, and stays as long as the value.
                PUT => Change::Value(value.into_boxed_slice().into()),
                _ => Change::Removed,
            };
            changes.push((key.into_boxed_slice().into(), change));
        }
        Self { number, bytes, changes }
    }

    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The record for the segment with this random number.
    pub(super) fn seal(&mut self, salt: u64) -> &[u8] {
        self.bytes[8..16].copy_from_slice(&(self.number ^ salt).to_le_bytes());
        let sum = checksum(&self.bytes, salt);
        self.bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        &self.bytes
    }

    /// What the keys have once it is at `offset` of `segment`.
    pub(super) fn entries(self, segment: u64, offset: u64) -> impl Iterator<Item = (Bytes, Entry)> {
        self.changes.into_iter().map(move |(key, change)| {
            let entry = match change {
                Change::Value(value) => Entry::Value(value),
                Change::Within(range) => Entry::At(pointer(segment, offset, &range)),
                Change::Removed => Entry::Removed,
            };
            (key, entry)
        })
    }
}

/// The place of `range` in a file that has what it is of at `offset`.
fn pointer(segment: u64, offset: u64, range: &Range<usize>) -> Pointer {
    let length = u32::try_from(range.len()).expect("no value has 4 GiB");
    Pointer { segment, offset: offset + range.start as u64, length }
}

/// A record that was found in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) head: Seq,
    /// All of it.
    pub(super) place: Range<usize>,
}

impl Found {
    /// The number of a record that is no write, but has values of earlier ones.
    pub(super) const UNNUMBERED: u64 = 0;

    /// The record at `at` of `content`, when there is a whole one.
    pub(super) fn at(content: &[u8], at: usize, salt: u64) -> Option<Self> {
        let length = length(content.get(at..)?)?;
        let bytes = content.get(at..at.checked_add(length)?)?;
        let [number, head] = bytes[8..HEAD].as_chunks().0 else { return None };
        let (number, head) = (u64::from_le_bytes(*number) ^ salt, Seq(u64::from_le_bytes(*head)));
        let found = Self { number, head, place: at..at + length };
        (bytes[4..8] == checksum(bytes, salt).to_le_bytes() && changes(&bytes[HEAD..]).all(|change| change.is_some()))
            .then_some(found)
    }

    /// The first record at `from` or later with a number from `number` on, wherever it is.
    pub(super) fn after(content: &[u8], from: usize, salt: u64, number: u64) -> Option<Self> {
        /// Most of a segment may be empty.
        const EMPTY: [u8; 4096] = [0; 4096];
        let last = content.len().checked_sub(HEAD)?;
        // Nearly all bytes that are no record have another number there, which is cheaper to see than a checksum.
        let likely = number..number.saturating_add(u32::MAX.into());
        let mut at = from;
        while at <= last {
            // No record has a length of 0.
            if content[at] == 0 && content[at..].starts_with(&EMPTY) {
                at += EMPTY.len() - 3;
                continue;
            }
            let found = content[at + 8..].first_chunk().map_or(0, |number| u64::from_le_bytes(*number) ^ salt);
            if likely.contains(&found)
                && let Some(found) = Self::at(content, at, salt)
            {
                return Some(found);
            }
            at += 1;
        }
        None
    }

    /// What the keys have since it was written, when `content` is that of `segment`.
    pub(super) fn entries(&self, content: &Bytes, segment: u64) -> impl Iterator<Item = (Bytes, Entry)> {
        let base = self.place.start + HEAD;
        changes(&content[base..self.place.end]).map_while(|change| change).map(move |Parsed { kind, key, value }| {
            let copied = |range: &Range<usize>| Bytes::copy_from_slice(&content[base + range.start..base + range.end]);
            let entry = match kind {
                PUT if Pointer::is_for(&content[base + value.start..base + value.end]) => {
                    Entry::At(pointer(segment, base as u64, &value))
                }
                PUT => Entry::Value(copied(&value)),
                _ => Entry::Removed,
            };
            (copied(&key), entry)
        })
    }
}

/// The length of the record that `bytes` begin with; `None` when it cannot be one.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    (length >= HEAD).then_some(length)
}

struct Parsed {
    kind: u8,
    key: Range<usize>,
    value: Range<usize>,
}

impl Parsed {
    fn at(body: &[u8], at: usize) -> Option<Self> {
        let (&[kind, ref lengths @ ..], _) = body.get(at..)?.split_first_chunk::<CHANGE>()?;
        let [key, value] = lengths.as_chunks().0 else { return None };
        let start = at + CHANGE;
        let middle = start.checked_add(u32::from_le_bytes(*key) as usize)?;
        let end = middle.checked_add(u32::from_le_bytes(*value) as usize)?;
        let is_whole = end <= body.len() && [PUT, REMOVE].contains(&kind);
        is_whole.then_some(Self { kind, key: start..middle, value: middle..end })
    }
}

/// The changes in the body of a record; ends with `None` where it cannot be read.
fn changes(body: &[u8]) -> impl Iterator<Item = Option<Parsed>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == body.len() {
            return None;
        }
        let change = Parsed::at(body, at);
        at = change.as_ref().map_or(body.len(), |change| change.value.end);
        Some(change)
    })
}

fn checksum(record: &[u8], salt: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&record[..4]);
    hasher.update(&record[8..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x1234_5678_9abc_def0;

    fn sample(number: u64) -> (Vec<u8>, Vec<(Bytes, Entry)>) {
        let ops = vec![
            Op::Put(b"small".to_vec(), b"value".to_vec()),
            Op::Put(b"large".to_vec(), vec![number as u8; 1500]),
            Op::Put(b"marked".to_vec(), vec![0, 1]),
            Op::Put(b"empty".to_vec(), Vec::new()),
            Op::Remove(b"gone".to_vec()),
        ];
        let mut draft = Draft::new(ops, number, Seq(number * 2));
        let bytes = draft.seal(SALT).to_vec();
        (bytes, draft.entries(3, 100).collect())
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let (bytes, entries) = sample(5);
        let content = Bytes::from([vec![9; 100], bytes.clone(), vec![0; 50]].concat());

        let found = Found::at(&content, 100, SALT).unwrap();

        assert_eq!((found.number, found.head, found.place.len()), (5, Seq(10), bytes.len()));
        assert_eq!(found.entries(&content, 3).collect::<Vec<_>>(), entries);
        let pointers = entries.iter().filter(|(_, entry)| matches!(entry, Entry::At(_)));
        assert_eq!(pointers.map(|(key, _)| &key[..]).collect::<Vec<_>>(), [&b"large"[..], b"marked"]);
        let Some((_, Entry::At(Pointer { offset, length, .. }))) = entries.get(1) else { panic!("{entries:?}") };
        let at = usize::try_from(*offset).unwrap();
        assert_eq!(content[at..at + *length as usize], vec![5; 1500]);
    }

    #[test]
    fn a_record_that_is_cut_or_flipped_anywhere_is_none() {
        let (bytes, _) = sample(5);
        assert_eq!(Found::at(&bytes, 0, SALT + 1), None, "it is of another life of the file");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(Found::at(&flipped, 0, SALT), None, "flipped at {at}");
            assert_eq!(Found::at(&bytes[..at], 0, SALT), None, "cut at {at}");
        }
    }

    #[test]
    fn a_later_record_is_found_behind_a_damaged_one() {
        let [(mut bad, _), (good, _)] = [sample(5), sample(6)];
        let start = bad.len();
        bad[2] ^= 0x40;
        let content = [bad, good].concat();

        let found = Found::after(&content, 0, SALT, 5).unwrap();

        assert_eq!((found.number, found.place.start), (6, start));
        assert_eq!(Found::after(&content, 0, SALT, 7), None);
        assert_eq!(Found::after(&[], 0, SALT, 7), None);
    }

    #[test]
    fn a_later_record_is_found_behind_any_number_of_zeros() {
        let (good, _) = sample(6);
        for zeros in (0..40).chain(4080..4110).chain([8191, 8192, 8193, 20_000]) {
            let content = [vec![0; zeros], good.clone(), vec![0; 5000]].concat();
            let found = Found::after(&content, 0, SALT, 5).map(|found| (found.number, found.place.start));
            assert_eq!(found, Some((6, zeros)));
        }
    }

    #[test]
    fn a_payload_that_looks_like_records_is_none() {
        let (record, _) = sample(6);
        let content = record.repeat(3);
        let [of_this, of_another] = [SALT, SALT ^ 1].map(|salt| Found::after(&content, 1, salt, 1));
        assert!(of_this.is_some() && of_another.is_none());
    }
}
