//! The body of a response from the cache, or past it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{self, Frame, SizeHint};

use super::fill::Reader;

/// The body of a response; `B` is a backend's.
pub(crate) enum Body<B> {
    Whole(Full<Bytes>),
    /// Still being received.
    Filling(Reader),
    Passed(B),
}

impl<B> Body<B> {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }
}

impl<B> body::Body for Body<B>
where
    B: body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(whole) => {
                Pin::new(whole).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Filling(reader) => Pin::new(reader).poll_frame(cx),
            Self::Passed(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(io::Error::other)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Filling(reader) => reader.is_end_stream(),
            Self::Passed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Filling(reader) => reader.size_hint(),
            Self::Passed(body) => body.size_hint(),
        }
    }
}
