//! What the cache of a route saves a backend, and what it must not.

use std::time::Duration;

use super::{Site, config};
use crate::support::site::Seen;
use crate::support::{Backend, Client, Reply, Setup};

const CACHED: &str = "cache = true";

/// A 200 with these headers and this body.
fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n\r\n{body}", body.len())
}

fn status(reply: &Reply) -> &str {
    reply.headers["cache-status"].to_str().unwrap()
}

/// A site with the cache, and a client of it.
async fn site(backend: &Backend) -> (Site, Client) {
    let site = Site::new(backend, CACHED, "").await;
    let client = Client::new(site.address);
    (site, client)
}

/// Asks until the answer is a stored one.
async fn stored(site: &Site, client: &Client, path: &str) {
    site.gateway
        .until("a stored answer", async || status(&client.get(path).await).starts_with("gateway; hit").then_some(()))
        .await;
}

#[tokio::test]
async fn a_stored_answer_is_sent_without_the_backend() {
    let backend = Backend::answering(&ok("cache-control: max-age=60\r\netag: \"a\"", "0123456789")).await;
    let (site, client) = site(&backend).await;
    let first = client.get("/a?b").await.expect_status(200);
    assert_eq!(status(&first), "gateway; fwd=uri-miss; stored");
    stored(&site, &client, "/a?b").await;
    let asked = backend.seen().len();

    let hit = client.get("/a?b").await.expect_status(200);
    assert_eq!((&hit.body[..], &hit.headers["etag"]), (&b"0123456789"[..], &"\"a\"".parse().unwrap()));
    assert!(hit.headers.contains_key("age"));
    client.send("GET", "/a?b", &[("if-none-match", "\"a\"")], Vec::new()).await.expect_status(304);
    let part = client.send("GET", "/a?b", &[("range", "bytes=2-4")], Vec::new()).await.expect_status(206);
    assert_eq!(&part.body[..], b"234");
    let head = client.send("HEAD", "/a?b", &[], Vec::new()).await.expect_status(200);
    assert_eq!((head.body.len(), &head.headers["content-length"]), (0, &"10".parse().unwrap()));
    assert_eq!(backend.seen().len(), asked);

    assert_eq!(status(&client.get("/a").await), "gateway; fwd=uri-miss; stored");
    let other = client.send("GET", "/a?b", &[("host", "other")], Vec::new()).await;
    assert_eq!(status(&other), "gateway; fwd=uri-miss; stored");
}

#[tokio::test]
async fn without_the_key_nothing_is_stored() {
    let backend = Backend::answering(&ok("cache-control: max-age=60", "x")).await;
    let site = Site::new(&backend, "", "").await;
    let client = Client::new(site.address);
    for _ in 0..2 {
        assert!(!client.get("/").await.expect_status(200).headers.contains_key("cache-status"));
    }
    assert_eq!(backend.seen().len(), 2);
}

#[tokio::test]
async fn what_is_for_one_caller_is_not_stored() {
    let backend = Backend::answering_by(|seen| match seen.line() {
        "GET /cookie HTTP/1.1" => ok("cache-control: max-age=60\r\nset-cookie: a=b", "x"),
        "GET /private HTTP/1.1" => ok("cache-control: max-age=60, private", "x"),
        "GET /silent HTTP/1.1" => ok("etag: \"a\"", "x"),
        "GET /address HTTP/1.1" => ok("cache-control: max-age=60\r\nvary: x-forwarded-for", "x"),
        _ => ok("cache-control: max-age=60", "x"),
    })
    .await;
    let (_site, client) = site(&backend).await;
    for (path, header) in [
        ("/cookie", ("accept", "*/*")),
        ("/private", ("accept", "*/*")),
        ("/silent", ("accept", "*/*")),
        ("/address", ("accept", "*/*")),
        ("/authorized", ("authorization", "Basic eA==")),
        ("/known", ("cookie", "a=b")),
        // The backend does not see it.
        ("/named", ("connection", "x-role")),
        ("/no-store", ("cache-control", "no-store")),
    ] {
        for _ in 0..2 {
            let reply = client.send("GET", path, &[header], Vec::new()).await.expect_status(200);
            assert!(reply.headers.get("cache-status").is_none_or(|status| !status.to_str().unwrap().contains("hit")));
        }
        assert_eq!(backend.seen().iter().filter(|seen| seen.line().contains(path)).count(), 2, "{path}");
    }
}

/// What a backend repeats in its answer must not reach the next caller: it is in the key, or no caller can choose it.
#[tokio::test]
async fn headers_of_a_caller_do_not_get_into_the_answers_of_others() {
    let echo = |seen: &Seen| {
        let said = ["host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "x-original-url", "x_host"];
        let said: Vec<_> = said.iter().flat_map(|name| seen.all(name)).collect();
        ok("cache-control: max-age=60", &said.join(" "))
    };
    let backend = Backend::answering_by(echo).await;
    let (site, client) = site(&backend).await;
    let forged = [
        ("host", "good"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-proto", "evil"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "/evil"),
        ("x_host", "evil"),
    ];
    let reply = client.send("GET", "/", &forged, Vec::new()).await.expect_status(200);
    assert_eq!(&reply.body[..], b"good good http");
    site.gateway
        .until("a stored answer", async || {
            let reply = client.send("GET", "/", &[("host", "good")], Vec::new()).await;
            assert_eq!(&reply.body[..], b"good good http");
            status(&reply).starts_with("gateway; hit").then_some(())
        })
        .await;
    let other = client.send("GET", "/", &[("host", "evil")], Vec::new()).await;
    assert_eq!(&other.body[..], b"evil evil http");
}

#[tokio::test]
async fn a_change_and_a_purge_remove_what_is_stored() {
    let backend = Backend::answering_by(|seen| match seen.line().split(' ').next() {
        Some("GET") => ok("cache-control: max-age=60", "x"),
        _ => "HTTP/1.1 201 Created\r\nlocation: /list\r\ncontent-length: 0\r\n\r\n".to_owned(),
    })
    .await;
    let (site, client) = site(&backend).await;
    for path in ["/list", "/item", "/other"] {
        client.get(path).await.expect_status(200);
        stored(&site, &client, path).await;
    }
    client.post("/item", &[], "new").await.expect_status(201);
    for (path, expected) in [("/list", "fwd=uri-miss"), ("/item", "fwd=uri-miss"), ("/other", "hit")] {
        assert!(status(&client.get(path).await).contains(expected), "{path}");
    }
    for path in ["/list", "/item"] {
        stored(&site, &client, path).await;
    }

    let admin = &site.gateway.client;
    assert!(site.gateway.json("/admin/cache").await["size"].as_u64().unwrap() > 0);
    admin.post("/admin/cache/purge", &[], "").await.expect_status(400);
    let purged = admin.post("/admin/cache/purge?prefix=/li", &[], "").await.expect_status(200).json();
    assert_eq!(purged["purged"], 1);
    assert!(status(&client.get("/list").await).contains("fwd=uri-miss"));
    stored(&site, &client, "/list").await;
    let mut command = site.gateway.cli_command(&["cache", "purge", "/"]);
    let purged = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&purged.stdout), "3 answers removed\n");
    assert_eq!(site.gateway.json("/admin/cache").await["size"], 0);
    let metrics = site.gateway.metrics().await;
    assert!(metrics.contains("gateway_web_cache_purged_total 4"), "{metrics}");
    assert!(metrics.contains("gateway_web_cache_requests_total{result=\"hit\"}"), "{metrics}");
}

#[tokio::test]
async fn equal_requests_at_the_same_time_are_one() {
    let backend = Backend::answering(&ok("cache-control: max-age=60", "body")).await;
    let (_site, client) = site(&backend).await;
    let asking = (0..200).map(|_| client.get("/"));
    for reply in futures_util::future::join_all(asking).await {
        assert_eq!(&reply.expect_status(200).body[..], b"body");
    }
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn a_backend_that_fails_is_covered_only_if_it_has_said_so() {
    let backend = Backend::answering_by(|seen| match (seen.line(), seen.header("if-none-match")) {
        (_, Some(_)) => String::new(),
        ("GET /lenient HTTP/1.1", _) => ok("cache-control: max-age=0, stale-if-error=60\r\netag: \"a\"", "old"),
        _ => ok("cache-control: max-age=0, must-revalidate\r\netag: \"a\"", "old"),
    })
    .await;
    let (site, client) = site(&backend).await;
    for (path, expected) in [("/lenient", 200), ("/strict", 504)] {
        client.get(path).await.expect_status(200);
        site.gateway
            .until("a validation", async || {
                let seen = backend.seen();
                let validated =
                    seen.iter().any(|seen| seen.line().contains(path) && !seen.all("if-none-match").is_empty());
                if !validated {
                    client.get(path).await;
                }
                validated.then_some(())
            })
            .await;
        client.get(path).await.expect_status(expected);
    }
    assert_eq!(
        client
            .send("GET", "/none", &[("cache-control", "only-if-cached")], Vec::new())
            .await
            .expect_problem(504, "not_stored"),
        "nothing is stored for this request, and it asks for nothing else"
    );
}

#[tokio::test]
async fn what_is_stored_goes_when_the_routes_change() {
    let first = Backend::answering(&ok("cache-control: max-age=60", "first")).await;
    let second = Backend::answering(&ok("cache-control: max-age=60", "second")).await;
    let before = config(&[first.address], "/", CACHED, "");
    let mut site = Site::start(Setup::new().config(&before)).await;
    let client = Client::new(site.address);
    client.get("/").await.expect_status(200);
    stored(&site, &client, "/").await;
    site.gateway.reconfigure(&first.address.to_string(), &second.address.to_string());
    site.gateway.client.post("/admin/reload", &[], "").await.expect_status(200);
    assert_eq!(&client.get("/").await.expect_status(200).body[..], b"second");
}

#[tokio::test]
async fn a_large_answer_streams_through() {
    let body = "x".repeat(3 << 20);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let sized = ok("cache-control: max-age=60", &body);
    let backend = Backend::answering_by(
        move |seen| if seen.line().contains("chunked") { chunked.clone() } else { sized.clone() },
    )
    .await;
    let (site, client) = site(&backend).await;
    for path in ["/chunked", "/sized"] {
        for _ in 0..2 {
            let reply = tokio::time::timeout(Duration::from_secs(60), client.get(path)).await.unwrap();
            assert_eq!(reply.expect_status(200).body.len(), body.len(), "{path}");
        }
    }
    assert_eq!(site.gateway.json("/admin/cache").await["size"], 0);
}
