//! Backends that fail, and callers that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{Site, config};
use crate::support::site::request;
use crate::support::{Backend, Setup, Wire};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn send(site: &Site, request: &str) -> u16 {
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send(request).await.unwrap();
    wire.receive().await.unwrap().status()
}

/// A port where nobody listens.
async fn nobody() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_backend_that_fails_costs_its_own_request() {
    for (what, status, answer) in [
        ("killed before its answer", 502, ""),
        ("malformed", 502, "HTP/1.1 200 OK\r\n\r\n"),
        ("malformed header", 502, "HTTP/1.1 200 OK\r\nbad header\r\n\r\n"),
        ("two lengths", 502, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        (
            "agrees to what nobody asked for",
            502,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        ),
    ] {
        let backend = Backend::serving(move |mut stream| async move {
            if request(&mut stream, &mut Vec::new()).await.is_some() {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        let site = Site::new(&backend, "", "").await;
        assert_eq!(send(&site, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, status, "{what}");
        assert_eq!(send(&site, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx").await, status, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_cut_off_for_its_caller() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let backend = Backend::serving(move |mut stream| async move {
            if request(&mut stream, &mut Vec::new()).await.is_some() {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        let site = Site::new(&backend, "", "").await;
        let mut wire = Wire::connect(site.address).await.unwrap();
        wire.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let rest = wire.read_to_end().await;
        assert!(rest.contains("half") && !rest.ends_with("0\r\n\r\n"), "{rest}");
        assert_eq!(site.gateway.client.get("/health").await.status, 200);
    }
}

/// What follows an answer that is longer than it says belongs to no other request.
#[tokio::test]
async fn a_backend_that_sends_more_than_it_says_reaches_nobody_with_it() {
    let backend = Backend::serving(|mut stream| async move {
        let mut read = Vec::new();
        while request(&mut stream, &mut read).await.is_some() {
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let site = Site::new(&backend, "", "").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    for _ in 0..20 {
        let answer = wire.ask("GET", "/", "").await.unwrap();
        assert_eq!((answer.status(), answer.body.as_str()), (200, "ok"));
    }
}

#[tokio::test]
async fn time_that_runs_out_is_504_and_nobody_to_connect_to_502_and_then_503() {
    let silent = Backend::serving(|mut stream| async move {
        let mut ignored = Vec::new();
        while stream.read_buf(&mut ignored).await.unwrap_or(0) > 0 {}
    })
    .await;
    let site = Site::new(&silent, "", "first_byte_timeout = \"100ms\"").await;
    assert_eq!(send(&site, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, 504);

    let down = Setup::new().config(&config(&[nobody().await], "/", "", "health = { interval = \"1h\" }"));
    let site = Site::start(down).await;
    site.gateway.logged(&["Backend address is down"]).await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    let answer = wire.ask("GET", "/", "").await.unwrap();
    assert_eq!((answer.status(), &answer.json()["code"]), (503, &"backend_down".into()));
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
}

#[tokio::test]
async fn a_body_that_falls_silent_ends() {
    let backend = Backend::serving(|mut stream| async move {
        request(&mut stream, &mut Vec::new()).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        request(&mut stream, &mut Vec::new()).await;
    })
    .await;
    let site = Site::new(&backend, "", "idle_timeout = \"200ms\"").await;
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(wire.read_to_end().await.ends_with("half"));
    let silent = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf";
    assert_eq!(send(&site, silent).await, 408, "the caller is silent");
}

/// A server may close a connection that is kept at the very moment when a request is sent over it.
#[tokio::test]
async fn a_request_is_sent_again_only_when_that_is_safe() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let backend = Backend::serving(move |mut stream| {
        let connections = Arc::clone(&counted);
        async move {
            let mut read = Vec::new();
            // The first request of a connection is answered, the second one ends it.
            if request(&mut stream, &mut read).await.is_some() {
                connections.fetch_add(1, Ordering::Relaxed);
                stream.write_all(OK).await.unwrap();
                request(&mut stream, &mut read).await;
            }
        }
    })
    .await;
    let site = Site::new(&backend, "", "").await;
    for (line, rest, again, status) in [
        ("GET /", "\r\n", 1, 200),
        ("PUT /", "\r\n", 1, 200),
        ("POST /", "\r\n", 0, 502),
        ("PUT /", "content-length: 1\r\n\r\nx", 0, 502),
    ] {
        assert_eq!(send(&site, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, 200);
        let before = connections.load(Ordering::Relaxed);
        assert_eq!(send(&site, &format!("{line} HTTP/1.1\r\nhost: a\r\n{rest}")).await, status, "{line}");
        assert_eq!(connections.load(Ordering::Relaxed) - before, again, "{line}");
        // The kept connection of the one that succeeded is used up.
        if again > 0 {
            assert_eq!(send(&site, "POST / HTTP/1.1\r\nhost: a\r\n\r\n").await, 502);
        }
    }
}

#[tokio::test]
async fn another_address_is_tried_when_one_cannot_be_reached() {
    let [backend, gone] = [Backend::ok().await, Backend::ok().await];
    let keys = "health = { interval = \"1h\", down_after = 1000 }";
    let site = Site::start(Setup::new().config(&config(&[backend.address, gone.address], "/", "", keys))).await;
    let both_up = async || {
        let listed = site.gateway.list("backends").await;
        let mut states = listed[0]["addresses"].as_array().unwrap().iter().map(|address| &address["state"]);
        states.all(|state| state == "up").then_some(())
    };
    site.gateway.until("both are up", both_up).await;
    // From here on only requests can find out.
    drop(gone);
    for _ in 0..4 {
        assert_eq!(send(&site, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx").await, 200);
    }
    assert_eq!(backend.seen().len(), 4, "each request once");
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_its_request() {
    let left = Arc::new(Notify::new());
    let noticed = Arc::clone(&left);
    let arrived = Arc::new(Notify::new());
    let here = Arc::clone(&arrived);
    let backend = Backend::serving(move |mut stream| {
        let (noticed, here) = (Arc::clone(&noticed), Arc::clone(&here));
        async move {
            let mut read = Vec::new();
            let Some(asked) = request(&mut stream, &mut read).await else { return };
            if asked.line().contains("/stream") {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await.unwrap();
            }
            here.notify_one();
            // Ends when the gateway ends the connection.
            if request(&mut stream, &mut read).await.is_none() {
                noticed.notify_one();
            }
        }
    })
    .await;
    let site = Site::new(&backend, "", "").await;
    for path in ["/slow", "/stream"] {
        let mut wire = Wire::connect(site.address).await.unwrap();
        wire.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await.unwrap();
        arrived.notified().await;
        if path == "/stream" {
            wire.read_until("1\r\nx\r\n").await.unwrap();
        }
        drop(wire);
        let patience = std::time::Duration::from_secs(20);
        tokio::time::timeout(patience, left.notified()).await.unwrap_or_else(|_| panic!("{path} goes on"));
    }
}
