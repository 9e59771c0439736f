//! A backup handed from the thread that reads the log to the one that stores it.

use std::io::{self, Read};
use std::sync::mpsc;

use bytes::Bytes;

/// The bytes of a backup in the order in which another thread sends them, to be read. Bounded.
pub struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Pieces {
    /// How many wait to be read.
    const WAITING: usize = 64;

    /// Both ends; the one that sends waits while too much is there.
    pub fn channel() -> (mpsc::SyncSender<Bytes>, Self) {
        let (sender, receiver) = mpsc::sync_channel(Self::WAITING);
        (sender, Self { receiver, rest: Bytes::new() })
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.recv() {
                Ok(bytes) => self.rest = bytes,
                Err(mpsc::RecvError) => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
