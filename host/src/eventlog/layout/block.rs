//! Blocks: consecutive events in one record, because the store's work goes by the number of keys.
//!
//! A block is one entry for each event, with its length before it; its key names the first event. From version 2 on an
//! entry says the version of its header, so that a block may hold several.

use bytes::Bytes;

use super::additions::Unreadable;
use super::record::{self, ENVELOPE, MAX_VALUE, corrupt, draft, push, seal, unreadable};
use super::{key, v1, v2};
use crate::event::{Delivery, Event, Recipient, Seq};
use crate::eventlog::EventLogError;
use crate::eventlog::identity::Identity;

/// The most that an event may take without its payload.
pub(crate) const MAX_HEADER: usize = 24 * 1024;
/// How much of a payload is in one record, once it does not fit into the event's own. Larger parts write a fifth
/// cheaper, but the store's pages grow with them, and its memory with its pages.
pub(crate) const BODY_PART: usize = 8 * 1024;

/// The version of blocks and of the headers in them.
const VERSION: u8 = 2;
/// The version of the parts of payloads, which are nothing but bytes.
const BODY_VERSION: u8 = 1;
const LENGTH: usize = 4;

/// What the log keeps of an event besides its payload.
#[derive(Debug)]
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

    /// Reads an entry of a block from `start` on: a header, and the payload behind it if it is there.
    fn read(version: u8, entry: &Bytes, start: usize) -> Result<Self, Unreadable> {
        let content = &entry[start..];
        let (mut header, rest) = match version {
            1 => {
                let (header, rest) = postcard::take_from_bytes::<v1::EventHeader<'_>>(content)?;
                let v1::EventHeader { event, identity, recipients, overflow } = header;
                let recipients = recipients.into_iter().map(v1::Recipient::into_recipient).collect::<Result<_, _>>()?;
                (Self { event: event.into_event()?, identity, recipients, overflow }, rest.len())
            }
            _ => {
                let (header, rest) = postcard::take_from_bytes::<v2::EventHeader<'_>>(content)?;
                let (identity, overflow) = (header.identity, header.overflow);
                let (event, recipients) = header.into_event()?;
                (Self { event, identity, recipients, overflow }, rest.len())
            }
        };
        header.event.data = entry.slice(entry.len() - rest..);
        Ok(header)
    }
}

pub(crate) fn first_deliveries(event: &Event, recipients: &[Recipient]) -> Vec<Delivery> {
    recipients.iter().map(|recipient| Delivery::new(recipient.clone(), event.stored_at)).collect()
}

/// Collects the entries of consecutive events.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    limit: usize,
    first: Option<Seq>,
    value: Vec<u8>,
    /// The version and the header of one event. It is kept so that its memory is.
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
        self.header(&v2::EventHeader::new(event, identity, recipients, overflow));
        let mut data = &event.data[..];
        if ENVELOPE + LENGTH + self.entry.len() + data.len() > MAX_VALUE {
            overflow = data.len() as u64;
            self.header(&v2::EventHeader::new(event, identity, recipients, overflow));
            for (index, part) in (0..).zip(data.chunks(BODY_PART)) {
                let key = key::body(event.seq, index);
                let mut value = draft(part.len());
                value.extend_from_slice(part);
                put(key.to_vec(), seal(&key, BODY_VERSION, value));
            }
            data = &[];
        }
        let length = self.entry.len() + data.len();
        if self.first.is_some() && self.value.len() + LENGTH + length > self.limit {
            self.finish(put);
        }
        if self.first.is_none() {
            self.first = Some(event.seq);
            self.value = draft(self.limit.max(LENGTH + length));
        }
        let prefix = u32::try_from(length).expect("an entry is at most one value long");
        self.value.extend_from_slice(&prefix.to_le_bytes());
        self.value.extend_from_slice(&self.entry);
        self.value.extend_from_slice(data);
        (LENGTH + length) as u64 + overflow
    }

    /// Begins the entry of an event.
    fn header(&mut self, header: &v2::EventHeader<'_>) {
        self.entry.clear();
        self.entry.push(VERSION);
        self.entry = push(std::mem::take(&mut self.entry), header);
    }

    /// Hands out the last block.
    pub(crate) fn finish(&mut self, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) {
        if let Some(first) = self.first.take() {
            let key = key::block(first);
            put(key.to_vec(), seal(&key, VERSION, std::mem::take(&mut self.value)));
        }
    }
}

/// Consecutive events as they are stored. A removed one leaves an entry without content.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) first: Seq,
    version: u8,
    entries: Vec<Bytes>,
}

impl Block {
    pub(crate) fn read(key: &[u8], value: &Bytes) -> Result<Self, EventLogError> {
        let first = key::block_seq(key).ok_or_else(|| corrupt(key, "no position in the key".to_owned()))?;
        let (version, mut content) = record::open(key, value, VERSION)?;
        let mut entries = Vec::new();
        while !content.is_empty() {
            let length = content.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
            match length.and_then(|length| LENGTH.checked_add(length)).filter(|end| *end <= content.len()) {
                Some(end) => entries.push(content.split_to(end).slice(LENGTH..)),
                None => return Err(corrupt(key, "an entry is cut off".to_owned())),
            }
        }
        if entries.is_empty() {
            return Err(corrupt(key, "no entry".to_owned()));
        }
        Ok(Self { first, version, entries })
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
        let (version, start) = if self.version == 1 { (1, 0) } else { (entry[0], 1) };
        if version > VERSION {
            return Err(EventLogError::Version { key: key::display(&key), found: version, expected: VERSION });
        }
        let header = EventHeader::read(version, entry, start).map_err(|error| unreadable(&key, error))?;
        if header.event.seq != seq {
            return Err(corrupt(&key, format!("position {} where {seq} belongs", header.event.seq)));
        }
        Ok(Some(header))
    }

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
    ///
    /// The others stay as they were written, and with them the version of the block.
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
        Some((key.to_vec(), seal(&key, self.version, value)))
    }
}

/// The content of a part of a payload.
pub(crate) fn body_part(key: &[u8], value: &Bytes) -> Result<Bytes, EventLogError> {
    Ok(record::open(key, value, BODY_VERSION)?.1)
}
