//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::header::{CONNECTION, EXPECT};
use ::http::{Request, StatusCode, Version};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::activity::{Activity, ActivityLimits, ActivityVerdict, Busy, Endless, OverTcp, WatchedSocket};
use super::connection_limit::CountedConnection;
use super::occupancy::{Occupancy, OpenConnection};
use super::peer::{Origin, Peer};
use super::proxy_protocol;
use super::tls::{Encrypted, NoTls, Tls};
use super::turn_away::{SPEAK_TLS, turn_away};
use super::unread::read_rest;
use super::upgrade::Upgrade;
use crate::http::answer::{CLOSE, Response};
use crate::http::live_settings::LiveSettings;
use crate::http::router::Router;
use crate::http::settings::Settings;
use crate::http::sites::EarlyAnswer;
use crate::http::surface::Surface;
use crate::metrics::ByReason;

/// The least that hyper reads into; smaller heads cannot be configured.
const LEAST_BUFFER: usize = 8 << 10;

/// Requests that one HTTP/2 connection may have in flight.
const STREAMS: u32 = 128;

/// Bytes that one HTTP/2 request, and all of a connection together, may send before they are read.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// Bytes of one HTTP/2 response that wait for its caller.
const STREAM_BUFFER: usize = 64 << 10;

/// How long a connection that was accepted before the shutdown may take for the head of its request: its caller was let in,
/// so it is answered.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How often the head is checked for meanwhile.
const LAST_CALL_STEP: Duration = Duration::from_millis(10);

/// How long an idle connection may take to close.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection that was accepted.
pub(crate) struct Connection {
    pub(crate) router: Arc<Router>,
    /// The settings when it was accepted.
    pub(crate) live: Arc<LiveSettings>,
    pub(crate) surface: Surface,
    pub(crate) remote: SocketAddr,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) tasks: TaskTracker,
    /// Its place among all connections, and among those of its address.
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) counted: Option<CountedConnection>,
    pub(crate) stop: CancellationToken,
}

/// Lets hyper start the tasks of HTTP/2 streams where the shutdown waits for them.
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

/// What all requests of a connection share.
struct Context {
    router: Arc<Router>,
    surface: Surface,
    peer: Peer,
    activity: Arc<Activity>,
    occupancy: Arc<Occupancy>,
}

impl Context {
    /// Answers a request. With HTTP/1 the next one follows its body, so the body is read to its end, or the connection ends.
    async fn answer(&self, request: Request<Incoming>) -> Response {
        let (head, body) = request.into_parts();
        let is_http1 = head.version < Version::HTTP_2;
        // Such a caller sends no body after another answer than the one that it waits for.
        let waits = head.headers.contains_key(EXPECT);
        let mut body = Some(body);
        let mut response = self.router.serve(head, &mut body, self.surface, &self.peer).await;
        let is_left_unread = match &mut body {
            Some(body) => {
                is_http1
                    && !body.is_end_stream()
                    && response.status() != StatusCode::SWITCHING_PROTOCOLS
                    && (waits || !read_rest(body).await)
            }
            // The backend of a site has it.
            None => response.extensions_mut().remove::<EarlyAnswer>().is_some(),
        };
        if is_http1 && is_left_unread {
            response.headers_mut().insert(CONNECTION, CLOSE);
            self.activity.leave_unread();
        }
        response
    }
}

impl Connection {
    /// Serves requests until the caller leaves, is idle for too long, or the grace after the shutdown is over.
    pub(crate) async fn serve(self, mut stream: TcpStream) {
        // Without it an answer waits for the caller's delayed acknowledgement; both fail only when the caller is gone.
        let (Ok(local), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else { return };
        let shared = Arc::clone(self.router.shared());
        let open = OpenConnection::new(&shared.metrics.connections);
        let Some((remote, origin)) = self.origin(&mut stream).await else { return };
        let Self { router, live, surface, remote: accepted, tls, tasks, place, mut counted, stop } = self;
        let settings = &live.settings;
        // A client that a proxy speaks for counts as if it had connected itself.
        if remote != accepted && !settings.trusted_proxies.trusts(remote.ip().to_canonical()) {
            counted = live.connection_limit.enter(remote.ip());
            if counted.is_none() {
                shared.metrics.refused.get_or_create(&ByReason::new("connections_per_address")).inc();
                return;
            }
        }
        let occupancy = Arc::new(Occupancy::new(place, counted, open, tasks, stop, settings.shutdown_grace));
        let peer = Peer { local, remote, origin, is_encrypted: tls.is_some(), certificate: None };
        match tls {
            None => serve_on(stream, router, live, surface, peer, occupancy).await,
            // Boxed, so that a connection in the clear has no room for it.
            Some(tls) => Box::pin(encrypt(&tls, stream, router, live, surface, peer, occupancy)).await,
        }
    }

    /// The caller, or the client that a trusted proxy speaks for; `None` when the proxy sends no valid header.
    async fn origin(&self, stream: &mut TcpStream) -> Option<(SocketAddr, Origin)> {
        let shared = self.router.shared();
        let settings = &self.live.settings;
        let is_proxied = settings.proxy_protocol && self.surface.is_public();
        if !is_proxied || !settings.trusted_proxies.trusts(self.remote.ip().to_canonical()) {
            return Some((self.remote, Origin::Named));
        }
        match Box::pin(in_time(settings.header_timeout, &self.stop, proxy_protocol::read(stream))).await {
            Some(Ok(Some(origin))) => Some((origin, Origin::Named)),
            Some(Ok(None)) => Some((self.remote, Origin::Unnamed)),
            Some(Err(error)) => {
                let remote = self.remote;
                shared.log_failure(format_args!("No header of the PROXY protocol from `{remote}`: {error}"));
                None
            }
            None => None,
        }
    }
}

async fn encrypt(
    tls: &Tls,
    stream: TcpStream,
    router: Arc<Router>,
    live: Arc<LiveSettings>,
    surface: Surface,
    peer: Peer,
    occupancy: Arc<Occupancy>,
) {
    match in_time(live.settings.header_timeout, &occupancy.stop, tls.accept(stream)).await {
        Some(Ok(Encrypted { stream, certificate })) => {
            serve_on(stream, router, live, surface, Peer { certificate, ..peer }, occupancy).await;
        }
        Some(Err(NoTls::Plain(stream))) => turn_away(stream, SPEAK_TLS, FAREWELL).await,
        Some(Err(NoTls::Failed(error))) => tracing::debug!(peer = %peer.remote, "No TLS connection: {error}"),
        None => tracing::debug!(peer = %peer.remote, "No TLS connection, the handshake took too long"),
    }
}

async fn serve_on<S>(
    stream: S,
    router: Arc<Router>,
    live: Arc<LiveSettings>,
    surface: Surface,
    peer: Peer,
    occupancy: Arc<Occupancy>,
) where
    S: AsyncRead + AsyncWrite + OverTcp + Send + Unpin + 'static,
{
    let settings = &live.settings;
    let (remote, stop) = (peer.remote, occupancy.stop.clone());
    let builder = builder(settings, occupancy.tasks.clone());
    let activity = Arc::new(Activity::new());
    let context = Arc::new(Context { router, surface, peer, activity: Arc::clone(&activity), occupancy });
    let service = service_fn(move |mut request: Request<Incoming>| {
        let busy = Busy::new(Arc::clone(&context.activity), request.version());
        Upgrade::attach(&mut request, &context.occupancy);
        Endless::attach(&mut request, &context.activity);
        let context = Arc::clone(&context);
        // Boxed, because hyper keeps the room for it while a connection is idle.
        Box::pin(async move { Ok::<_, Infallible>(context.answer(request).await.map(|body| busy.with_body(body))) })
    });
    let io = TokioIo::new(WatchedSocket::new(stream, Arc::clone(&activity)));
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let limits = ActivityLimits { head: settings.header_timeout, idle: settings.idle_timeout };
    let period = limits.period();
    let mut check = std::pin::pin!(tokio::time::sleep(period));
    let mut last_call = None;
    let farewell = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::trace!(peer = %remote, error = &*error, "Connection ended badly");
                }
                return;
            }
            () = stop.cancelled(), if last_call.is_none() => {
                last_call = Some(Instant::now() + LAST_CALL.min(settings.shutdown_grace));
                check.as_mut().reset(tokio::time::Instant::now());
            }
            () = check.as_mut() => match activity.verdict(&limits) {
                _ if last_call.is_some_and(|last_call| !activity.expects_a_head() || last_call <= Instant::now()) => {
                    break settings.shutdown_grace;
                }
                _ if last_call.is_some() => {
                    check.as_mut().reset(tokio::time::Instant::now() + LAST_CALL_STEP);
                }
                ActivityVerdict::Fine => check.as_mut().reset(tokio::time::Instant::now() + period),
                ActivityVerdict::Idle => break FAREWELL,
                ActivityVerdict::SlowHead => {
                    tracing::debug!(peer = %remote, "Connection closed, the head of a request took too long");
                    return;
                }
            },
        }
    };
    connection.as_mut().graceful_shutdown();
    if tokio::time::timeout(farewell, connection).await.is_err() {
        tracing::debug!(peer = %remote, "Connection cut off");
    }
}

/// The result of what a caller has begun; `None` when it takes too long, or when the last call after the shutdown is over.
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
        // hyper counts the idle time before a head as well; `Activity` limits the time of the head alone.
        .header_read_timeout(settings.idle_timeout + settings.header_timeout)
        // A caller may end its side of the connection once it has sent the request, and still wants the answer. One that is gone
        // is noticed when it is written to.
        .half_close(true)
        .max_buf_size(settings.max_header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_BUFFER);
    builder
}
