//! A backup as bytes: frames, each with a checksum that continues from the one before.

use std::io::{ErrorKind, Read};

use bytes::Bytes;

use super::frame::Frame;
use super::{v1, v2};
use crate::eventlog::EventLogError;
use crate::eventlog::layout::additions::Unreadable;

/// What a backup begins with; then come a digit, which is its format, and the end of the line.
const MAGIC: &[u8] = b"gateway event log backup ";
/// The format that is written, and the latest that is read.
const FORMAT: u8 = 2;
/// Length and checksum before each frame.
const HEADER: usize = 8;
/// No frame is longer: an event with the largest body, and what belongs to it.
const LONGEST: usize = 1 << 30;

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
        let first = [MAGIC, &[b'0' + FORMAT, b'\n']].concat();
        let chain = crc32fast::hash(&first);
        sink(first.into())?;
        Ok(Self { sink, chain, frames: 0 })
    }

    pub(super) fn put(&mut self, frame: &Frame) -> Result<(), EventLogError> {
        self.put_with(frame, &[])
    }

    /// The frame, and `data` behind what is in it.
    pub(super) fn put_with(&mut self, frame: &Frame, data: &[u8]) -> Result<(), EventLogError> {
        let mut value = Vec::with_capacity(HEADER + 512 + data.len());
        value.resize(HEADER, 0);
        let mut value = v2::write(frame, value);
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
    format: u8,
    chain: u32,
    /// Where the next frame begins.
    at: u64,
    frames: u64,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(mut input: R) -> Result<Self, EventLogError> {
        let mut first = [0; MAGIC.len() + 2];
        let found = read_up_to(&mut input, &mut first)?;
        let format = match first.strip_prefix(MAGIC) {
            Some([digit @ b'1'..=b'9', b'\n']) if found == first.len() => digit - b'0',
            _ => return Err(broken(0, "it is not a backup of an event log")),
        };
        if format > FORMAT {
            return Err(broken(0, &format!("it has format {format}, expected at most {FORMAT}")));
        }
        Ok(Self { input, format, chain: crc32fast::hash(&first), at: first.len() as u64, frames: 0, ended: false })
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
        let read = if self.format == 1 { v1::read(&content) } else { v2::read(&content) };
        let (frame, rest) = read.map_err(|error| match error {
            Unreadable::Damaged(detail) => broken(self.at, &detail),
            Unreadable::Addition(tag) => broken(self.at, &format!("it has the unknown addition {tag}")),
        })?;
        let data = content.slice(content.len() - rest..);
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
