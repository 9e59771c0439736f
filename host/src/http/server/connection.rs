use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::Certificate;
use crate::metrics::ByReason;

use super::listener::turn_away;
use super::proxy_protocol;
use super::tls::{Encrypted, NoTls, Tls};
use crate::http::Settings;
use crate::http::route::Surface;
use crate::http::shared::Front;

/// The least that hyper reads into; smaller heads cannot be asked for.
const LEAST_BUFFER: usize = 8 << 10;

/// Requests that one HTTP/2 connection may have in flight.
const STREAMS: u32 = 128;

/// Bytes that one HTTP/2 request, and all of a connection together, may send before they are read.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// How long a connection that was made before the end of the intake may take for the head of its request: its caller
/// was let in, so it is answered.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How often it is looked at meanwhile.
const LAST_CALL_STEP: Duration = Duration::from_millis(10);

/// How long a connection may take to say goodbye when it was idle for too long.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a caller is told that speaks HTTP where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 32\r\n\
    connection: close\r\n\r\nexpected https, found plain http";

/// Who is at the two ends of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) local: SocketAddr,
    /// The caller, or whom a proxy speaks for.
    pub(crate) peer: SocketAddr,
    pub(crate) origin: Origin,
    pub(crate) is_encrypted: bool,
    /// What the caller showed when the connection was encrypted.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

/// Whether it is known whom the connection is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From `peer`.
    Named,
    /// A proxy was asked and named nobody.
    Unnamed,
}

/// One connection of a caller.
pub(crate) struct Connection {
    front: Arc<Front>,
    surface: Surface,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    tasks: TaskTracker,
}

/// Lets hyper start the tasks of HTTP/2 streams where shutdown waits for them.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

impl Connection {
    pub(crate) fn new(
        front: Arc<Front>,
        surface: Surface,
        peer: SocketAddr,
        tls: Option<Arc<Tls>>,
        tasks: TaskTracker,
    ) -> Self {
        Self { front, surface, peer, tls, tasks }
    }

    /// Serves requests until the caller leaves, is idle for too long, or `stop` and the grace after it are over.
    pub(crate) async fn serve(self, mut stream: TcpStream, stop: CancellationToken) {
        // Without it an answer waits for the caller's delayed acknowledgement; both fail only when the caller is gone.
        let (Ok(local), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else { return };
        let front = Arc::clone(&self.front);
        let _counted = Counted::new(&front.metrics.connections);
        let Some((peer, origin)) = self.origin(&mut stream, &stop).await else { return };
        // Whom a proxy speaks for counts as if it had come itself.
        let is_counted = peer != self.peer && !front.settings.trusted_proxies.trusts(peer.ip().to_canonical());
        let presence = is_counted.then(|| front.crowd.enter(peer.ip()));
        if let Some(None) = presence {
            front.metrics.refused.get_or_create(&ByReason::new("connections_per_address")).inc();
            return;
        }
        let ends = Ends { local, peer, origin, is_encrypted: self.tls.is_some(), certificate: None };
        match self.tls.clone() {
            None => self.serve_on(stream, ends, stop).await,
            // Apart, so that a connection in the clear has no room for it.
            Some(tls) => Box::pin(self.encrypt(&tls, stream, ends, stop)).await,
        }
    }

    /// Who is at the other end: the peer, or whom a trusted proxy speaks for. None when it does not say so as it should.
    async fn origin(&self, stream: &mut TcpStream, stop: &CancellationToken) -> Option<(SocketAddr, Origin)> {
        let settings = &self.front.settings;
        let is_proxied = settings.proxy_protocol && self.surface.has_webhooks();
        if !is_proxied || !settings.trusted_proxies.trusts(self.peer.ip().to_canonical()) {
            return Some((self.peer, Origin::Named));
        }
        match Box::pin(in_time(settings.header_timeout, stop, proxy_protocol::read(stream))).await {
            Some(Ok(Some(origin))) => Some((origin, Origin::Named)),
            Some(Ok(None)) => Some((self.peer, Origin::Unnamed)),
            Some(Err(error)) => {
                let peer = self.peer;
                self.front.log_failure(format_args!("No header of the PROXY protocol from `{peer}`: {error}"));
                None
            }
            None => None,
        }
    }

    async fn encrypt(self, tls: &Tls, stream: TcpStream, ends: Ends, stop: CancellationToken) {
        let limit = self.front.settings.header_timeout;
        match in_time(limit, &stop, tls.accept(stream)).await {
            Some(Ok(Encrypted { stream, certificate })) => {
                self.serve_on(stream, Ends { certificate, ..ends }, stop).await;
            }
            Some(Err(NoTls::Plain(stream))) => {
                // Whether the caller hears it is its own affair.
                drop(tokio::time::timeout(FAREWELL, turn_away(stream, SPEAK_TLS)).await);
            }
            Some(Err(NoTls::Failed(error))) => tracing::debug!(peer = %ends.peer, "No TLS connection: {error}"),
            None => tracing::debug!(peer = %ends.peer, "No TLS connection, the handshake took too long"),
        }
    }

    async fn serve_on<S>(self, stream: S, ends: Ends, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { front, surface, peer, tasks, .. } = self;
        let activity = Arc::new(Activity::new());
        let service = {
            let (front, activity) = (Arc::clone(&front), Arc::clone(&activity));
            service_fn(move |request: Request<Incoming>| {
                let front = Arc::clone(&front);
                let busy = Busy::new(Arc::clone(&activity), request.version());
                let ends = ends.clone();
                async move {
                    let response = front.serve(request, surface, ends).await;
                    drop(busy);
                    Ok::<_, Infallible>(response)
                }
            })
        };
        let builder = builder(&front.settings, tasks);
        let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        let limits = Limits { head: front.settings.header_timeout, idle: front.settings.idle_timeout };
        let period = limits.period();
        let mut look = std::pin::pin!(tokio::time::sleep(period));
        let mut last_call = None;
        let farewell = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::trace!(%peer, error = &*error, "Connection ended badly");
                    }
                    return;
                }
                () = stop.cancelled(), if last_call.is_none() => {
                    last_call = Some(Instant::now() + LAST_CALL.min(front.settings.shutdown_grace));
                    look.as_mut().reset(tokio::time::Instant::now());
                }
                () = look.as_mut() => match activity.verdict(&limits) {
                    _ if last_call.is_some_and(|last_call| !activity.expects_a_head() || last_call <= Instant::now()) => {
                        break front.settings.shutdown_grace;
                    }
                    _ if last_call.is_some() => {
                        look.as_mut().reset(tokio::time::Instant::now() + LAST_CALL_STEP);
                    }
                    Verdict::Fine => look.as_mut().reset(tokio::time::Instant::now() + period),
                    Verdict::Idle => break FAREWELL,
                    Verdict::SlowHead => {
                        tracing::debug!(%peer, "Connection closed, the head of a request took too long");
                        return;
                    }
                },
            }
        };
        connection.as_mut().graceful_shutdown();
        if tokio::time::timeout(farewell, connection).await.is_err() {
            tracing::debug!(%peer, "Connection cut off");
        }
    }
}

/// What comes of what a caller has begun, unless it takes too long, or the intake ends and the last call after it is over.
async fn in_time<T>(limit: Duration, stop: &CancellationToken, begun: impl Future<Output = T>) -> Option<T> {
    let last_call = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_CALL).await;
    };
    tokio::select! {
        done = tokio::time::timeout(limit, begun) => done.ok(),
        () = last_call => None,
    }
}

fn builder(settings: &Settings, tasks: TaskTracker) -> Builder<Tasks> {
    let mut builder = Builder::new(Tasks(tasks));
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper counts the idle time before a head as well; the time of the head alone is looked after by `Activity`.
        .header_read_timeout(settings.idle_timeout + settings.header_timeout)
        .max_buf_size(settings.max_header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// An open connection in the metrics.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How long a connection may do nothing, or next to nothing.
struct Limits {
    head: Duration,
    idle: Duration,
}

impl Limits {
    /// How often to look: a limit is exceeded by this much at most.
    fn period(&self) -> Duration {
        (self.head.min(self.idle) / 2).max(Duration::from_millis(10))
    }
}

/// What a connection is doing. Written by its requests and its socket, read now and then by its watchdog, so that a
/// request costs no timer. Times are milliseconds since it was opened.
struct Activity {
    opened: Instant,
    requests: AtomicU32,
    /// When the last request ended or the last byte was written.
    quiet_since: AtomicU64,
    /// When the head that is being read began, plus one; 0 when none is.
    head_since: AtomicU64,
    /// With HTTP/2 bytes arrive that belong to no head.
    is_http2: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Idle,
    SlowHead,
}

impl Activity {
    /// A new connection is expected to begin a head.
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            requests: AtomicU32::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(1),
            is_http2: AtomicBool::new(false),
        }
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
    }

    /// Whether a head has begun, or the first one is still to come.
    fn expects_a_head(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) > 0
    }

    fn verdict(&self, limits: &Limits) -> Verdict {
        self.verdict_at(self.now(), limits)
    }

    fn verdict_at(&self, now: u64, limits: &Limits) -> Verdict {
        let exceeded = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) >= limit.as_millis();
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Verdict::Fine;
        }
        match self.head_since.load(Ordering::Relaxed).checked_sub(1) {
            Some(since) if exceeded(since, limits.head) => Verdict::SlowHead,
            Some(_) => Verdict::Fine,
            None if exceeded(self.quiet_since.load(Ordering::Relaxed), limits.idle) => Verdict::Idle,
            None => Verdict::Fine,
        }
    }
}

/// A request in flight; dropped with it, also when its caller leaves.
struct Busy(Arc<Activity>);

impl Busy {
    fn new(activity: Arc<Activity>, version: Version) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.head_since.store(0, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            activity.is_http2.store(true, Ordering::Relaxed);
        }
        Self(activity)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.sent();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket that reports to its [`Activity`].
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.activity.sent();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.activity.sent();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_closed_for_a_slow_head_or_for_doing_nothing() {
        let limits = Limits { head: Duration::from_millis(100), idle: Duration::from_millis(1000) };
        let check = |requests: u32, quiet_since: u64, head_since: u64, now: u64, expected: Verdict| {
            let activity = Activity::new();
            activity.requests.store(requests, Ordering::Relaxed);
            activity.quiet_since.store(quiet_since, Ordering::Relaxed);
            activity.head_since.store(head_since, Ordering::Relaxed);
            assert_eq!(activity.verdict_at(now, &limits), expected, "{requests} {quiet_since} {head_since} {now}");
        };

        check(0, 0, 1, 99, Verdict::Fine);
        check(0, 0, 1, 100, Verdict::SlowHead);
        check(1, 0, 0, 9999, Verdict::Fine);
        check(0, 500, 0, 1499, Verdict::Fine);
        check(0, 500, 0, 1500, Verdict::Idle);
        check(0, 500, 1401, 1450, Verdict::Fine);
    }

    #[test]
    fn a_head_begins_with_the_first_byte_after_an_answer() {
        let activity = Arc::new(Activity::new());
        let busy = Busy::new(Arc::clone(&activity), Version::HTTP_11);
        activity.received();
        assert_eq!(activity.head_since.load(Ordering::Relaxed), 0);
        drop(busy);

        activity.received();

        assert!(activity.head_since.load(Ordering::Relaxed) > 0);
    }
}
