//! The body of an answer to a request to a site.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, SizeHint};

use super::relayed::Relayed;
use super::{cache, files};

/// Made while it is sent; an error ends it early, and the connection with it.
pub struct Body(Kind);

enum Kind {
    Whole(Full<Bytes>),
    Relayed(Box<Relayed>),
    Boxed(UnsyncBoxBody<Bytes, io::Error>),
}

impl Body {
    /// Bytes that are there.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Full::new(bytes.into())))
    }

    /// Any other body.
    pub fn boxed(body: impl hyper::body::Body<Data = Bytes, Error = io::Error> + Send + 'static) -> Self {
        Self(Kind::Boxed(body.boxed_unsync()))
    }

    /// An answer of the cache, or one past it.
    pub(super) fn of_cache(body: cache::Body<Self>) -> Self {
        match body {
            cache::Body::Whole(whole) => Self(Kind::Whole(whole)),
            cache::Body::Passed(body) => body,
            body @ cache::Body::Filling(_) => Self::boxed(body),
        }
    }

    /// A file, or a part of one.
    pub(super) fn of_file(body: files::Body) -> Self {
        match body {
            files::Body::Whole(whole) => Self(Kind::Whole(whole)),
            body @ files::Body::Pieces(_) => Self::boxed(body),
        }
    }

    pub(super) fn relayed(body: Relayed) -> Self {
        Self(Kind::Relayed(Box::new(body)))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(whole) => {
                Pin::new(whole).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Kind::Relayed(relayed) => Pin::new(relayed).poll_frame(cx),
            Kind::Boxed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(whole) => whole.is_end_stream(),
            Kind::Relayed(relayed) => relayed.is_end_stream(),
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(whole) => whole.size_hint(),
            Kind::Relayed(relayed) => relayed.size_hint(),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}
