//! The body of a response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::web;

pub(crate) enum Payload {
    Whole(Full<Bytes>),
    /// Made while it is sent; an error ends it early, and the connection with it.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
    /// Made when it is asked for, and dropped with the connection.
    Stream(BoxStream<'static, Bytes>),
    /// Of a site.
    Site(web::Body),
}

impl Payload {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(whole) => {
                Pin::new(whole).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Pieces(pieces) => Poll::Ready(ready!(pieces.poll_recv(cx)).map(|piece| piece.map(Frame::data))),
            Self::Stream(stream) => Poll::Ready(ready!(stream.poll_next_unpin(cx)).map(|piece| Ok(Frame::data(piece)))),
            Self::Site(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Pieces(_) | Self::Stream(_) => false,
            Self::Site(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces(_) | Self::Stream(_) => SizeHint::new(),
            Self::Site(body) => body.size_hint(),
        }
    }
}
