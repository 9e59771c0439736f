//! A backend of a site, which records what it gets and answers as a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{TestGateway, wait_for};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Everything before the body, as it was.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Answers each request with the same bytes. Stops when it is dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _serving: JoinSet<()>,
}

/// What a backend does with one connection.
pub(crate) type Serve = Arc<dyn Fn(TcpStream) -> Serving + Send + Sync>;
type Serving = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl TestGateway {
    /// The address of sites, which is the last one that is served.
    pub(crate) async fn sites(&self) -> SocketAddr {
        let served = |line: &str| {
            let (_, url) = line.split_once("Serving on ")?;
            url.trim_end_matches('/').split_once("://")?.1.parse().ok()
        };
        self.until("the address of sites", async || {
            let log = self.log();
            let mut served = log.lines().filter_map(served);
            served.nth(1)
        })
        .await
    }
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name}: {all:?}");
        all.first().copied()
    }
}

impl Backend {
    /// Answers 200 and `ok`.
    pub(crate) async fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok").await
    }

    /// Answers these bytes to each request, and keeps the connection.
    pub(crate) async fn answering(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::answering_by(move |_| answer.clone()).await
    }

    /// Answers to a request what `answer` makes of it; an empty text ends the connection.
    pub(crate) async fn answering_by(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::serving_with(move |seen| {
            let answer = Arc::clone(&answer);
            Arc::new(move |stream| Box::pin(keep_answering(stream, Arc::clone(&seen), Arc::clone(&answer))))
        })
        .await
    }

    /// Does with each connection what `serve` says; nothing is recorded.
    pub(crate) async fn serving<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let serve: Serve = Arc::new(move |stream| Box::pin(serve(stream)));
        Self::serving_with(|_| serve).await
    }

    async fn serving_with(serve: impl FnOnce(Arc<Mutex<Vec<Seen>>>) -> Serve) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let serve = serve(Arc::clone(&seen));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Self { address, seen, _serving: serving }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for the only request, and forgets it.
    pub(crate) async fn only(&self) -> Seen {
        wait_for("a request to the backend", || {
            let mut seen = self.seen.lock().unwrap();
            assert!(seen.len() <= 1, "{seen:?}");
            seen.pop()
        })
        .await
    }
}

async fn keep_answering(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<impl Fn(&Seen) -> String + Send + Sync + 'static>,
) {
    let mut read = Vec::new();
    while let Some(request) = request(&mut stream, &mut read).await {
        let answer = answer(&request);
        // The probes of the gateway are no requests of a test.
        if request.header("user-agent") != Some("gateway-health") {
            seen.lock().unwrap().push(request);
        }
        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request; `None` at the end of the connection. `read` is what was read and belongs to none yet.
pub(crate) async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = read.drain(..end).collect();
    let head = String::from_utf8_lossy(&head).into_owned();
    let seen = Seen { head, body: Vec::new() };
    let body = if seen.header("transfer-encoding") == Some("chunked") {
        chunked(stream, read).await?
    } else {
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        while read.len() < length {
            if stream.read_buf(read).await.ok()? == 0 {
                return None;
            }
        }
        read.drain(..length).collect()
    };
    Some(Seen { body, ..seen })
}

/// A body in chunks, with the chunks and trailers as they are.
async fn chunked(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream, read).await?;
        let is_last = usize::from_str_radix(size.trim_end(), 16).ok()? == 0;
        body.extend(size.bytes());
        if is_last {
            break;
        }
        let length = usize::from_str_radix(size.trim_end(), 16).ok()? + 2;
        while read.len() < length {
            if stream.read_buf(read).await.ok()? == 0 {
                return None;
            }
        }
        body.extend(read.drain(..length));
    }
    loop {
        let trailer = line(stream, read).await?;
        body.extend(trailer.bytes());
        if trailer == "\r\n" {
            return Some(body);
        }
    }
}

/// The next line, with its end.
async fn line(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = read.windows(2).position(|window| window == b"\r\n") {
            let line: Vec<u8> = read.drain(..end + 2).collect();
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}
