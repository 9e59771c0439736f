//! A body that is being received, for as many readers as like to have it.
//!
//! Every reader gets it from its beginning, at its own pace, also when it comes later. The pieces are kept until the end, so that
//! the whole can be stored. A body that turns out to be too large is kept no longer: nobody joins any more, and the writer waits
//! for the slowest reader.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::timeout;

/// What may lie ahead of the slowest reader of a body that is not kept.
const WINDOW: usize = 64 << 10;

struct Fill {
    state: Mutex<State>,
    /// A reader has made progress or is gone.
    progress: Notify,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// How many pieces went before the first of `pieces`.
    gone: usize,
    /// Bytes in `pieces`.
    size: usize,
    /// The whole length, if the head says it.
    length: Option<u64>,
    is_kept: bool,
    end: Option<Result<(), Arc<str>>>,
    readers: Vec<Option<Progress>>,
    /// Memory for the pieces, freed with them.
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Progress {
    next: usize,
    /// Bytes.
    read: u64,
    waker: Option<Waker>,
    is_cut_off: bool,
}

impl Fill {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_all(&mut self) {
        self.readers.iter_mut().flatten().filter_map(|reader| reader.waker.take()).for_each(Waker::wake);
    }

    /// Drops the pieces that every reader has, when they are not kept.
    fn trim(&mut self) {
        let slowest = self.readers.iter().flatten().filter(|reader| !reader.is_cut_off).map(|reader| reader.next).min();
        while !self.is_kept && slowest.is_none_or(|slowest| self.gone < slowest) {
            let Some(piece) = self.pieces.pop_front() else { return };
            self.gone += 1;
            self.size -= piece.len();
        }
    }
}

/// The one who receives the body. Dropped before [`Writer::finish`], it ends the body with an error.
pub(crate) struct Writer(Arc<Fill>);

/// The way to the body for one more reader.
#[derive(Clone)]
pub(crate) struct Source(Arc<Fill>);

/// The body for one reader.
pub(crate) struct Reader {
    fill: Arc<Fill>,
    number: usize,
}

/// Nobody reads the body any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unread;

impl Writer {
    pub(crate) fn new(length: Option<u64>) -> Self {
        let state = State { length, is_kept: true, ..State::default() };
        Self(Arc::new(Fill { state: Mutex::new(state), progress: Notify::new() }))
    }

    pub(crate) fn source(&self) -> Source {
        Source(Arc::clone(&self.0))
    }

    /// Holds memory for pieces as long as there are any.
    pub(crate) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        let mut state = self.0.state();
        match &mut state.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }

    /// Adds a piece. It is copied, so that it keeps no larger buffer alive.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let mut state = self.0.state();
        state.size += piece.len();
        state.pieces.push_back(Bytes::copy_from_slice(piece));
        state.wake_all();
    }

    /// Keeps the body no longer.
    pub(crate) fn overflow(&mut self) {
        let mut state = self.0.state();
        state.is_kept = false;
        state.trim();
    }

    /// Waits until the slowest reader of a body that is not kept has room for more. One that holds up the others for
    /// longer than `patience` is cut off.
    pub(crate) async fn room(&mut self, patience: Duration) -> Result<(), Unread> {
        loop {
            let progress = self.0.progress.notified();
            {
                let mut state = self.0.state();
                state.trim();
                if !state.readers.iter().flatten().any(|reader| !reader.is_cut_off) {
                    return Err(Unread);
                }
                if state.size <= WINDOW {
                    return Ok(());
                }
            }
            if timeout(patience, progress).await.is_err() {
                let mut state = self.0.state();
                let slowest = state.gone;
                for reader in state.readers.iter_mut().flatten().filter(|reader| reader.next == slowest) {
                    reader.is_cut_off = true;
                }
                state.wake_all();
            }
        }
    }

    /// Ends the body and returns it, if it was kept.
    pub(crate) fn finish(self) -> Option<Bytes> {
        let mut state = self.0.state();
        state.end = Some(Ok(()));
        state.wake_all();
        let pieces = state.is_kept.then(|| state.pieces.iter().cloned().collect::<Vec<_>>());
        drop(state);
        pieces.map(|pieces| match pieces.as_slice() {
            [piece] => piece.clone(),
            pieces => pieces.concat().into(),
        })
    }

    /// Ends the body with an error.
    pub(crate) fn fail(self, error: &str) {
        self.0.state().end = Some(Err(error.into()));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.end.get_or_insert_with(|| Err("the rest of the response was not received".into()));
        state.wake_all();
    }
}

impl Source {
    /// One more reader, unless the beginning of the body is gone.
    pub(crate) fn reader(&self) -> Option<Reader> {
        let mut state = self.0.state();
        if !state.is_kept {
            return None;
        }
        let free = state.readers.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            state.readers.push(None);
            state.readers.len() - 1
        });
        state.readers[number] = Some(Progress::default());
        drop(state);
        Some(Reader { fill: Arc::clone(&self.0), number })
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut guard = self.fill.state();
        let state = &mut *guard;
        let reader = state.readers[self.number].as_mut().expect("a reader is removed when it is dropped");
        if reader.is_cut_off {
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the body was read too slowly"))));
        }
        if let Some(piece) = state.pieces.get(reader.next - state.gone) {
            reader.next += 1;
            reader.read += piece.len() as u64;
            let piece = piece.clone();
            if !state.is_kept {
                self.fill.progress.notify_one();
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(io::Error::other(error.to_string())))),
            None => {
                reader.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.fill.state();
        let read = state.readers[self.number].as_ref().map_or(0, |reader| reader.read);
        state.length.map_or_else(SizeHint::new, |length| SizeHint::with_exact(length.saturating_sub(read)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.fill.state().readers[self.number] = None;
        self.fill.progress.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "what is spawned ends with the test's runtime")]

    use http_body_util::BodyExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn text(reader: Reader) -> io::Result<String> {
        Ok(String::from_utf8(reader.collect().await?.to_bytes().into()).unwrap())
    }

    async fn next(reader: &mut Reader) -> Bytes {
        reader.frame().await.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn every_reader_gets_the_whole_at_its_own_pace() {
        let mut writer = Writer::new(Some(4));
        let source = writer.source();
        let mut early = source.reader().unwrap();
        assert_eq!(early.size_hint().exact(), Some(4));
        writer.push(b"ab");
        assert_eq!(next(&mut early).await, "ab");
        let late = source.reader().unwrap();
        let late = tokio::spawn(text(late));
        writer.push(b"cd");
        assert_eq!(writer.finish().unwrap(), "abcd");
        assert_eq!(text(early).await.unwrap(), "cd");
        assert_eq!(late.await.unwrap().unwrap(), "abcd");
        assert_eq!(text(source.reader().unwrap()).await.unwrap(), "abcd");
    }

    #[tokio::test]
    async fn a_body_that_fails_or_is_given_up_ends_with_an_error() {
        let mut writer = Writer::new(None);
        let reader = writer.source().reader().unwrap();
        writer.push(b"ab");
        writer.fail("reset");
        assert_eq!(text(reader).await.unwrap_err().to_string(), "reset");

        let writer = Writer::new(None);
        let reader = writer.source().reader().unwrap();
        let reading = tokio::spawn(text(reader));
        drop(writer);
        assert!(reading.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_passed_on_in_a_window() {
        let mut writer = Writer::new(None);
        let source = writer.source();
        let mut reader = source.reader().unwrap();
        let piece = vec![b'x'; WINDOW];
        writer.push(&piece);
        writer.push(&piece);
        writer.overflow();
        assert!(source.reader().is_none());

        let reading = tokio::spawn(async move {
            let mut size = 0;
            while let Some(frame) = reader.frame().await {
                size += frame.unwrap().into_data().unwrap().len();
            }
            size
        });
        for _ in 0..100 {
            writer.room(PATIENCE).await.unwrap();
            assert!(writer.0.state().size <= WINDOW);
            writer.push(&piece);
        }
        assert!(writer.finish().is_none());
        assert_eq!(reading.await.unwrap(), 102 * WINDOW);
    }

    #[tokio::test]
    async fn a_reader_that_holds_up_the_others_is_cut_off() {
        let mut writer = Writer::new(None);
        let source = writer.source();
        let (mut stuck, mut quick) = (source.reader().unwrap(), source.reader().unwrap());
        writer.push(&vec![0; 2 * WINDOW]);
        writer.overflow();
        assert_eq!(next(&mut quick).await.len(), 2 * WINDOW);
        writer.room(Duration::from_millis(1)).await.unwrap();
        assert_eq!(stuck.frame().await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);

        writer.push(b"more");
        assert_eq!(next(&mut quick).await, "more");
        drop(quick);
        assert_eq!(writer.room(PATIENCE).await, Err(Unread));
    }
}
