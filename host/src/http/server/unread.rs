//! What a request leaves unread when it is answered before the end of its body.
//!
//! A small rest is read, so that the connection goes on. With a larger one the answer says `connection: close`, and what the
//! caller still sends is discarded for a while: closing at once would reset the connection, and the caller, which is still
//! sending, would never read the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// Bytes of a rest that is read, and how long it may take to arrive.
const SMALL: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_millis(250);

/// How long a connection that is closed with an unread rest discards what still arrives.
const LINGER: Duration = Duration::from_secs(5);

/// Reads the rest of `body` if it is small. Returns whether nothing is left.
pub(crate) async fn read_rest<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if body.size_hint().lower() > SMALL as u64 {
        return false;
    }
    tokio::time::timeout(PATIENCE, discard(body)).await.unwrap_or(false)
}

/// Discards the body. Returns whether it ended within `SMALL` bytes.
async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
    let mut left = SMALL;
    while let Some(frame) = body.frame().await {
        let read = frame.map(|frame| frame.data_ref().map_or(0, Bytes::len));
        match read.ok().and_then(|read| left.checked_sub(read)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// The end of a connection with an unread rest.
#[derive(Default)]
pub(crate) struct Linger {
    until: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    /// Discards what arrives at `stream` until its other end is closed too, or the time is over.
    pub(crate) fn poll<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut ignored = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut ignored);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};
    use http_body_util::{Empty, Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    fn pieces(sizes: &'static [usize], ends: bool) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let pieces = stream::iter(sizes).map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; *size]))));
        let rest = if ends { stream::empty().boxed() } else { stream::pending().boxed() };
        StreamBody::new(pieces.chain(rest).boxed())
    }

    #[tokio::test]
    async fn a_rest_is_read_when_it_is_small_and_there() {
        assert!(read_rest(&mut Empty::<Bytes>::new()).await);
        assert!(read_rest(&mut Full::new(Bytes::from(vec![b'x'; SMALL]))).await);
        assert!(!read_rest(&mut Full::new(Bytes::from(vec![b'x'; SMALL + 1]))).await);
        assert!(read_rest(&mut pieces(&[1000, SMALL - 1000], true)).await);
        assert!(!read_rest(&mut pieces(&[1000, SMALL], true)).await);
        assert!(!read_rest(&mut pieces(&[1000], false)).await);
    }
}
