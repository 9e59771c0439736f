//! The frames of a backup, each with a checksum that continues from the one before.

use std::io::{ErrorKind, Read};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::LostRange;
use crate::event::{AgentName, ChannelName, Delivery, DeliveryState, Event, EventId, Recipient, Seq, Timestamp};
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::record::Tombstone;
use crate::eventlog::{ChannelCounts, EventLogError};

/// What a backup begins with; the number is its format.
const MAGIC: &[u8] = b"gateway event log backup 1\n";
/// Length and checksum before each frame.
const HEADER: usize = 8;
/// No frame is longer: an event with the largest body, and what belongs to it.
const LONGEST: usize = 1 << 30;

/// A part of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Frame {
    /// The first one: the position of the last event.
    Head { head: Seq },
    /// An event; its payload follows in the same frame.
    Event {
        event: Event,
        identity: Option<Identity>,
        recipients: Vec<Recipient>,
        /// None when nothing has happened to them yet.
        deliveries: Option<Vec<Delivery>>,
    },
    /// Positions without an event.
    Tombstone { first: Seq, gone: Tombstone },
    /// Which events have which identity, those of events that are gone among them.
    Identities(Vec<(Identity, EventId)>),
    /// A consumer and its position.
    Consumer(String, Seq),
    /// The figures of a channel.
    Channel(ChannelName, ChannelCounts),
    /// A replay and how far it has come.
    Replay(OldReplay),
    /// What could not be read when it was made.
    LostKind(LostRange),
    /// The last one: how many frames and events there were.
    End { frames: u64, events: u64 },
    /// What a plugin has kept: its owner, the key and the value.
    State(String, String, Bytes),
}

/// A replay as it was kept before replays were values.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OldReplay {
    pub(super) id: u64,
    filter: (
        Option<ChannelName>,
        Option<String>,
        Option<Timestamp>,
        Option<Timestamp>,
        Option<DeliveryState>,
        Option<AgentName>,
    ),
    by: String,
    rate: u32,
    total: u64,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    next: Seq,
    last: Seq,
    replayed: u64,
    skipped: u64,
    state: u8,
    error: Option<String>,
}

/// Takes the bytes of a backup in their order.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Bytes) -> Result<(), EventLogError>;

/// Makes the bytes of a backup.
pub(super) struct FrameWriter<'a> {
    sink: Sink<'a>,
    chain: u32,
    frames: u64,
}

impl<'a> FrameWriter<'a> {
    pub(super) fn new(sink: Sink<'a>) -> Result<Self, EventLogError> {
        sink(Bytes::from_static(MAGIC))?;
        Ok(Self { sink, chain: crc32fast::hash(MAGIC), frames: 0 })
    }

    pub(super) fn put(&mut self, frame: &Frame) -> Result<(), EventLogError> {
        self.put_with(frame, &[])
    }

    /// The frame, and `data` behind what is in it.
    pub(super) fn put_with(&mut self, frame: &Frame, data: &[u8]) -> Result<(), EventLogError> {
        let value = Vec::with_capacity(HEADER + 512 + data.len());
        let mut value = postcard::to_extend(frame, [value, vec![0; HEADER]].concat())
            .expect("frames hold nothing that postcard refuses");
        value.extend_from_slice(data);
        let length = u32::try_from(value.len() - HEADER).unwrap_or(u32::MAX);
        value[..4].copy_from_slice(&length.to_le_bytes());
        self.chain = checksum(self.chain, &value[HEADER..]);
        value[4..HEADER].copy_from_slice(&self.chain.to_le_bytes());
        self.frames += 1;
        (self.sink)(value.into())
    }

    /// The trailer.
    pub(super) fn end(mut self, events: u64) -> Result<(), EventLogError> {
        let frames = self.frames;
        self.put(&Frame::End { frames, events })
    }
}

/// Reads a backup and believes nothing that has no checksum.
pub(super) struct FrameReader<R> {
    input: R,
    chain: u32,
    /// Where the next frame begins.
    at: u64,
    frames: u64,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(mut input: R) -> Result<Self, EventLogError> {
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => {}
            Ok(()) => return Err(broken(0, "it is no backup of an event log")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(broken(0, "it is no backup of an event log"));
            }
            Err(error) => return Err(unreadable(&error)),
        }
        Ok(Self { input, chain: crc32fast::hash(MAGIC), at: MAGIC.len() as u64, frames: 0, ended: false })
    }

    /// The next frame and the payload in it; none after the trailer.
    pub(super) fn next(&mut self) -> Result<Option<(Frame, Bytes)>, EventLogError> {
        let mut header = [0; HEADER];
        let found = read_up_to(&mut self.input, &mut header)?;
        if self.ended {
            return if found == 0 { Ok(None) } else { Err(broken(self.at, "something follows its end")) };
        }
        if found < HEADER {
            return Err(broken(self.at, "its end is missing"));
        }
        let [l0, l1, l2, l3, sum @ ..] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > LONGEST {
            return Err(broken(self.at, "the length of a part is damaged"));
        }
        let mut content = Vec::new();
        let read = (&mut self.input).take(length as u64).read_to_end(&mut content);
        if read.map_err(|error| unreadable(&error))? < length {
            return Err(broken(self.at, "its end is missing"));
        }
        self.chain = checksum(self.chain, &content);
        if self.chain.to_le_bytes() != sum {
            return Err(broken(self.at, "a checksum does not match"));
        }
        let content = Bytes::from(content);
        let (frame, rest) =
            postcard::take_from_bytes::<Frame>(&content).map_err(|error| broken(self.at, &error.to_string()))?;
        let data = content.slice(content.len() - rest.len()..);
        if let Frame::End { frames, .. } = frame {
            if frames != self.frames {
                return Err(broken(self.at, "parts of it are missing"));
            }
            self.ended = true;
        }
        self.at += (HEADER + length) as u64;
        self.frames += 1;
        Ok(Some((frame, data)))
    }

    /// Where the next frame begins, in bytes.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }
}

/// The error for a backup that is not what was written.
pub(super) fn broken(at: u64, detail: &str) -> EventLogError {
    EventLogError::Backup(format!("{detail} (at byte {at})"))
}

fn unreadable(error: &std::io::Error) -> EventLogError {
    EventLogError::Io(format!("cannot read the backup: {error}"))
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, EventLogError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok(filled)
}

/// Goes on from the checksum of the frame before.
fn checksum(chain: u32, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&chain.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}
