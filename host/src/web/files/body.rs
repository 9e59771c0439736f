//! The body of a file, read in pieces on threads that may block.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{self, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Timeout, timeout};

/// What a slow caller keeps in memory.
const PIECE: u64 = 128 << 10;

/// How long a disk may take for a piece.
const PATIENCE: Duration = Duration::from_secs(30);

type Reading = Pin<Box<Timeout<JoinHandle<io::Result<Bytes>>>>>;

/// The body of a response.
pub(crate) enum Body {
    Whole(Full<Bytes>),
    Pieces(Pieces),
}

/// A part of a file. One piece is read at a time, when the one before has been taken.
pub(crate) struct Pieces {
    file: Arc<File>,
    next: u64,
    end: u64,
    reading: Option<Reading>,
}

impl Body {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// The bytes of `file` from `first` up to `end`, which it does not include.
    pub(crate) fn part(file: Arc<File>, first: u64, end: u64) -> Self {
        Self::Pieces(Pieces { file, next: first, end, reading: None })
    }
}

impl body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(whole) => {
                Pin::new(whole).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Pieces(pieces) => pieces.poll(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Pieces(pieces) => pieces.next == pieces.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.end - pieces.next),
        }
    }
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.next == self.end {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (file, at, length) = (Arc::clone(&self.file), self.next, PIECE.min(self.end - self.next));
            Box::pin(timeout(PATIENCE, spawn_blocking(move || read(&file, at, length))))
        });
        let read = ready!(reading.as_mut().poll(cx));
        let piece = read.map_err(io::Error::from).and_then(|read| read.map_err(io::Error::other)).flatten();
        self.reading = None;
        match &piece {
            Ok(piece) => self.next += piece.len() as u64,
            Err(_) => self.next = self.end,
        }
        Poll::Ready(Some(piece))
    }
}

/// An error if the file has become shorter: what follows would be taken for the rest of it.
fn read(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.into())
}
