//! Pages of other origins.

use super::Site;
use crate::support::{Backend, Message, Wire};

const CORS: &str = r#"[sites.routes.cors]
origins = ["https://app.example.com"]
methods = ["GET", "PUT"]
headers = ["x-token"]
expose = ["x-total"]
credentials = true
max_age = "5m"
"#;

async fn ask(site: &Site, line: &str, headers: &str) -> Message {
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send(&format!("{line} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")).await.unwrap();
    wire.receive().await.unwrap()
}

#[tokio::test]
async fn only_the_listed_origins_are_admitted() {
    let answer = "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\nvary: accept\r\ncontent-length: 2\r\n\r\nok";
    let backend = Backend::answering(answer).await;
    let site = Site::new(&backend, &format!("max_body = \"1B\"\n{CORS}"), "").await;
    let admits = |answer: &Message| {
        answer.head.contains("access-control-allow-origin: https://app.example.com\r\n")
            && answer.head.contains("access-control-allow-credentials: true\r\n")
    };
    let varies = |answer: &Message| answer.head.contains("vary: origin\r\n");

    let preflight = "access-control-request-method: PUT\r\naccess-control-request-headers: x-token\r\n";
    let answer = ask(&site, "OPTIONS /", &format!("origin: https://app.example.com\r\n{preflight}")).await;
    assert_eq!(answer.status(), 204);
    assert!(admits(&answer) && varies(&answer), "{}", answer.head);
    for line in ["allow-methods: get, put\r\n", "allow-headers: x-token\r\n", "max-age: 300\r\n"] {
        assert!(answer.head.contains(line), "{}", answer.head);
    }
    let answer = ask(&site, "OPTIONS /", &format!("origin: https://evil.example\r\n{preflight}")).await;
    assert!(answer.status() == 204 && varies(&answer) && !answer.head.contains("access-control"), "{}", answer.head);
    assert!(backend.seen().is_empty(), "preflights are answered here");

    let answer = ask(&site, "GET /", "origin: https://app.example.com\r\n").await;
    assert!(admits(&answer) && varies(&answer), "{}", answer.head);
    assert!(answer.head.contains("access-control-expose-headers: x-total\r\n"), "{}", answer.head);
    for origin in
        ["origin: https://evil.example\r\n", "origin: null\r\n", "origin: https://app.example.com.evil\r\n", ""]
    {
        let answer = ask(&site, "GET /", origin).await;
        assert!(varies(&answer) && !answer.head.contains("access-control"), "{}", answer.head);
    }
    let answer = ask(&site, "POST /", "origin: https://app.example.com\r\ncontent-length: 2\r\n").await;
    assert_eq!(answer.status(), 413);
    assert!(admits(&answer) && varies(&answer), "errors too: {}", answer.head);
    assert_eq!(ask(&site, "OPTIONS /", "").await.status(), 200, "one that is no preflight is passed on");
}
