//! The load of row q: as `load`, but through hyper, which speaks HTTP/2 and TLS as well.
//!
//! One thread too, but a request costs several times as much. Therefore its rates are compared with its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::certificate;
use crate::load::{Outcome, PATIENCE, Tally};
use crate::measure::CONNECTIONS;
use crate::webhook::{self, ISSUES};

/// Streams of one connection of HTTP/2. There are as many fewer connections, so that as many requests are in flight.
const STREAMS: usize = 8;

/// The header that makes a request a distinct event.
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");

/// Open connections to one server.
pub(crate) struct Client {
    runtime: Runtime,
    lanes: Vec<Lane>,
    requests: Arc<Mutex<Requests>>,
    /// They end with this.
    _connections: Connections,
}

/// What reads and writes on each connection.
type Connections = JoinSet<hyper::Result<()>>;

/// What one request at a time goes through: a connection of HTTP/1, or its share of one of HTTP/2.
enum Lane {
    Connection(http1::SendRequest<Full<Bytes>>),
    Stream(http2::SendRequest<Full<Bytes>>),
}

/// The requests of [`webhook::Requests`] as hyper wants them.
struct Requests {
    made: Vec<Request<Full<Bytes>>>,
    sent: usize,
}

impl Client {
    /// HTTP/1 in the clear.
    pub(crate) fn plain(server: SocketAddr) -> Result<Self> {
        Self::new("", async |connections| plain(server, connections).await)
    }

    /// HTTP/2 over TLS.
    pub(crate) fn encrypted(server: SocketAddr, config: ClientConfig) -> Result<Self> {
        let origin = format!("https://{}", certificate::NAME);
        Self::new(&origin, async |connections| encrypted(server, config, connections).await)
    }

    fn new(origin: &str, connect: impl AsyncFnOnce(&mut Connections) -> Result<Vec<Lane>>) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut connections = JoinSet::new();
        let lanes = runtime.block_on(connect(&mut connections))?;
        let requests = Arc::new(Mutex::new(Requests::new(origin)?));
        Ok(Self { runtime, lanes, requests, _connections: connections })
    }

    /// Sends requests for `time`, then waits for the last answers.
    pub(crate) fn run(&mut self, time: Duration) -> Result<Outcome> {
        let Self { runtime, lanes, requests, .. } = self;
        let tally = Arc::new(Mutex::new(Tally::new()));
        let end = Instant::now() + time;
        let ended = runtime.block_on(async {
            let mut running = JoinSet::new();
            for lane in lanes.drain(..) {
                running.spawn(lane.keep_busy(Arc::clone(requests), Arc::clone(&tally), end));
            }
            tokio::time::timeout(time + PATIENCE, running.join_all()).await
        });
        for lane in ended.context("requests were not answered")? {
            lanes.push(lane?);
        }
        let tally = Arc::into_inner(tally).context("all lanes have ended")?;
        Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner).finish())
    }
}

async fn plain(server: SocketAddr, connections: &mut Connections) -> Result<Vec<Lane>> {
    let mut lanes = Vec::new();
    for _ in 0..CONNECTIONS {
        let (lane, connection) = http1::handshake(TokioIo::new(connect(server).await?)).await?;
        connections.spawn(connection);
        lanes.push(Lane::Connection(lane));
    }
    Ok(lanes)
}

async fn encrypted(server: SocketAddr, mut config: ClientConfig, connections: &mut Connections) -> Result<Vec<Lane>> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let mut lanes = Vec::new();
    for _ in 0..CONNECTIONS / STREAMS {
        let stream = connector.connect(ServerName::try_from(certificate::NAME)?, connect(server).await?).await?;
        ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "the gateway does not speak HTTP/2");
        let (lane, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        connections.spawn(connection);
        lanes.extend((0..STREAMS).map(|_| Lane::Stream(lane.clone())));
    }
    Ok(lanes)
}

async fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(server).await.with_context(|| format!("cannot connect to {server}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Lane {
    /// Sends the next request whenever the last one is answered, until `end`.
    async fn keep_busy(
        mut self,
        requests: Arc<Mutex<Requests>>,
        tally: Arc<Mutex<Tally>>,
        end: Instant,
    ) -> Result<Self> {
        let mut sent = Instant::now();
        while sent < end {
            let request = lock(&requests).next()?;
            let status = self.call(request).await?;
            let now = Instant::now();
            lock(&tally).count(status, now - sent, now < end);
            sent = now;
        }
        Ok(self)
    }

    /// The status of the answer when it is complete.
    async fn call(&mut self, request: Request<Full<Bytes>>) -> Result<u16> {
        let answer = match self {
            Self::Connection(connection) => {
                connection.ready().await?;
                connection.send_request(request).await?
            }
            Self::Stream(connection) => {
                connection.ready().await?;
                connection.send_request(request).await?
            }
        };
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }
}

impl Requests {
    /// All of them, to paths below `origin`.
    fn new(origin: &str) -> Result<Self> {
        let made = (1..=ISSUES).map(|issue| {
            let body = webhook::body(issue);
            let mut request = Request::post(format!("{origin}{}", webhook::PATH));
            for (name, value) in webhook::headers(&webhook::signature(body.as_bytes()), &body) {
                request = request.header(name, value);
            }
            Ok(request.body(Full::from(body))?)
        });
        Ok(Self { made: made.collect::<Result<_>>()?, sent: 0 })
    }

    /// The next request, with an id that no other had.
    fn next(&mut self) -> Result<Request<Full<Bytes>>> {
        let mut request = self.made[self.sent % self.made.len()].clone();
        let id = HeaderValue::from_maybe_shared(Bytes::from(webhook::delivery(self.sent)))?;
        request.headers_mut().insert(DELIVERY, id);
        self.sent += 1;
        Ok(request)
    }
}

/// Never contended, because everything here runs on one thread.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_other_load() {
        let mut raw = webhook::Requests::new(ISSUES);
        let mut requests = Requests::new("").unwrap();

        for _ in 0..300 {
            let raw = String::from_utf8(raw.next().to_vec()).unwrap();
            let (head, _) = raw.split_once("\r\n\r\n").unwrap();
            let request = requests.next().unwrap();
            let mut lines = head.split("\r\n");
            assert_eq!(lines.next(), Some(&*format!("POST {} HTTP/1.1", request.uri())));
            let headers = request.headers();
            assert_eq!(headers.len(), lines.clone().count());
            for line in lines {
                let (name, value) = line.split_once(": ").unwrap();
                assert_eq!(headers[name], value, "{name}");
            }
        }
    }
}
