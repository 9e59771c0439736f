//! One connection to a backend.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::web::error::Failure;
use crate::web::upload::Upload;

/// Bytes of an answer that are read ahead of its caller; the head of an answer must fit.
const BUFFER: usize = 64 << 10;

/// A connection that takes one request after the other.
pub(in crate::web) struct Wire {
    pub(in crate::web) sender: SendRequest<Upload>,
    received: Arc<AtomicU64>,
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr, limit: Duration, tasks: &TaskTracker) -> Result<Self, Failure> {
        let connected = tokio::time::timeout(limit, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| Failure::ConnectTimeout(limit))?;
        let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(|error| Failure::Connect(error.to_string()))?;
        let received = Arc::new(AtomicU64::new(0));
        let io = TokioIo::new(Counted { stream, received: Arc::clone(&received) });
        let built = http1::Builder::new().max_buf_size(BUFFER).handshake::<_, Upload>(io).await;
        let (sender, connection) = built.map_err(|error| Failure::Connect(error.to_string()))?;
        tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::trace!(%address, "Connection to a backend ended badly: {error}");
            }
        });
        Ok(Self { sender, received })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Bytes that came so far.
    pub(in crate::web) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }
}

/// Counts what comes, so that it is known whether an answer had begun.
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            this.received.fetch_add(read as u64, Ordering::Release);
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
