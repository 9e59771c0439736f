//! Bodies of requests.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Site;
use crate::support::site::request;
use crate::support::{Backend, Wire};

#[tokio::test]
async fn a_body_keeps_its_framing() {
    let backend = Backend::ok().await;
    let site = Site::new(&backend, "", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();

    wire.send("POST /sized HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
    assert_eq!(wire.receive().await.unwrap().status(), 200);
    let seen = backend.only().await;
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (Some("5"), None));
    assert_eq!(seen.body, b"hello");

    let chunked =
        "transfer-encoding: chunked\r\ntrailer: x-sum, content-length\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";
    for method in ["POST", "GET", "DELETE"] {
        wire.send(&format!("{method} /chunked HTTP/1.1\r\nhost: a\r\n{chunked}")).await.unwrap();
        assert_eq!(wire.receive().await.unwrap().status(), 200);
        let seen = backend.only().await;
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, Some("chunked")));
        assert_eq!(seen.header("trailer"), Some("x-sum"));
        assert_eq!(String::from_utf8_lossy(&seen.body), "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", "{method}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let backend = Backend::ok().await;
    let site = Site::new(&backend, "max_body = \"10B\"", "").await;
    for (framing, status) in [
        ("content-length: 10\r\n\r\n0123456789", 200),
        ("content-length: 11\r\nexpect: 100-continue\r\n\r\n", 413),
        ("transfer-encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n", 413),
    ] {
        let mut wire = Wire::connect(site.address).await.unwrap();
        wire.send(&format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}")).await.unwrap();
        assert_eq!(wire.receive().await.unwrap().status(), status, "{framing}");
    }
    assert_eq!(backend.seen().len(), 1, "a request that is too large never becomes whole");
}

/// The backend answers when it has read the head, and the caller never ends its body.
#[tokio::test]
async fn an_answer_before_the_end_of_the_body_is_passed_on_and_ends_the_connection() {
    let backend = Backend::serving(|mut stream| async move {
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        let mut rest = Vec::new();
        while stream.read_buf(&mut rest).await.unwrap_or(0) > 0 {}
    })
    .await;
    let site = Site::new(&backend, "", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nx").await.unwrap();

    let answer = wire.receive().await.unwrap();

    assert_eq!((answer.status(), answer.body.as_str()), (403, "no"));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert!(wire.receive().await.is_err(), "the connection ends");
}

/// While a body is sent the answer to it already comes.
#[tokio::test]
async fn both_directions_stream_at_once() {
    let backend = Backend::serving(|mut stream| async move {
        let mut read = Vec::new();
        while !read.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let mut rest = read.split_off(read.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4);
        loop {
            stream.write_all(&rest).await.unwrap();
            if rest.ends_with(b"0\r\n\r\n") {
                break;
            }
            rest.clear();
            if stream.read_buf(&mut rest).await.unwrap_or(0) == 0 {
                return;
            }
        }
        request(&mut stream, &mut Vec::new()).await;
    })
    .await;
    let site = Site::new(&backend, "", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    for piece in ["3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"] {
        wire.send(piece).await.unwrap();
        wire.read_until(piece).await.unwrap();
    }
}
