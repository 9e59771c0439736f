//! The body of a response that a session writes while it is read.

use std::pin::Pin;
use std::task::Poll;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;

use super::session::Session;
use super::transport::{Gone, Heard, Transport};

/// The end of a session that writes a response.
pub(super) struct ResponseBody {
    pieces: mpsc::Sender<Bytes>,
    buffer: BytesMut,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Bytes that are sent at once.
const PIECE: usize = 16 << 10;

impl ResponseBody {
    /// The session runs while the stream is read, and ends with it, or when the client is `gone`.
    pub(super) fn stream<T: Transport + 'static>(
        session: Session,
        gone: impl Future<Output = ()> + Send + 'static,
        transport: impl FnOnce(Self) -> T,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let (pieces, mut made) = mpsc::channel(1);
        let mut transport = transport(Self { pieces, buffer: BytesMut::new(), gone: Box::pin(gone) });
        let running = async move { session.run(&mut transport).await };
        let mut running: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = Some(Box::pin(running));
        poll_fn(move |cx| {
            loop {
                if let Poll::Ready(piece) = made.poll_recv(cx) {
                    return Poll::Ready(piece);
                }
                match &mut running {
                    Some(session) => match session.as_mut().poll(cx) {
                        Poll::Ready(()) => running = None,
                        // It may have made a piece now.
                        Poll::Pending => return made.poll_recv(cx),
                    },
                    None => return made.poll_recv(cx),
                }
            }
        })
    }

    /// What is sent with the next piece.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// Sends what was put if it is enough for a piece.
    pub(super) async fn send(&mut self) -> Result<(), Gone> {
        if self.buffer.len() < PIECE { Ok(()) } else { self.flush().await }
    }

    /// Sends what was put.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = self.buffer.split().freeze();
        self.pieces.send(piece).await.map_err(|_| Gone)
    }

    /// Waits until nobody reads any more.
    pub(super) async fn hear(&mut self) -> Heard {
        tokio::select! {
            () = self.pieces.closed() => {}
            () = &mut self.gone => {}
        }
        Heard::Gone
    }
}
