//! Connections at the front door: half-closed ones, early answers, and limits of what a request may have.

use crate::support::{Setup, SlowAgent, Wire, built_in};

/// A caller may end its side of the connection once it has sent everything; it waits for the answer all the same.
#[tokio::test]
async fn a_half_closed_caller_gets_its_answer() {
    let agent = SlowAgent::start().await;
    let route = "[channels.dummy]\n[channels.slow]\nplugin = \"dummy\"\n[[routes]]\nchannels = [\"slow\"]\nagents = [\"slow\"]\nmode = \"sync\"\ntimeout = \"10s\"\n";
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP);
    let gateway = setup.config(&agent.configuration()).config(route).start().await;
    let send = async |path: &str, body: &str| {
        let mut wire = Wire::connect(gateway.client.address()).await.unwrap();
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        wire.send(&(head + body)).await.unwrap();
        wire.half_close().await.unwrap();
        wire
    };

    let large = "x".repeat(1 << 20);
    for (path, body, expected) in [
        ("/webhooks/dummy", "hello", 202),
        ("/webhooks/dummy", &large, 202),
        ("/webhooks/unheard-of", "hello", 404),
        ("/health", "", 405),
    ] {
        assert_eq!(send(path, body).await.receive().await.unwrap().status(), expected, "{path}");
    }

    // The agent answers long after the caller has closed its side.
    let mut wire = send("/webhooks/slow", "hello").await;
    let (mut attempt, _) = agent.attempt().await;
    attempt.say_ok().await;
    let answer = wire.receive().await.unwrap();
    assert_eq!((answer.status(), &*answer.body), (200, "ok"));
    assert!(wire.receive().await.is_err(), "the gateway closes its side as well");
}

/// A pooled connection is not broken by an answer that comes before the body has been read.
#[tokio::test]
async fn an_early_answer_ends_the_connection_or_reads_the_rest() {
    let config = "[admin]\ntoken = { env = \"TOKEN\" }\n[channels.dummy]\nmax_body = \"1KiB\"\n\
                  [channels.waiting]\nplugin = \"github\"\n[channels.elsewhere]\nplugin = \"dummy\"\nallow_from = [\"192.0.2.1\"]\n";
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::GITHUB).config(config).env("TOKEN", "t");
    let gateway = setup.start().await;
    let address = gateway.client.address();
    let early = [
        ("/webhooks/unheard-of", 404),
        ("/nowhere", 404),
        ("/health", 405),
        ("/webhooks/waiting", 503),
        ("/webhooks/elsewhere", 403),
        ("/webhooks/dummy", 413),
        ("/admin/stats", 401),
    ];

    for (path, status) in early {
        // A small rest is read, also when it arrives after the answer was ready, and the connection goes on.
        let mut wire = Wire::connect(address).await.unwrap();
        for body in ["x".repeat(2000), "x".repeat(60_000), "x".repeat(2000)] {
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
            wire.send(&head).await.unwrap();
            wire.send(&body).await.unwrap();
            let answer = wire.receive().await.unwrap();
            assert_eq!(answer.status(), status, "{path}: {answer:?}");
            assert!(!answer.head.contains("connection: close"), "{path}: {answer:?}");
        }
        wire.send(&format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")).await.unwrap();
        wire.send(&format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000))).await.unwrap();
        let answer = wire.receive().await.unwrap();
        assert!(answer.status() == status && !answer.head.contains("connection: close"), "{path}: {answer:?}");

        // With a large one the answer says that the connection ends, and is read although the caller still sends.
        let mut wire = Wire::connect(address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n");
        wire.send(&head).await.unwrap();
        wire.send(&"x".repeat(8_000_000)).await.unwrap();
        let answer = wire.receive().await.unwrap();
        assert_eq!(answer.status(), status, "{path}: {answer:?}");
        assert!(answer.head.contains("\r\nconnection: close"), "{path}: {answer:?}");
        assert!(wire.receive().await.is_err(), "{path}: the connection ends");

        // One that waits for `100 Continue` sends no body now.
        let mut wire = Wire::connect(address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\nexpect: 100-continue\r\n\r\n");
        wire.send(&head).await.unwrap();
        let answer = wire.receive().await.unwrap();
        assert_eq!(answer.status(), status, "{path}: {answer:?}");
        assert!(answer.head.contains("\r\nconnection: close"), "{path}: {answer:?}");
    }
}

/// The limit that `gateway.toml` names.
#[tokio::test]
async fn a_request_has_at_most_100_header_lines() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    for (lines, expected) in [(100, 202), (101, 431)] {
        let mut wire = Wire::connect(gateway.client.address()).await.unwrap();
        let more: String = (2..lines).map(|number| format!("x-{number}: y\r\n")).collect();
        let request = format!("POST /webhooks/dummy HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n{more}\r\nhello");
        wire.send(&request).await.unwrap();
        assert_eq!(wire.receive().await.unwrap().status(), expected, "{lines}");
    }
}
