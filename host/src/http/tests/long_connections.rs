//! Connections that stay open: upgrades and streams.

use std::time::Duration;

use ::http::header::{CONNECTION, UPGRADE};
use ::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::super::answer::{Response, with_body, with_payload};
use super::super::payload::Payload;
use super::super::refusal::Refusal;
use super::super::route::{Audience, Route, RouteRequest};
use super::super::server::upgrade::Upgrade;
use super::{Gateway, PATIENCE};

/// Routes that only these tests have.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/test/echo", |request| Box::pin(async move { echo(&request) })).audience(Audience::Everybody),
    Route::get("/test/deaf", |request| Box::pin(async move { deaf(&request) })).audience(Audience::Everybody),
    Route::get("/test/slow", |_| Box::pin(async { Ok(slow()) })).audience(Audience::Everybody),
    Route::get("/test/endless", |_| Box::pin(async { Ok(endless()) })).audience(Audience::Everybody),
];

/// A short `idle_timeout`, and a longer pause.
const IDLE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(1000);

type Socket = TokioIo<Upgraded>;

/// An echo that says farewell at the shutdown.
fn echo(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    upgraded(request, |mut socket, stop| async move {
        let mut buffer = [0; 64];
        loop {
            tokio::select! {
                read = socket.read(&mut buffer) => match read {
                    Ok(length @ 1..) => socket.write_all(&buffer[..length]).await.unwrap(),
                    _ => return,
                },
                () = stop.cancelled() => return socket.write_all(b"farewell").await.unwrap(),
            }
        }
    })
}

/// A protocol that ignores the shutdown.
fn deaf(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    upgraded(request, |socket, _| async move {
        std::future::pending::<()>().await;
        drop(socket);
    })
}

fn upgraded<F: Future<Output = ()> + Send + 'static>(
    request: &RouteRequest<'_>,
    serve: impl FnOnce(Socket, CancellationToken) -> F + Send + 'static,
) -> Result<Response, Refusal> {
    let upgrade = Upgrade::of(&request.context.head).ok_or(Refusal::NotFound)?;
    upgrade.start(serve);
    let mut response = with_body(StatusCode::SWITCHING_PROTOCOLS, HeaderValue::from_static("text/plain"), Bytes::new());
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    Ok(response)
}

/// A stream that pauses for longer than `idle_timeout`.
fn slow() -> Response {
    let pieces = stream::unfold(0, async |piece| {
        if piece == 1 {
            tokio::time::sleep(PAUSE).await;
        }
        (piece < 2).then(|| (Bytes::from(format!("piece {piece}\n")), piece + 1))
    });
    with_payload("text/plain", Payload::Stream(Box::pin(pieces)))
}

/// A stream without end.
fn endless() -> Response {
    let pieces = stream::repeat(Bytes::from(vec![b'x'; 64 << 10]));
    with_payload("text/plain", Payload::Stream(Box::pin(pieces)))
}

/// Asks for an upgrade, and reads the head of the response.
async fn upgrade(gateway: &Gateway, path: &str) -> TcpStream {
    let mut stream = gateway.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("connection: upgrade\r\n"), "{head}");
    stream
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place_until_it_ends() {
    let gateway = Gateway::start(|settings| {
        settings.max_connections_per_address = 2;
        settings.idle_timeout = IDLE;
    })
    .await;
    gateway.ask("GET", "/test/echo", "").await.expect_problem(404, "not_found");

    let mut first = upgrade(&gateway, "/test/echo").await;
    tokio::time::sleep(PAUSE).await;
    first.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    first.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello");
    let metrics = gateway.get("/metrics").await.body;
    assert!(metrics.contains("gateway_http_connections 2\n"), "{metrics}");
    let second = upgrade(&gateway, "/test/echo").await;
    gateway.get("/health").await.expect_problem(503, "overloaded");

    drop(first);
    gateway.becomes_reachable().await;
    drop(second);
}

#[tokio::test]
async fn upgraded_connections_are_notified_of_the_shutdown_and_cut_off_after_it() {
    let mut gateway = Gateway::start(|settings| settings.shutdown_grace = Duration::from_millis(200)).await;
    let mut polite = upgrade(&gateway, "/test/echo").await;
    let mut deaf = upgrade(&gateway, "/test/deaf").await;

    gateway.shutdown.cancel();

    let mut last_words = String::new();
    polite.read_to_string(&mut last_words).await.unwrap();
    assert_eq!(last_words, "farewell");
    tokio::time::timeout(PATIENCE, gateway.serving.join_next()).await.expect("an end in time");
    assert_eq!(deaf.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_stream_that_waits_for_more_is_not_idle() {
    let gateway = Gateway::start(|settings| settings.idle_timeout = IDLE).await;

    let reply = gateway.get("/test/slow").await;

    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("piece 0\n") && reply.body.contains("piece 1\n"), "{}", reply.body);
}

#[tokio::test]
async fn a_caller_that_reads_nothing_of_a_stream_is_disconnected() {
    let gateway = Gateway::start(|settings| settings.idle_timeout = IDLE).await;
    let mut stream = gateway.connect().await;
    stream.write_all(b"GET /test/endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();

    stream.readable().await.unwrap();

    let deadline = tokio::time::Instant::now() + PATIENCE;
    // Only the connection of the request for the metrics is left.
    while !gateway.get("/metrics").await.body.contains("gateway_http_connections 1\n") {
        assert!(tokio::time::Instant::now() < deadline, "the caller keeps its connection");
    }
}
