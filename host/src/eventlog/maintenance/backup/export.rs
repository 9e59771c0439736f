//! Writes a backup: everything up to a position, and what could not be read.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::frame::Frame;
use super::stream::{FrameWriter, Sink};
use super::{BackupSummary, LostKind, LostRange};
use crate::event::{ChannelName, Delivery, EventStatus, Seq};
use crate::eventlog::engine::Direction;
use crate::eventlog::layout::block::EventHeader;
use crate::eventlog::layout::identities::Identities;
use crate::eventlog::layout::key;
use crate::eventlog::layout::moved::{self, MovedValue};
use crate::eventlog::layout::reader::{EventCursor, Store};
use crate::eventlog::layout::record::{self, Tombstone, corrupt};
use crate::eventlog::note::{NOTES, Note};
use crate::eventlog::{ChannelCounts, EventLogError};

/// What a backup is made of, as of one moment.
pub(crate) struct Source<'a> {
    pub(crate) store: &'a Store,
    /// Read before `head` was: what is read first is never ahead of what is read after it.
    pub(crate) values: Values,
    /// The last position that goes into it.
    pub(crate) head: Seq,
    /// The figures of that moment; none when they are to be counted anew.
    pub(crate) channels: Option<BTreeMap<ChannelName, ChannelCounts>>,
}

/// The values of a log: space, key and value, or why one cannot be read.
pub(crate) type Values = Vec<Result<(String, String, Bytes), EventLogError>>;

/// Reads all values of `store` but notes, which are as many as events, and what was no value in format 1 and is one now.
pub(crate) fn values(store: &Store) -> Values {
    let moved = |moved: MovedValue| (moved.space.to_owned(), moved.key, moved.value);
    let (all, notes) = (key::all_values(), key::values(NOTES.as_str(), ""));
    let mut values = in_range(store, all.start..notes.start);
    values.extend(in_range(store, notes.end..all.end));
    values.extend(moved::values(store).into_iter().map(|found| found.map(moved)));
    values
}

/// Reads the values of one space.
pub(crate) fn values_of(store: &Store, space: &str) -> Values {
    in_range(store, key::values(space, ""))
}

fn in_range(store: &Store, range: Range<Vec<u8>>) -> Values {
    let records = match store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX) {
        Ok(records) => records,
        Err(error) => return vec![Err(error.into())],
    };
    let value = |(key, value): (Bytes, Bytes)| {
        let (space, name) = key::value_name(&key).ok_or_else(|| corrupt(&key, "no name in the key".to_owned()))?;
        Ok((space, name, record::decode(&key, &value)?))
    };
    records.into_iter().map(value).collect()
}

/// Gives everything of `source` to `sink`, and what cannot be read to the answer; `progress` is told of each event.
///
/// # Errors
/// Only those of `sink`.
pub(crate) fn export(
    source: Source<'_>,
    sink: Sink<'_>,
    progress: &mut dyn FnMut(Seq),
) -> Result<BackupSummary, EventLogError> {
    let Source { store, values, head, channels } = source;
    let mut copy = Copy {
        store,
        frames: FrameWriter::new(sink)?,
        contents: BackupSummary { head, ..BackupSummary::default() },
        gone: None,
    };
    copy.frames.put(&Frame::Head { head })?;
    for value in values {
        match value {
            Ok((space, key, value)) => copy.frames.put(&Frame::Value { space, key, value })?,
            Err(error) => copy.lose(LostKind::Records, None, &error),
        }
    }
    copy.events(progress)?;
    copy.identities()?;
    for (name, counts) in channels.into_iter().flatten() {
        copy.frames.put(&Frame::Channel(name, counts))?;
    }
    let Copy { mut frames, contents, .. } = copy;
    for loss in &contents.lost {
        frames.put(&Frame::Lost(loss.clone()))?;
    }
    frames.end(contents.events)?;
    Ok(contents)
}

struct Copy<'a> {
    store: &'a Store,
    frames: FrameWriter<'a>,
    contents: BackupSummary,
    /// The range without events that ends at the position before.
    gone: Option<(Seq, Tombstone)>,
}

/// What is at a position.
enum Found {
    Event(Box<EventHeader>, Bytes, Option<Vec<Delivery>>),
    /// Nothing any more, up to the end of the range.
    Tombstone(Tombstone),
}

impl Copy<'_> {
    fn events(&mut self, progress: &mut dyn FnMut(Seq)) -> Result<(), EventLogError> {
        // What cannot be told is looked for.
        let has_notes = Note::any(self.store).unwrap_or(true);
        let mut cursor = EventCursor::new(self.store);
        let mut next = Seq(1);
        while next <= self.contents.head {
            let seq = next;
            next = match self.find(&mut cursor, seq) {
                Ok(Found::Event(header, data, deliveries)) => {
                    self.end_gone()?;
                    self.count(&header, cursor.bytes_of(&header), deliveries.as_deref());
                    let EventHeader { event, identity, recipients, .. } = *header;
                    self.contents.events += 1;
                    self.contents.bytes += data.len() as u64;
                    self.frames.put_with(&Frame::Event { event, identity, recipients, deliveries }, &data)?;
                    if has_notes {
                        self.note(seq)?;
                    }
                    seq.next()
                }
                Ok(Found::Tombstone(gone)) => {
                    let gone = Tombstone { last: gone.last.min(self.contents.head), ..gone };
                    self.add_gone(seq, gone)?;
                    gone.last.next()
                }
                Err(error) => {
                    cursor = EventCursor::new(self.store);
                    let last = self.end_of_hole(seq);
                    self.lose(LostKind::Events, Some((seq, last)), &error);
                    self.add_gone(seq, Tombstone { last, lost: true })?;
                    last.next()
                }
            };
            progress(seq);
        }
        self.end_gone()
    }

    /// What was noted about the event at `seq`.
    fn note(&mut self, seq: Seq) -> Result<(), EventLogError> {
        let (space, key) = (NOTES.as_str().to_owned(), Note::key(seq));
        match self.store.value(&space, &key) {
            Ok(Some(value)) => self.frames.put(&Frame::Value { space, key, value }),
            Ok(None) => Ok(()),
            Err(error) => {
                self.lose(LostKind::Records, None, &error);
                Ok(())
            }
        }
    }

    fn find(&mut self, cursor: &mut EventCursor<'_>, seq: Seq) -> Result<Found, EventLogError> {
        let Some(header) = cursor.header(seq)? else {
            let gone = self.store.tombstone_at(seq)?.map(|(_, gone)| gone);
            if gone.is_none() {
                self.store.expect_tombstone(seq)?;
            }
            return Ok(Found::Tombstone(gone.unwrap_or(Tombstone { last: seq, lost: false })));
        };
        let data = match self.store.payload(&header) {
            Ok(data) => data,
            Err(_) if EventCursor::new(self.store).header(seq)?.is_none() => {
                return self.find(&mut EventCursor::new(self.store), seq);
            }
            Err(error) => return Err(error),
        };
        let deliveries = match cursor.deliveries(&header) {
            Ok(Some(deliveries)) => Some(deliveries).filter(|deliveries| *deliveries != header.first_deliveries()),
            Ok(None) => return self.find(&mut EventCursor::new(self.store), seq),
            Err(error) => {
                self.lose(LostKind::Deliveries, Some((seq, seq)), &error);
                None
            }
        };
        Ok(Found::Event(Box::new(header), data, deliveries))
    }

    fn count(&mut self, header: &EventHeader, bytes: u64, deliveries: Option<&[Delivery]>) {
        let status = match deliveries {
            Some(deliveries) => EventStatus::of(deliveries),
            None => EventStatus::of(&header.first_deliveries()),
        };
        let tally = &mut self.contents.tally;
        tally.statuses[status as usize] += 1;
        tally.stored += bytes;
        // A repetition counts as a duplicate of its channel.
        if header.event.repeat_of.is_none() {
            *tally.channels.entry(header.event.channel.clone()).or_default() += 1;
        }
    }

    /// The last position of the ones without a record that begin at `seq`, which cannot be read.
    fn end_of_hole(&self, seq: Seq) -> Seq {
        let missing =
            matches!(self.store.block_at(seq), Ok(block) if block.as_ref().is_none_or(|block| block.last() < seq));
        if !missing {
            return seq;
        }
        let range = key::blocks_from(seq);
        let above = self.store.engine.scan(&range.start..&range.end, Direction::Up, 1).ok();
        let block = above.map(|found| found.first().and_then(|(key, _)| key::block_seq(key)));
        let Some(block) = block else { return seq };
        let range = key::tombstone(seq)..key::tombstone(block.unwrap_or(self.contents.head));
        let gone = self.store.engine.scan(&range.start..&range.end, Direction::Up, 1).ok();
        let gone = gone.and_then(|found| found.first().and_then(|(key, _)| key::tombstone_seq(key)));
        let next = gone.or(block).unwrap_or(self.contents.head.next());
        Seq(next.0.saturating_sub(1)).clamp(seq, self.contents.head)
    }

    fn add_gone(&mut self, seq: Seq, gone: Tombstone) -> Result<(), EventLogError> {
        if let Some((_, before)) = &mut self.gone
            && before.lost == gone.lost
        {
            before.last = gone.last;
            return Ok(());
        }
        self.end_gone()?;
        self.gone = Some((seq, gone));
        Ok(())
    }

    fn end_gone(&mut self) -> Result<(), EventLogError> {
        match self.gone.take() {
            Some((first, gone)) => self.frames.put(&Frame::Tombstone { first, gone }),
            None => Ok(()),
        }
    }

    fn identities(&mut self) -> Result<(), EventLogError> {
        let head = self.contents.head;
        let mut failures = Vec::new();
        let frames = &mut self.frames;
        Identities::read_all(
            self.store,
            &mut |mut entries| {
                entries.retain(|(_, id)| id.seq() <= head);
                if entries.is_empty() { Ok(()) } else { frames.put(&Frame::Identities(entries)) }
            },
            &mut |error| failures.push(error),
        )?;
        failures.iter().for_each(|error| self.lose(LostKind::Identities, None, error));
        Ok(())
    }

    /// Notes what cannot be read; neighbours with the same reason are one.
    fn lose(&mut self, what: LostKind, range: Option<(Seq, Seq)>, error: &EventLogError) {
        let detail = match error {
            EventLogError::Corrupt { key, detail } => format!("`{key}`: {}", detail.lines().next().unwrap_or_default()),
            error => error.to_string(),
        };
        if let (Some((first, last)), Some(before)) = (range, self.contents.lost.last_mut())
            && before.what == what
            && before.detail == detail
            && before.last.is_some_and(|end| end.next() == first)
        {
            before.last = Some(last);
            return;
        }
        let (first, last) = range.unzip();
        if self.contents.lost.len() == BackupSummary::LISTED {
            self.contents.unlisted += 1;
            return;
        }
        self.contents.lost.push(LostRange { what, first, last, detail });
    }
}
