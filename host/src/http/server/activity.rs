//! The activity of a connection, and how long it may be idle.
//!
//! Requests, response bodies and the socket record it; a watchdog checks it periodically, so that a request costs no timer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::http::request::Parts;
use ::http::{Request, Version};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::unread::Linger;
use crate::web::{CallerLeft, Departure};

/// Bytes that the kernel takes of an answer without an end before it can send them.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// How long a head may take, and how long a connection may be idle.
pub(crate) struct ActivityLimits {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
}

impl ActivityLimits {
    /// How often to check: a limit is exceeded by this much at most.
    pub(crate) fn period(&self) -> Duration {
        (self.head.min(self.idle) / 2).max(Duration::from_millis(10))
    }
}

/// Whether a connection may stay open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActivityVerdict {
    Fine,
    Idle,
    SlowHead,
}

/// Times are milliseconds since the connection was opened.
pub(crate) struct Activity {
    opened: Instant,
    /// Requests whose response is not handed over in full.
    requests: AtomicU32,
    /// Requests that a handler works on.
    handled: AtomicU32,
    /// Responses whose body has nothing to send yet.
    waiting: AtomicU32,
    /// When the last request ended or the last byte was written.
    quiet_since: AtomicU64,
    /// When the head that is being read began, plus one; 0 between heads.
    head_since: AtomicU64,
    /// Since when the caller has not read bytes that wait for it, plus one; 0 when it reads them.
    blocked_since: AtomicU64,
    /// With HTTP/2, bytes arrive that belong to no head.
    is_http2: AtomicBool,
    /// Whether the connection is closed with the rest of a request unread.
    leaves_unread: AtomicBool,
    /// Whether what is sent has no end.
    is_endless: AtomicBool,
    /// Whether somebody waits for the end of the caller's side. hyper does not read while it sends a response.
    wants_end: AtomicBool,
    /// The caller has ended its side of the connection.
    ended: CancellationToken,
}

/// The connection of an answer that has no end, such as a stream of events. What waits for the caller in the kernel is kept short, so
/// that a slow one is noticed and gets what is new; and the end of the caller's side is the end of the answer, while whoever sends a
/// short one does not care, because the caller may still read it.
#[derive(Clone)]
pub(crate) struct Endless(Arc<Activity>);

impl Endless {
    pub(crate) fn attach<B>(request: &mut Request<B>, activity: &Arc<Activity>) {
        request.extensions_mut().insert(Self(Arc::clone(activity)));
    }

    /// Begins such an answer on the connection of a request.
    pub(crate) fn begin(head: &Parts) -> Option<Self> {
        let endless: Option<Self> = head.extensions.get().cloned();
        if let Some(Self(activity)) = &endless {
            activity.is_endless.store(true, Ordering::Relaxed);
        }
        endless
    }

    /// Waits for the end of the caller's side.
    pub(crate) async fn caller_left(self) {
        self.0.wait_for_end().await;
    }

    /// What tells when the caller of a request leaves.
    pub(crate) fn departure(head: &Parts) -> Option<Arc<dyn Departure>> {
        let Self(activity) = head.extensions.get::<Self>()?;
        Some(Arc::clone(activity) as _)
    }
}

impl Departure for Activity {
    fn left(self: Arc<Self>) -> CallerLeft {
        Box::pin(async move { self.wait_for_end().await })
    }
}

impl Activity {
    async fn wait_for_end(&self) {
        self.wants_end.store(true, Ordering::Relaxed);
        self.ended.cancelled().await;
    }

    /// A new connection is expected to begin a head.
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            requests: AtomicU32::new(0),
            handled: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(1),
            blocked_since: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            leaves_unread: AtomicBool::new(false),
            is_endless: AtomicBool::new(false),
            wants_end: AtomicBool::new(false),
            ended: CancellationToken::new(),
        }
    }

    /// Notes that the rest of a request is not read before the connection is closed.
    pub(crate) fn leave_unread(&self) {
        self.leaves_unread.store(true, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn received(&self) {
        if self.requests.load(Ordering::Relaxed) == 0
            && self.head_since.load(Ordering::Relaxed) == 0
            && !self.is_http2.load(Ordering::Relaxed)
        {
            self.head_since.store(self.now() + 1, Ordering::Relaxed);
        }
    }

    fn sent(&self) {
        self.quiet_since.store(self.now(), Ordering::Relaxed);
        if self.blocked_since.load(Ordering::Relaxed) > 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    fn blocked(&self) {
        if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(self.now() + 1, Ordering::Relaxed);
        }
    }

    /// Whether a head has begun, or the first one is still to come.
    pub(crate) fn expects_a_head(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn verdict(&self, limits: &ActivityLimits) -> ActivityVerdict {
        self.verdict_at(self.now(), limits)
    }

    fn verdict_at(&self, now: u64, limits: &ActivityLimits) -> ActivityVerdict {
        let exceeded = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) >= limit.as_millis();
        let began = |mark: &AtomicU64| mark.load(Ordering::Relaxed).checked_sub(1);
        if self.handled.load(Ordering::Relaxed) > 0 {
            return ActivityVerdict::Fine;
        }
        if began(&self.blocked_since).is_some_and(|since| exceeded(since, limits.idle)) {
            return ActivityVerdict::Idle;
        }
        // The caller of a stream that has nothing to send waits for the gateway.
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return ActivityVerdict::Fine;
        }
        match began(&self.head_since) {
            Some(since) if exceeded(since, limits.head) => ActivityVerdict::SlowHead,
            Some(_) => ActivityVerdict::Fine,
            None if exceeded(self.quiet_since.load(Ordering::Relaxed), limits.idle) => ActivityVerdict::Idle,
            None => ActivityVerdict::Fine,
        }
    }
}

/// A request in flight, from its head to the last byte of its response; dropped early when its caller leaves.
pub(crate) struct Busy {
    activity: Arc<Activity>,
    phase: Phase,
}

/// Whom a request waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The handler.
    Handled,
    /// The source of the response's body.
    Waiting,
    /// The caller: the time that it needs to read counts as idle.
    Sending,
}

impl Busy {
    pub(crate) fn new(activity: Arc<Activity>, version: Version) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.handled.fetch_add(1, Ordering::Relaxed);
        activity.head_since.store(0, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            activity.is_http2.store(true, Ordering::Relaxed);
        }
        Self { activity, phase: Phase::Handled }
    }

    /// The handler is done; the mark goes on with the body of its response.
    pub(crate) fn with_body<B>(mut self, body: B) -> BusyBody<B> {
        self.enter(Phase::Sending);
        BusyBody { body, busy: self }
    }

    fn enter(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        self.leave();
        if phase == Phase::Waiting {
            self.activity.waiting.fetch_add(1, Ordering::Relaxed);
        }
        self.phase = phase;
    }

    fn leave(&self) {
        let activity = &self.activity;
        match self.phase {
            Phase::Handled => activity.handled.fetch_sub(1, Ordering::Relaxed),
            Phase::Waiting => activity.waiting.fetch_sub(1, Ordering::Relaxed),
            Phase::Sending => return,
        };
        activity.quiet_since.store(activity.now(), Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.leave();
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a response; while it has nothing to send, its connection is not idle.
pub(crate) struct BusyBody<B> {
    body: B,
    busy: Busy,
}

impl<B: Body<Data = Bytes> + Unpin> Body for BusyBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Self { body, busy } = self.get_mut();
        let polled = Pin::new(body).poll_frame(cx);
        busy.enter(if polled.is_pending() { Phase::Waiting } else { Phase::Sending });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the bytes of a connection go through.
pub(crate) trait OverTcp {
    fn tcp(&self) -> &TcpStream;
}

impl OverTcp for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl OverTcp for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A socket that reports to its [`Activity`].
pub(crate) struct WatchedSocket<S> {
    stream: S,
    activity: Arc<Activity>,
    is_shut: bool,
    /// Whether little waits in the kernel.
    is_short: bool,
    linger: Linger,
}

impl<S> WatchedSocket<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, is_shut: false, is_short: false, linger: Linger::default() }
    }

    /// Has the kernel take little that it cannot send yet, once what is sent has no end.
    fn keep_short(&mut self)
    where
        S: OverTcp,
    {
        if !self.is_short && self.activity.is_endless.load(Ordering::Relaxed) {
            self.is_short = true;
            // Without it a slow caller is noticed later.
            #[cfg(target_os = "linux")]
            drop(SockRef::from(self.stream.tcp()).set_tcp_notsent_lowat(UNSENT));
        }
    }

    /// Notes the end of the caller's side if somebody waits for it, and has the connection polled again when it comes.
    fn look_for_end(&self, cx: &mut Context<'_>)
    where
        S: OverTcp,
    {
        if self.activity.wants_end.load(Ordering::Relaxed) && !self.activity.ended.is_cancelled() {
            let mut byte = [0; 1];
            let mut byte = ReadBuf::new(&mut byte);
            if matches!(self.stream.tcp().poll_peek(cx, &mut byte), Poll::Ready(Ok(0) | Err(_))) {
                self.activity.ended.cancel();
            }
        }
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Ready(Ok(_)) => self.activity.sent(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.blocked(),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) && buf.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + OverTcp + Unpin> AsyncWrite for WatchedSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.keep_short();
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look_for_end(cx);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, activity, is_shut, linger, .. } = self.get_mut();
        if !*is_shut {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            *is_shut = true;
        }
        match activity.leaves_unread.load(Ordering::Relaxed) {
            true => linger.poll(stream, cx).map(Ok),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.keep_short();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::StreamExt;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;

    const LIMITS: ActivityLimits =
        ActivityLimits { head: Duration::from_millis(100), idle: Duration::from_millis(1000) };

    #[test]
    fn a_connection_is_closed_for_a_slow_head_or_for_doing_nothing() {
        let check = |requests: u32, quiet_since: u64, head_since: u64, now: u64, expected: ActivityVerdict| {
            let activity = Activity::new();
            activity.handled.store(requests, Ordering::Relaxed);
            activity.quiet_since.store(quiet_since, Ordering::Relaxed);
            activity.head_since.store(head_since, Ordering::Relaxed);
            assert_eq!(activity.verdict_at(now, &LIMITS), expected, "{requests} {quiet_since} {head_since} {now}");
        };

        check(0, 0, 1, 99, ActivityVerdict::Fine);
        check(0, 0, 1, 100, ActivityVerdict::SlowHead);
        check(1, 0, 0, 9999, ActivityVerdict::Fine);
        check(0, 500, 0, 1499, ActivityVerdict::Fine);
        check(0, 500, 0, 1500, ActivityVerdict::Idle);
        check(0, 500, 1401, 1450, ActivityVerdict::Fine);
    }

    #[test]
    fn a_head_begins_with_the_first_byte_after_an_answer() {
        let activity = Arc::new(Activity::new());
        let body = Busy::new(Arc::clone(&activity), Version::HTTP_11).with_body(());
        activity.received();
        assert_eq!(activity.head_since.load(Ordering::Relaxed), 0);
        drop(body);

        activity.received();

        assert!(activity.head_since.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn a_stream_with_nothing_to_send_is_not_idle_but_a_caller_that_reads_nothing_is() {
        const LATER: u64 = 1 << 20;
        let activity = Arc::new(Activity::new());
        let verdict = || activity.verdict_at(LATER, &LIMITS);
        let (sender, mut receiver) = mpsc::channel(1);
        let pieces = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let busy = Busy::new(Arc::clone(&activity), Version::HTTP_11);
        assert_eq!(verdict(), ActivityVerdict::Fine);
        let mut body = busy.with_body(StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))));
        let poll = |body: &mut BusyBody<_>| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            Pin::new(body).poll_frame(&mut cx).is_pending()
        };

        assert_eq!(verdict(), ActivityVerdict::Idle, "the caller has to read the head");
        assert!(poll(&mut body));
        assert_eq!(verdict(), ActivityVerdict::Fine);
        activity.blocked();
        assert_eq!(verdict(), ActivityVerdict::Idle, "the caller does not read what was sent before");
        activity.sent();
        assert_eq!(verdict(), ActivityVerdict::Fine);
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        assert!(!poll(&mut body));
        assert_eq!(verdict(), ActivityVerdict::Idle, "the caller has to read first");
        drop(sender);
        assert!(body.frame().await.is_none());
        drop(body);
        assert_eq!(activity.requests.load(Ordering::Relaxed), 0);
        assert_eq!(activity.waiting.load(Ordering::Relaxed), 0);
    }
}
