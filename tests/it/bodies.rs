//! Content codings: bodies are verified as received and decoded within limits; responses are encoded on request.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::support::{Reply, Setup, TestGateway, guest};

const SECRET: &str = "It's a Secret to Everybody";
const BODY: &str = r#"{"title":"café 😀"}"#;

async fn gateway_that_accepts(encodings: &str) -> TestGateway {
    let config = format!(
        "\n[channels.sealed]\nsecret = {{ env = \"SEALED_SECRET\" }}\nmax_body = \"64KiB\"\n{encodings}\nkeep_headers = [\"content-encoding\"]\n"
    );
    Setup::new().plugin(guest::SEALED).config(&config).env("SEALED_SECRET", SECRET).start().await
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Posts `body`, with the signature of `signed`.
async fn post(gateway: &TestGateway, coding: &str, body: &[u8], signed: &[u8]) -> Reply {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers =
        [("x-hub-signature-256", &*signature), ("content-encoding", coding), ("content-type", "application/json")];
    gateway.client.post("/webhooks/sealed", &headers, body).await
}

/// The signature covers the encoded body, the event has the decoded one.
#[tokio::test]
async fn an_encoded_body_is_verified_as_received_and_stored_decoded() {
    let gateway = gateway_that_accepts(r#"encodings = ["gzip", "zstd"]"#).await;
    let encoded = gzip(BODY.as_bytes());

    post(&gateway, "gzip", &encoded, BODY.as_bytes()).await.expect_problem(401, "verification_failed");
    post(&gateway, "gzip", &encoded, &encoded).await.expect_status(200);

    let events = gateway.list("events").await;
    let event = gateway.json(&format!("/admin/events/{}", events[0]["id"].as_str().unwrap())).await;
    assert_eq!(event["data"]["title"], "café 😀", "{event}");
    assert_eq!(event["headers"], serde_json::json!([]), "what is said of the encoded body is gone");
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn an_unsupported_coding_is_refused_with_the_supported_ones() {
    let none = gateway_that_accepts("").await;
    let two = gateway_that_accepts(r#"encodings = ["gzip", "zstd"]"#).await;
    let encoded = gzip(BODY.as_bytes());
    for (gateway, coding, accepted) in
        [(&none, "gzip", "identity"), (&two, "br", "gzip, zstd"), (&two, "gzip, gzip", "gzip, zstd")]
    {
        let reply = post(gateway, coding, &encoded, &encoded).await;

        assert_eq!(reply.headers["accept-encoding"], accepted, "{coding}");
        reply.expect_problem(415, "encoding_not_supported");
    }
    post(&two, "zstd", &encoded, &encoded).await.expect_problem(400, "malformed");
    post(&two, "identity", BODY.as_bytes(), BODY.as_bytes()).await.expect_status(200);
}

/// 64 MiB in 64 KiB: refused at the channel's limit, and before any decoding if the signature is wrong.
#[tokio::test]
async fn a_body_that_decodes_beyond_the_limit_is_refused() {
    let gateway = gateway_that_accepts(r#"encodings = ["gzip"]"#).await;
    let bomb = gzip(&vec![0; 60 << 20]);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());

    post(&gateway, "gzip", &bomb, b"").await.expect_problem(401, "verification_failed");
    let detail = post(&gateway, "gzip", &bomb, &bomb).await.expect_problem(413, "too_large");

    assert!(detail.contains("65536"), "{detail}");
    assert_eq!(gateway.list("events").await.len(), 0);
}

#[tokio::test]
async fn responses_of_the_admin_api_and_the_metrics_are_encoded_on_request() {
    let gateway = Setup::new().plugin(guest::ECHO).start().await;
    for _ in 0..20 {
        gateway.post("echo", "{}").await.expect_status(200);
    }
    for path in ["/admin/events", "/metrics"] {
        let reply = gateway.client.send("GET", path, &[("accept-encoding", "gzip;q=0.8, br;q=0")], Vec::new()).await;

        assert_eq!(reply.headers["content-encoding"], "gzip", "{path}");
        assert_eq!(reply.headers["vary"], "accept-encoding", "{path}");
        let mut text = String::new();
        GzDecoder::new(&*reply.body).read_to_string(&mut text).unwrap();
        assert!(text.len() > 2 * reply.body.len(), "{path}");
        let plain = gateway.client.get(path).await;
        assert!(!plain.headers.contains_key("content-encoding"), "{path}");
        assert_eq!(plain.headers["vary"], "accept-encoding", "{path}");
    }
    let short = gateway.client.send("GET", "/health", &[("accept-encoding", "gzip")], Vec::new()).await;
    assert!(!short.headers.contains_key("content-encoding"));
}
