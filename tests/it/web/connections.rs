//! WebSocket connections through the gateway.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Site;
use crate::support::site::request;
use crate::support::{Backend, Wire};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                      sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Agrees, and sends back whatever comes.
async fn echo() -> Backend {
    Backend::serving(|mut stream| async move {
        let mut read = Vec::new();
        let Some(asked) = request(&mut stream, &mut read).await else { return };
        if asked.header("upgrade") != Some("websocket") || asked.header("connection") != Some("upgrade") {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await);
            return;
        }
        stream.write_all(AGREED.as_bytes()).await.unwrap();
        let mut bytes = read;
        loop {
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            bytes.clear();
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn bytes_go_both_ways_once_the_backend_has_agreed() {
    let backend = echo().await;
    let site = Site::new(&backend, "websocket = true", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    // What is sent behind the handshake is not lost.
    wire.send(&format!("{HANDSHAKE}early")).await.unwrap();
    let head = wire.head().await.unwrap();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    wire.read_until("early").await.unwrap();
    let large = "x".repeat(1 << 20);
    wire.send(&large).await.unwrap();
    wire.send("end").await.unwrap();
    assert_eq!(wire.read_until("end").await.unwrap().len(), large.len() + 3);
    assert!(site.gateway.metrics().await.contains("gateway_web_tunnels 1"));

    let (code, _) = site.gateway.stop().await;
    assert_eq!(code, Some(0), "an open connection does not hold the shutdown up");
}

#[tokio::test]
async fn a_backend_that_does_not_agree_answers_as_always() {
    let backend = Backend::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let site = Site::new(&backend, "websocket = true", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    // The bytes behind the handshake are the next request, for the backend never agreed to anything else.
    wire.send(HANDSHAKE).await.unwrap();
    let answer = wire.receive().await.unwrap();
    assert_eq!((answer.status(), answer.body.as_str()), (403, "no"));
    assert_eq!(wire.ask("GET", "/next", "").await.unwrap().status(), 403);
    assert_eq!(backend.seen().len(), 2);
}

#[tokio::test]
async fn connections_are_bounded_and_end_when_they_are_idle() {
    let backend = echo().await;
    let setup = crate::support::Setup::new().config(
        &super::config(&[backend.address], "/", "websocket = true", "")
            .replace("[backends.app]", "max_tunnels = 1\ntunnel_idle = \"1s\"\n[backends.app]"),
    );
    let site = Site::start(setup).await;
    let mut first = Wire::connect(site.address).await.unwrap();
    first.send(HANDSHAKE).await.unwrap();
    assert!(first.head().await.unwrap().starts_with("http/1.1 101 "));
    let mut second = Wire::connect(site.address).await.unwrap();
    second.send(HANDSHAKE).await.unwrap();
    assert_eq!(second.receive().await.unwrap().status(), 503);
    assert_eq!(first.read_to_end().await, "", "the idle one ends");
    let mut third = Wire::connect(site.address).await.unwrap();
    third.send(HANDSHAKE).await.unwrap();
    assert!(third.head().await.unwrap().starts_with("http/1.1 101 "));
}
