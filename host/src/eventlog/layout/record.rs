//! How values are written: a format byte and a checksum before everything, events in blocks.
//!
//! The events of one commit share blocks, because the store's work goes by the number of keys. A block is the
//! entries of consecutive events, each with its length before it; its key names the first.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::key;
use crate::event::{Delivery, Event, Recipient, Seq};
use crate::eventlog::EventLogError;
use crate::eventlog::identity::Identity;

/// The format of every record; another one is never read.
pub(crate) const FORMAT: u8 = 1;
/// No value is larger: the store would put it into a file of its own that it never syncs.
pub(crate) const MAX_VALUE: usize = 32 * 1024;
/// The most that an event may take without its payload.
pub(crate) const MAX_HEADER: usize = 24 * 1024;
/// How much of a payload is in one record, once it does not fit into the event's own. Larger parts write a fifth
/// cheaper, but the store's pages grow with them, and its memory with its pages.
pub(crate) const BODY_PART: usize = 8 * 1024;
/// How many consecutive events have their deliveries in one record.
pub(crate) const BUCKET: u64 = 16;

const HEADER: usize = 5;
const LENGTH: usize = 4;

/// A value that is being written; its first bytes are filled in at the end.
pub(crate) fn draft(capacity: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + capacity);
    value.resize(HEADER, 0);
    value
}

/// Completes a value with the format and a checksum over its key and content.
pub(crate) fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let sum = checksum(key, &value[HEADER..]);
    value[0] = FORMAT;
    value[1..HEADER].copy_from_slice(&sum.to_le_bytes());
    value
}

/// A complete value: `content` in postcard.
pub(crate) fn encode<T: Serialize>(key: &[u8], content: &T) -> Vec<u8> {
    seal(key, push(draft(64), content))
}

/// The content of a stored value, when it is what was written at `key`.
pub(crate) fn open(key: &[u8], value: &Bytes) -> Result<Bytes, EventLogError> {
    let (Some(&format), Some(sum)) = (value.first(), value.get(1..HEADER)) else {
        return Err(corrupt(key, format!("{} bytes are too few", value.len())));
    };
    if format != FORMAT {
        return Err(EventLogError::Format { found: format, expected: FORMAT });
    }
    let content = value.slice(HEADER..);
    if sum != checksum(key, &content).to_le_bytes() {
        return Err(corrupt(key, "the checksum does not match".to_owned()));
    }
    Ok(content)
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(key: &[u8], value: &Bytes) -> Result<T, EventLogError> {
    let content = open(key, value)?;
    postcard::from_bytes(&content).map_err(|error| corrupt(key, error.to_string()))
}

pub(crate) fn corrupt(key: &[u8], detail: String) -> EventLogError {
    EventLogError::Corrupt { key: key::display(key), detail }
}

fn checksum(key: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(content);
    hasher.finalize()
}

fn push<T: Serialize>(value: Vec<u8>, content: &T) -> Vec<u8> {
    postcard::to_extend(content, value).expect("these records hold nothing that postcard refuses")
}

/// What the log keeps of an event besides its payload.
#[derive(Debug, Deserialize)]
pub(crate) struct EventHeader {
    pub(crate) event: Event,
    pub(crate) identity: Option<Identity>,
    /// Who was to get it when it was accepted.
    pub(crate) recipients: Vec<Recipient>,
    /// Bytes of the payload in records of their own; 0 when it follows the header.
    pub(crate) overflow: u64,
}

impl EventHeader {
    /// The deliveries that the event started with.
    pub(crate) fn first_deliveries(&self) -> Vec<Delivery> {
        first_deliveries(&self.event, &self.recipients)
    }
}

pub(crate) fn first_deliveries(event: &Event, recipients: &[Recipient]) -> Vec<Delivery> {
    recipients.iter().map(|recipient| Delivery::new(recipient.clone(), event.stored_at)).collect()
}

/// [`EventHeader`] for writing; the fields are in the same order.
#[derive(Serialize)]
pub(crate) struct EventHeaderRef<'a> {
    pub(crate) event: &'a Event,
    pub(crate) identity: Option<Identity>,
    pub(crate) recipients: &'a [Recipient],
    pub(crate) overflow: u64,
}

/// Collects the entries of consecutive events.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    limit: usize,
    first: Option<Seq>,
    value: Vec<u8>,
    entry: Vec<u8>,
}

impl BlockWriter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.min(MAX_VALUE), first: None, value: Vec::new(), entry: Vec::new() }
    }

    /// Adds the event; the records that are complete now go to `put`. Returns the bytes that it takes.
    pub(crate) fn add(
        &mut self,
        event: &Event,
        identity: Option<Identity>,
        recipients: &[Recipient],
        put: &mut dyn FnMut(Vec<u8>, Vec<u8>),
    ) -> u64 {
        let mut overflow = 0;
        let header = |overflow| EventHeaderRef { event, identity, recipients, overflow };
        self.entry.clear();
        self.entry = push(std::mem::take(&mut self.entry), &header(0));
        if HEADER + LENGTH + self.entry.len() + event.data.len() <= MAX_VALUE {
            self.entry.extend_from_slice(&event.data);
        } else {
            self.entry.clear();
            overflow = event.data.len() as u64;
            self.entry = push(std::mem::take(&mut self.entry), &header(overflow));
            for (index, part) in (0..).zip(event.data.chunks(BODY_PART)) {
                let key = key::body(event.seq, index);
                let mut value = draft(part.len());
                value.extend_from_slice(part);
                put(key.to_vec(), seal(&key, value));
            }
        }
        if self.first.is_some() && self.value.len() + LENGTH + self.entry.len() > self.limit {
            self.finish(put);
        }
        if self.first.is_none() {
            self.first = Some(event.seq);
            self.value = draft(self.limit.max(LENGTH + self.entry.len()));
        }
        let length = u32::try_from(self.entry.len()).expect("an entry is at most one value long");
        self.value.extend_from_slice(&length.to_le_bytes());
        self.value.extend_from_slice(&self.entry);
        (LENGTH + self.entry.len()) as u64 + overflow
    }

    /// Hands out the last block.
    pub(crate) fn finish(&mut self, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) {
        if let Some(first) = self.first.take() {
            let key = key::block(first);
            put(key.to_vec(), seal(&key, std::mem::take(&mut self.value)));
        }
    }
}

/// Consecutive events as they are stored. A removed one leaves an entry without content.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) first: Seq,
    entries: Vec<Bytes>,
}

impl Block {
    pub(crate) fn read(key: &[u8], value: &Bytes) -> Result<Self, EventLogError> {
        let first = key::block_seq(key).ok_or_else(|| corrupt(key, "no position in the key".to_owned()))?;
        let mut content = open(key, value)?;
        let mut entries = Vec::new();
        while !content.is_empty() {
            let length = content.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
            match length.and_then(|length| LENGTH.checked_add(length)).filter(|end| *end <= content.len()) {
                Some(end) => entries.push(content.split_to(end).slice(LENGTH..)),
                None => return Err(corrupt(key, "an entry is cut off".to_owned())),
            }
        }
        if entries.is_empty() { Err(corrupt(key, "no entry".to_owned())) } else { Ok(Self { first, entries }) }
    }

    /// The position of the last event.
    pub(crate) fn last(&self) -> Seq {
        Seq(self.first.0 + self.entries.len() as u64 - 1)
    }

    /// The event at `seq`, its payload only when it is in the block.
    pub(crate) fn header(&self, seq: Seq) -> Result<Option<EventHeader>, EventLogError> {
        let index = seq.0.checked_sub(self.first.0).and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| self.entries.get(index));
        let Some(entry) = entry.filter(|entry| !entry.is_empty()) else { return Ok(None) };
        let key = key::block(self.first);
        let (mut header, rest) =
            postcard::take_from_bytes::<EventHeader>(entry).map_err(|error| corrupt(&key, error.to_string()))?;
        if header.event.seq != seq {
            return Err(corrupt(&key, format!("position {} where {seq} belongs", header.event.seq)));
        }
        header.event.data = entry.slice(entry.len() - rest.len()..);
        Ok(Some(header))
    }
}

impl Block {
    /// The positions whose events are there.
    pub(crate) fn held(&self) -> impl Iterator<Item = Seq> + '_ {
        (self.first.0..).map(Seq).zip(&self.entries).filter(|(_, entry)| !entry.is_empty()).map(|(seq, _)| seq)
    }

    /// The bytes that the event of `header`, which is in this block, takes.
    pub(crate) fn bytes_of(&self, header: &EventHeader) -> u64 {
        let index = usize::try_from(header.event.seq.0 - self.first.0).unwrap_or(usize::MAX);
        self.entries.get(index).map_or(0, |entry| (LENGTH + entry.len()) as u64 + header.overflow)
    }

    /// Takes the events at `seqs` out; what is to be stored then, none when no event is left.
    pub(crate) fn without(&mut self, seqs: &[Seq]) -> Option<(Vec<u8>, Vec<u8>)> {
        for seq in seqs {
            let index = usize::try_from(seq.0 - self.first.0).unwrap_or(usize::MAX);
            if let Some(entry) = self.entries.get_mut(index) {
                *entry = Bytes::new();
            }
        }
        self.held().next()?;
        let mut value = draft(self.entries.iter().map(|entry| LENGTH + entry.len()).sum());
        for entry in &self.entries {
            let length = u32::try_from(entry.len()).expect("an entry is at most one value long");
            value.extend_from_slice(&length.to_le_bytes());
            value.extend_from_slice(entry);
        }
        let key = key::block(self.first);
        Some((key.to_vec(), seal(&key, value)))
    }
}

/// Positions whose events are no longer there, from the one in the key of the record to `last`.
///
/// What has neither an event nor this is damaged. Neighbours of one kind are one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    pub(crate) last: Seq,
    /// They were lost to a damage, and the store was repaired; otherwise they were removed when their time was over.
    pub(crate) lost: bool,
}

/// The bucket that has the deliveries of `seq`.
pub(crate) const fn bucket_of(seq: Seq) -> u64 {
    seq.0 / BUCKET
}

/// Splits the deliveries of a bucket into values, none when there are none: each starts with the number of parts.
pub(crate) fn bucket_values(bucket: u64, entries: &[(Seq, &[Delivery])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    const PART: usize = MAX_VALUE - HEADER - 2;
    if entries.is_empty() {
        return Vec::new();
    }
    let content = push(Vec::with_capacity(1024), &entries);
    let parts = content.chunks(PART);
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX).to_le_bytes();
    (0..u16::MAX)
        .zip(parts)
        .map(|(index, part)| {
            let key = key::deliveries(bucket, index);
            let mut value = draft(count.len() + part.len());
            value.extend_from_slice(&count);
            value.extend_from_slice(part);
            (key.to_vec(), seal(&key, value))
        })
        .collect()
}

/// The number of parts that the first part of a bucket states, and the content of this part.
pub(crate) fn bucket_part(key: &[u8], value: &Bytes) -> Result<(u16, Bytes), EventLogError> {
    let content = open(key, value)?;
    let count = content.first_chunk().ok_or_else(|| corrupt(key, "no number of parts".to_owned()))?;
    Ok((u16::from_le_bytes(*count), content.slice(count.len()..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_was_written_or_an_error() {
        let key = key::meta("x");
        let value = encode(&key, &"content".to_owned());
        assert_eq!(decode::<String>(&key, &value.clone().into()).unwrap(), "content");
        assert!(decode::<String>(&key::meta("y"), &value.clone().into()).is_err());
        for position in 0..value.len() {
            let mut flipped = value.clone();
            flipped[position] ^= 0x10;
            assert!(decode::<String>(&key, &flipped.into()).is_err(), "{position}");
        }
        for length in 0..value.len() {
            assert!(decode::<String>(&key, &value[..length].to_vec().into()).is_err(), "{length}");
        }
    }
}
