//! Which backends are up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use super::Site;
use crate::support::{Backend, Client, RemoteAgent, Setup};

const HEALTH: &str = "health = { path = \"/healthz\", interval = \"100ms\", up_after = 2, down_after = 2 }";

/// A backend whose health check is answered with this status.
async fn backend(status: &Arc<AtomicU16>) -> Backend {
    let status = Arc::clone(status);
    Backend::answering_by(move |seen| match seen.line() {
        "GET /healthz HTTP/1.1" => {
            format!("HTTP/1.1 {} X\r\ncontent-length: 0\r\n\r\n", status.load(Ordering::Relaxed))
        }
        _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
    })
    .await
}

async fn health(client: &Client, path: &str) -> (u16, Value) {
    let reply = client.get(path).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test]
async fn the_health_of_all_backends_is_told_without_asking_them_and_changes_are_events() {
    let status = Arc::new(AtomicU16::new(200));
    let backend = backend(&status).await;
    let agent = RemoteAgent::start().await;
    let setup = Setup::new()
        .remote(&agent, "")
        .config("[[routes]]\nchannels = [\"web\"]\nagents = [\"remote\"]\n[notices]\nevery = \"0s\"\n")
        .config(&super::config(&[backend.address], "/", "", HEALTH));
    let site = Site::start(setup).await;
    let (web, gateway) = (Client::new(site.address), &site.gateway);
    let up = (200, json!({"ok": true, "services": {"app": "up"}}));
    let down = (503, json!({"ok": false, "services": {"app": "down"}}));
    for client in [&web, &gateway.client] {
        gateway
            .until("the backend is up", async || (health(client, "/health/backends").await == up).then_some(()))
            .await;
    }

    status.store(503, Ordering::Relaxed);
    gateway.until("the backend is down", async || (health(&web, "/health/backends").await == down).then_some(())).await;
    assert_eq!(web.get("/").await.status, 503);
    assert!(backend.seen().is_empty(), "nothing is sent to a backend that is down");
    let listed = gateway.list("backends").await;
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("app"), &json!("down")));
    assert_eq!(listed[0]["addresses"][0]["error"], "it answers with the status 503");
    let (code, text, _) = gateway.cli(&["backends"]);
    assert!(code == 0 && text.contains("(down)") && text.contains("status 503"), "{text}");
    let (code, text, _) = gateway.cli(&["sites"]);
    assert!(code == 0 && text.contains("/ > app"), "{text}");
    assert_eq!(web.get("/health/ready").await.status, 503, "a path of the site");
    assert_eq!(gateway.client.get("/health/ready").await.status, 200, "the gateway itself is ready");

    let told = async |kinds: &[&str]| {
        let events = gateway.list("events").await;
        events.iter().map(|event| event["kind"].as_str().unwrap()).eq(kinds.iter().copied()).then_some(())
    };
    gateway.until("the first event", async || told(&["web.backend.down"]).await).await;
    status.store(204, Ordering::Relaxed);
    gateway
        .until("the backend is up again", async || (health(&web, "/health/backends").await == up).then_some(()))
        .await;
    assert_eq!(web.get("/").await.status, 200);
    gateway.until("the second event", async || told(&["web.backend.up", "web.backend.down"]).await).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_web_backend_up{backend=\"app\"} 1"), "{metrics}");
    assert!(metrics.contains("gateway_web_answers_total{backend=\"app\",status=\"2xx\"} 1"), "{metrics}");
}

#[tokio::test]
async fn the_path_can_be_another_one() {
    let backend = Backend::ok().await;
    let config = super::config(&[backend.address], "/", "", "")
        .replace("[backends.app]", "health = \"/api/v1/health\"\n[backends.app]");
    let site = Site::start(Setup::new().config(&config)).await;
    for client in [&Client::new(site.address), &site.gateway.client] {
        let up = async || (health(client, "/api/v1/health").await.0 == 200).then_some(());
        site.gateway.until("a connection is enough without a path", up).await;
    }
    assert_eq!(Client::new(site.address).get("/health/backends").await.status, 200);
    assert_eq!(backend.only().await.line(), "GET /health/backends HTTP/1.1", "then it is a path of the site");
    assert_eq!(site.gateway.client.get("/health/backends").await.status, 404);
}
