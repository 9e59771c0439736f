//! The body of an answer on its way to the caller.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::backends::{Backend, Lease};
use super::caller::{CallerLeft, Departure};
use super::gate::Pass;
use super::upload::Progress;

/// How long a body may be silent before it is looked whether its caller is still there.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(250);

/// Streamed frame by frame: hyper asks for a frame when there is room for it, so a slow caller slows the backend. Holds what the request
/// occupies until its end.
pub(super) struct Relayed {
    body: Incoming,
    /// `None` after the end.
    held: Option<Held>,
    departure: Option<Arc<dyn Departure>>,
    /// Made when the backend is silent for the first time.
    silence: Option<Silence>,
}

/// What is held until the end of the body.
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) upload: Option<Arc<Progress>>,
    pub(super) backend: Arc<Backend>,
    pub(super) _passes: [Pass; 2],
}

struct Silence {
    /// When there was first nothing to send; `None` while there is something. While the caller takes nothing, nobody is silent.
    since: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    left: Option<CallerLeft>,
}

impl Held {
    /// After the whole answer.
    pub(super) fn finish(self) {
        match self.upload {
            Some(upload) if !upload.is_complete() => upload.abandon(),
            _ => self.lease.give_back(),
        }
    }

    /// After a part of it.
    fn cut_off(self) {
        if let Some(upload) = self.upload {
            upload.abandon();
        }
    }
}

impl Relayed {
    pub(super) fn new(body: Incoming, held: Held, departure: Option<Arc<dyn Departure>>) -> Self {
        Self { body, held: Some(held), departure, silence: None }
    }

    fn finish(&mut self) {
        if let Some(held) = self.held.take() {
            held.finish();
        }
    }

    fn fail(&mut self, reason: &str, error: io::Error) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(held) = self.held.take() {
            held.backend.metrics.fail(reason);
            tracing::debug!(backend = held.backend.settings.name, reason, "Answer ended early: {error}");
            held.cut_off();
        }
        Poll::Ready(Some(Err(error)))
    }

    /// While the backend sends nothing.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(held) = &self.held else { return Poll::Pending };
        let limit = held.backend.settings.idle_timeout;
        let silence = self.silence.get_or_insert_with(|| Silence {
            since: None,
            sleep: Box::pin(tokio::time::sleep(FIRST_LOOK.min(limit))),
            left: None,
        });
        let since = *silence.since.get_or_insert_with(Instant::now);
        while silence.sleep.as_mut().poll(cx).is_ready() {
            let quiet = since.elapsed();
            if quiet >= limit {
                return self.fail("silent", io::ErrorKind::TimedOut.into());
            }
            let next = if quiet >= FIRST_LOOK { limit } else { FIRST_LOOK.min(limit) };
            if quiet >= FIRST_LOOK && silence.left.is_none() {
                silence.left = self.departure.clone().map(Departure::left);
            }
            silence.sleep.as_mut().reset((since + next).into());
        }
        if silence.left.as_mut().is_some_and(|left| left.as_mut().poll(cx).is_ready()) {
            return self.fail("caller_left", io::ErrorKind::ConnectionAborted.into());
        }
        Poll::Pending
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(silence) = &mut this.silence {
                    silence.since = None;
                }
                // Nothing comes after trailers, and nobody asks for it.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail("cut_off", io::Error::other(error)),
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => this.wait(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.cut_off();
        }
    }
}
