//! What a caller gets of the answer of a backend.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::Site;
use crate::support::site::request;
use crate::support::{Backend, Wire};

#[tokio::test]
async fn what_concerns_the_connection_to_the_backend_is_left_out() {
    let answer = "HTTP/1.1 203 Fine\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nalt-svc: h3=\":443\"\r\nx-request-id: theirs\r\n\
                  connection: x-internal, keep-alive\r\nx-internal: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\n\
                  upgrade: h2c\r\netag: \"x\"\r\ncontent-length: 4\r\n\r\nbody";
    let backend = Backend::answering(answer).await;
    let site = Site::new(&backend, "", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();

    let answer = wire.ask("GET", "/", "").await.unwrap();

    assert_eq!((answer.status(), answer.body.as_str()), (203, "body"));
    for kept in ["set-cookie: a=1\r\nset-cookie: b=2\r\n", "etag: \"x\"", "content-length: 4"] {
        assert!(answer.head.contains(kept), "{}", answer.head);
    }
    for left_out in ["alt-svc", "theirs", "x-internal", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert!(!answer.head.contains(left_out), "{left_out}: {}", answer.head);
    }
    assert!(answer.head.contains("x-request-id: "));
}

#[tokio::test]
async fn an_answer_without_a_body_keeps_its_length() {
    let answer = |seen: &crate::support::site::Seen| match seen.line() {
        "HEAD /known HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".to_owned(),
        "HEAD /chunked HTTP/1.1" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        "GET /unchanged HTTP/1.1" => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n".to_owned(),
        "GET /none HTTP/1.1" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    let backend = Backend::answering_by(answer).await;
    let site = Site::new(&backend, "", "").await;
    // All of them over one connection, so that a wrong length would be noticed by the next.
    let mut wire = Wire::connect(site.address).await.unwrap();
    for (method, path, status, length) in [
        ("HEAD", "/known", 200, Some("content-length: 1234")),
        ("HEAD", "/chunked", 200, None),
        ("GET", "/unchanged", 304, None),
        ("GET", "/none", 204, None),
        ("GET", "/hints", 200, Some("content-length: 0")),
    ] {
        wire.send(&format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await.unwrap();
        let answer = head(&mut wire).await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        match length {
            Some(length) => assert!(answer.contains(length), "{answer}"),
            None => assert!(!answer.contains("content-length: "), "{answer}"),
        }
    }
    assert!(!site.gateway.log().contains("panicked"));
}

/// The head of an answer without a body.
async fn head(wire: &mut Wire) -> String {
    wire.head().await.unwrap()
}

#[tokio::test]
async fn a_frame_of_a_stream_arrives_at_once_and_a_trailer_at_the_end() {
    let next = std::sync::Arc::new(Notify::new());
    let sender = std::sync::Arc::clone(&next);
    let backend = Backend::serving(move |mut stream| {
        let next = std::sync::Arc::clone(&next);
        async move {
            if request(&mut stream, &mut Vec::new()).await.is_none() {
                return;
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..3 {
                next.notified().await;
                stream.write_all(b"9\r\ndata: x\n\n\r\n").await.unwrap();
            }
            stream.write_all(b"0\r\nx-sum: 3\r\n\r\n").await.unwrap();
            next.notified().await;
        }
    })
    .await;
    let site = Site::new(&backend, "", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n").await.unwrap();
    let head = wire.head().await.unwrap();
    assert!(head.contains("text/event-stream") && head.contains("trailer: x-sum"), "{head}");

    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let sent = Instant::now();
        sender.notify_one();
        wire.read_until("9\r\ndata: x\n\n\r\n").await.unwrap();
        slowest = slowest.max(sent.elapsed());
    }
    assert_eq!(wire.read_until("\r\n\r\n").await.unwrap(), "0\r\nx-sum: 3\r\n\r\n");
    assert!(slowest < Duration::from_millis(500), "a frame took {slowest:?}");
}
