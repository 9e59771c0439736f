//! The body of a request on its way to a backend.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::error::WebError;

/// A request body; empty, or streamed frame by frame. hyper asks for a frame when there is room for it, so a slow backend slows its
/// caller.
pub(super) struct Upload(Option<Box<Streamed>>);

struct Streamed {
    body: Incoming,
    left: u64,
    progress: Arc<Progress>,
    /// Made when the caller is silent for the first time.
    silence: Option<Pin<Box<Sleep>>>,
    /// When there was first nothing to send; `None` while there is something. While the backend takes nothing, nobody is silent.
    silent_since: Option<Instant>,
}

/// How far an upload is; shared with who waits for the answer.
pub(super) struct Progress {
    began: Instant,
    /// Milliseconds after `began`.
    last: AtomicU64,
    limit: u64,
    idle: Duration,
    is_complete: AtomicBool,
    is_abandoned: AtomicBool,
    too_large: AtomicBool,
    too_slow: AtomicBool,
    broken: AtomicBool,
    waker: AtomicWaker,
}

impl Upload {
    pub(super) const EMPTY: Self = Self(None);

    /// At most `limit` bytes of `body`, whose caller may be silent for `idle`.
    pub(super) fn new(body: Incoming, limit: u64, idle: Duration) -> Self {
        let progress = Progress {
            began: Instant::now(),
            last: AtomicU64::new(0),
            limit,
            idle,
            is_complete: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
            too_large: AtomicBool::new(false),
            too_slow: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        };
        Self(Some(Box::new(Streamed {
            body,
            left: limit,
            progress: Arc::new(progress),
            silence: None,
            silent_since: None,
        })))
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.0.as_ref().map(|streamed| Arc::clone(&streamed.progress))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Progress {
    /// Whether all of it was handed over.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// Nobody wants the rest: the connection to the backend ends with it.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// When the last frame was handed over.
    pub(super) fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// What the caller did wrong.
    pub(super) fn fault(&self) -> Option<WebError> {
        if self.too_large.load(Ordering::Acquire) {
            Some(WebError::TooLarge { limit: self.limit })
        } else if self.too_slow.load(Ordering::Acquire) {
            Some(WebError::SlowCaller(self.idle))
        } else if self.broken.load(Ordering::Acquire) {
            Some(WebError::BadBody)
        } else {
            None
        }
    }

    fn moved(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }
}

impl Streamed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let progress = &*self.progress;
        progress.waker.register(cx.waker());
        if progress.is_abandoned.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silent_since = None;
                progress.moved();
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(left) = self.left.checked_sub(size) else {
                    progress.too_large.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(io::ErrorKind::FileTooLarge.into())));
                };
                self.left = left;
                // Nothing comes after trailers, and nobody asks for it.
                if frame.is_trailers() || self.body.is_end_stream() {
                    progress.is_complete.store(true, Ordering::Release);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                progress.broken.store(true, Ordering::Release);
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Ready(None) => {
                progress.is_complete.store(true, Ordering::Release);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let idle = progress.idle;
                let since = *self.silent_since.get_or_insert_with(Instant::now);
                let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
                while silence.as_mut().poll(cx).is_ready() {
                    if since.elapsed() >= idle {
                        progress.too_slow.store(true, Ordering::Release);
                        return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                    }
                    silence.as_mut().reset((since + idle).into());
                }
                Poll::Pending
            }
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.get_mut().0 {
            None => Poll::Ready(None),
            Some(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|streamed| streamed.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |streamed| streamed.body.size_hint())
    }
}
