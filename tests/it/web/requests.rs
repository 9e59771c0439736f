//! From the request of a caller to what the backend saw.

use super::{Site, config};
use crate::support::{Backend, Setup, Wire};

/// Sends a request and returns its status.
async fn send(site: &Site, request: &str) -> u16 {
    let mut wire = Wire::connect(site.address).await.unwrap();
    wire.send(request).await.unwrap();
    wire.receive().await.unwrap().status()
}

/// One row: what is sent, and for each header what the backend sees of it.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, Option<&'a str>)]);

#[tokio::test]
async fn the_head_of_a_request_is_built_anew() {
    let backend = Backend::ok().await;
    let site = Site::new(&backend, "", "").await;
    let rows: &[Row<'_>] = &[
        (
            "GET /a/b?x=%2f..;y=%ZZ",
            "host: app.example\r\n",
            &[
                ("host", Some("app.example")),
                ("via", Some("1.1 gateway")),
                ("x-forwarded-for", Some("127.0.0.1")),
                ("x-forwarded-proto", Some("http")),
                ("x-forwarded-host", Some("app.example")),
                ("x-forwarded-prefix", None),
                ("content-length", None),
                ("transfer-encoding", None),
                ("connection", None),
            ],
        ),
        ("GET /%41%e2%82%ac//x", "host: a\r\n", &[]),
        ("POST /", "host: a\r\ncontent-length: 0\r\n", &[("content-length", Some("0"))]),
        (
            "GET /forged",
            "host: a\r\nforwarded: for=1.2.3.4\r\nx-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\n\
             x-forwarded-prefix: /evil\r\nx-forwarded-port: 1\r\nx-real-ip: 1.2.3.4\r\nx-original-url: /admin\r\n\
             x-rewrite-url: /admin\r\nx-request-id: mine\r\nx_forwarded_for: 1.2.3.4\r\ncontent_length: 5\r\nproxy: evil\r\n",
            &[
                ("forwarded", None),
                ("x-forwarded-for", Some("127.0.0.1")),
                ("x-forwarded-proto", Some("http")),
                ("x-forwarded-host", Some("a")),
                ("x-forwarded-prefix", None),
                ("x-forwarded-port", None),
                ("x-real-ip", None),
                ("x-original-url", None),
                ("x-rewrite-url", None),
                ("x_forwarded_for", None),
                ("content_length", None),
            ],
        ),
        (
            "GET /hop-by-hop",
            "host: a\r\nconnection: keep-alive, x-secret, X-Forwarded-For, x-request-id, via\r\nx-secret: 1\r\nkeep-alive: timeout=5\r\n\
             proxy-connection: keep-alive\r\nproxy-authorization: Basic eA==\r\nte: gzip\r\ntrailer: x-t\r\nexpect: 100-continue\r\n",
            &[
                ("x-secret", None),
                ("connection", None),
                ("keep-alive", None),
                ("proxy-connection", None),
                ("proxy-authorization", None),
                ("te", None),
                ("trailer", None),
                ("expect", None),
                ("x-forwarded-for", Some("127.0.0.1")),
                ("via", Some("1.1 gateway")),
            ],
        ),
        (
            "GET /trailers",
            "host: a\r\nte: trailers, deflate\r\n",
            &[("te", Some("trailers")), ("connection", Some("te"))],
        ),
        (
            "GET /upgrade",
            "host: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
            &[("upgrade", None), ("http2-settings", None), ("connection", None)],
        ),
        (
            "GET /websocket-off",
            "host: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n",
            &[("upgrade", None), ("connection", None)],
        ),
        (
            "GET /via",
            "host: a\r\nvia: 1.1 other, 1.0 gateway\r\n",
            &[("via", Some("1.1 other, 1.0 gateway, 1.1 gateway"))],
        ),
        (
            "GET /trace",
            "host: a\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n",
            &[
                ("traceparent", Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
                ("tracestate", Some("a=b")),
            ],
        ),
        ("GET /bad-trace", "host: a\r\ntraceparent: 00-00-00-01\r\ntracestate: a=b\r\n", &[("tracestate", None)]),
        (
            "GET /cookies",
            "host: a\r\ncookie: a=1; b=2\r\nauthorization: Bearer x\r\naccept: */*\r\nrange: bytes=0-1\r\n",
            &[
                ("cookie", Some("a=1; b=2")),
                ("authorization", Some("Bearer x")),
                ("accept", Some("*/*")),
                ("range", Some("bytes=0-1")),
            ],
        ),
    ];
    for (line, headers, expected) in rows {
        assert_eq!(send(&site, &format!("{line} HTTP/1.1\r\n{headers}\r\n")).await, 200, "{line}");
        let seen = backend.only().await;
        assert_eq!(seen.line(), format!("{line} HTTP/1.1"));
        for (name, value) in *expected {
            assert_eq!(seen.header(name), *value, "{line}: {name}: {}", seen.head);
        }
        let trace = seen.header("traceparent").unwrap();
        assert_eq!((trace.len(), &trace[..3]), (55, "00-"), "{trace}");
        assert!(seen.header("x-request-id").is_some_and(|id| id.len() == 36), "{}", seen.head);
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_before_a_backend_sees_it() {
    let backend = Backend::ok().await;
    let site = Site::new(&backend, "", "").await;
    for (status, request) in [
        (400, "GET /a/../b HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET /a/%2e%2E/b HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET /a%2fb HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET /a%5cb HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET /a%00 HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET /a\\b HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET /..;/b HTTP/1.1\r\nhost: a\r\n"),
        (400, "OPTIONS * HTTP/1.1\r\nhost: a\r\n"),
        (405, "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n"),
        (405, "TRACE / HTTP/1.1\r\nhost: a\r\n"),
        (400, "GET / HTTP/1.1\r\n"),
        (400, "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n"),
        (400, "GET / HTTP/1.1\r\nhost: a/b\r\n"),
        (400, "GET / HTTP/1.1\r\nhost: user@a\r\n"),
        (400, "GET http://b/ HTTP/1.1\r\nhost: a\r\n"),
        (400, "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n"),
        (400, "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        (508, "GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 gateway, 2.0 gateway\r\n"),
    ] {
        assert_eq!(send(&site, &format!("{request}\r\n")).await, status, "{request}");
    }
    assert!(backend.seen().is_empty(), "{:?}", backend.seen());
    assert_eq!(send(&site, "GET http://a/x HTTP/1.1\r\nhost: a\r\n\r\n").await, 200);
    assert_eq!(backend.only().await.line(), "GET /x HTTP/1.1");
}

#[tokio::test]
async fn a_stripped_prefix_is_named_and_a_location_gets_it_back() {
    let answer = |seen: &crate::support::site::Seen| {
        let location = seen.header("x-location").unwrap_or("/").to_owned();
        format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
    };
    let backend = Backend::answering_by(answer).await;
    let own = format!("http://{}/next?q=1", backend.address);
    let setup =
        Setup::new().config(&config(&[backend.address], "/api/v1", "strip_prefix = true", "host = \"backend\""));
    let site = Site::start(setup).await;
    for (path, line, location, mended) in [
        ("/api/v1", "GET / HTTP/1.1", "/x", "/api/v1/x"),
        ("/api/v1/", "GET / HTTP/1.1", own.as_str(), "/api/v1/next?q=1"),
        ("/api/v1/a?b", "GET /a?b HTTP/1.1", "https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("/api/v1?b", "GET /?b HTTP/1.1", "http://app.example", "/api/v1/"),
        ("/api/v1//a", "GET //a HTTP/1.1", "relative", "relative"),
        ("/api/v1/a", "GET /a HTTP/1.1", "/api/v1/done", "/api/v1/done"),
    ] {
        let mut wire = Wire::connect(site.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: app.example\r\nx-location: {location}\r\n\r\n");
        wire.send(&request).await.unwrap();
        let answer = wire.receive().await.unwrap();
        let seen = backend.only().await;
        assert_eq!(seen.line(), line);
        assert_eq!(seen.header("x-forwarded-prefix"), Some("/api/v1"));
        assert_eq!(seen.header("host"), Some(backend.address.to_string().as_str()));
        assert_eq!(seen.header("x-forwarded-host"), Some("app.example"));
        assert!(answer.head.contains(&format!("location: {mended}\r\n")), "{location}: {}", answer.head);
    }
    assert_eq!(send(&site, "GET /api/v1x HTTP/1.1\r\nhost: app.example\r\n\r\n").await, 404);
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let backend = Backend::ok().await;
    let setup = Setup::new().config(&config(&[backend.address], "/", "", ""));
    let setup = setup.config("[admin]\ntoken = { env = \"TOKEN\" }\n").env("TOKEN", "sesame");
    let setup = setup.env("GATEWAY__HTTP__TRUSTED_PROXIES", "[\"127.0.0.1\"]");
    let site = Site::start(setup).await;
    let request = "GET / HTTP/1.1\r\nhost: inner\r\nx-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n\
                   x-forwarded-host: outer.example\r\nx-forwarded-prefix: /outer\r\nx-real-ip: 6.6.6.6\r\n\r\n";
    assert_eq!(send(&site, request).await, 200);
    let seen = backend.only().await;
    for (name, value) in [
        ("x-forwarded-for", Some("192.0.2.7, 127.0.0.1")),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-host", Some("outer.example")),
        ("x-forwarded-prefix", Some("/outer")),
        ("x-real-ip", None),
        ("host", Some("inner")),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
}
