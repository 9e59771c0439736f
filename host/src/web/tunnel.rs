//! A WebSocket connection that leads through the gateway to a backend.
//!
//! Its bytes are passed on unread. What an idle one needs is its two sockets: there is a buffer only while one side takes less than the
//! other sends.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::gate::Pass;

/// Bytes that are read at once.
const PIECE: usize = 8 << 10;

/// The backend's end, once it has agreed.
pub struct Tunnel {
    pub(super) backend: OnUpgrade,
    pub(super) idle: Duration,
    pub(super) open: Gauge,
    pub(super) pass: Pass,
}

impl Tunnel {
    /// Passes bytes both ways until both sides have ended theirs, nothing is sent for too long, or `stop`.
    pub async fn run(self, mut caller: impl AsyncRead + AsyncWrite + Unpin, stop: CancellationToken) {
        let Self { backend, idle, open, pass } = self;
        let Ok(backend) = backend.await else { return };
        let mut backend = TokioIo::new(backend);
        open.inc();
        let mut ways = Ways::new();
        let mut silence = std::pin::pin!(tokio::time::sleep(idle));
        loop {
            tokio::select! {
                ended = poll_fn(|cx| ways.poll(cx, &mut caller, &mut backend)) => {
                    if let Err(error) = ended {
                        tracing::debug!("WebSocket connection ended: {error}");
                    }
                    break;
                }
                () = silence.as_mut() => {
                    let since = ways.last;
                    if since.elapsed() >= idle {
                        tracing::debug!(?idle, "WebSocket connection was idle for too long");
                        break;
                    }
                    silence.as_mut().reset((since + idle).into());
                }
                () = stop.cancelled() => break,
            }
        }
        open.dec();
        drop(pass);
    }
}

/// Both directions.
struct Ways {
    up: Way,
    down: Way,
    last: Instant,
}

/// One direction.
#[derive(Default)]
struct Way {
    /// What was read and not written yet.
    waiting: Vec<u8>,
    written: usize,
    is_over: bool,
    is_shut: bool,
}

impl Ways {
    fn new() -> Self {
        Self { up: Way::default(), down: Way::default(), last: Instant::now() }
    }

    fn poll<A, B>(&mut self, cx: &mut Context<'_>, caller: &mut A, backend: &mut B) -> Poll<io::Result<()>>
    where
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let mut moved = false;
        let up = self.up.poll(cx, caller, backend, &mut moved)?;
        let down = self.down.poll(cx, backend, caller, &mut moved)?;
        if moved {
            self.last = Instant::now();
        }
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Way {
    fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.waiting.len() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting[self.written..]))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += written;
                *moved = true;
            }
            (self.waiting, self.written) = (Vec::new(), 0);
            if self.is_shut {
                return Poll::Ready(Ok(()));
            }
            if self.is_over {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.is_shut = true;
                return Poll::Ready(Ok(()));
            }
            let mut room = [MaybeUninit::<u8>::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *from).poll_read(cx, &mut piece)? {
                Poll::Pending => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    return Poll::Pending;
                }
                Poll::Ready(()) if piece.filled().is_empty() => self.is_over = true,
                Poll::Ready(()) => {
                    *moved = true;
                    let written = match Pin::new(&mut *to).poll_write(cx, piece.filled())? {
                        Poll::Ready(written) => written,
                        Poll::Pending => 0,
                    };
                    self.waiting = piece.filled()[written..].to_vec();
                }
            }
        }
    }
}
