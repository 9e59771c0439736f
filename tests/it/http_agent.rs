//! What leaves the gateway: the envelope, its signature, and nothing that was not granted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{RemoteAgent, Setup, TestGateway, built_in, guest};

#[tokio::test]
async fn the_http_agent_posts_a_signed_envelope() {
    let agent = RemoteAgent::start().await;
    let address = agent.address;
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::HTTP)
        .config(&format!(
            r#"
            [agents.triage]
            plugin = "http"
            config = {{ url = "http://{address}/events", credential = "signature" }}
            allow_hosts = ["{address}"]
            [agents.triage.credentials.signature]
            kind = "standard-webhooks"
            secret = {{ env = "TRIAGE_KEY" }}
            hosts = ["{address}"]
            [[routes]]
            agents = ["triage"]
            "#
        ))
        .env("TRIAGE_KEY", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
        .start()
        .await;

    let headers = [("content-type", "application/json")];
    let id = gateway.client.post("/webhooks/dummy?subject=s-1", &headers, r#"{"a":1}"#).await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let request = agent.received().remove(0);
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("idempotency-key"), id);
    assert_eq!(header("webhook-id"), id);
    let key = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{}.", header("webhook-timestamp")).as_bytes());
    mac.update(&request.body);
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let envelope = request.json();
    assert_eq!(envelope["version"], "1");
    assert_eq!(envelope["channel"], json!({ "name": "dummy", "plugin": "dummy" }));
    assert_eq!(envelope["attempt"], 1);
    let event = &envelope["event"];
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], json!(id));
    assert_eq!(event["source"], "/channels/dummy");
    assert_eq!(event["type"], "dummy.received");
    assert_eq!(event["subject"], "s-1");
    assert_eq!(event["data"], json!({ "a": 1 }));
}

/// A gateway whose `fetch-agent` asks for whatever an event's data says, and answers with what came of it.
async fn fetching(grants: &str) -> TestGateway {
    let config = format!(
        r#"
        [agents.fetch]
        plugin = "fetch-agent"
        allow_hosts = [{grants}]
        connect_timeout = "2s"
        max_response = "1KiB"
        [[routes]]
        agents = ["fetch"]
        mode = "sync"
        timeout = "10s"
        "#
    );
    Setup::new().plugin(built_in::DUMMY).plugin(guest::FETCH_AGENT).config(&config).start().await
}

async fn fetch(gateway: &TestGateway, url: &str) -> Value {
    gateway.post("dummy", json!({ "url": url }).to_string()).await.expect_status(200).json()
}

#[tokio::test]
async fn an_agent_reaches_what_it_was_granted_and_nothing_else() {
    let agent = RemoteAgent::start().await;
    let (address, port) = (agent.address, agent.address.port());
    let gateway = fetching(&format!("\"{address}\", \"metadata.localhost:{port}\", \"localhost:{port}\"")).await;

    assert_eq!(fetch(&gateway, &format!("http://{address}/")).await["status"], 200);
    for url in [
        format!("http://127.0.0.1:{}/", port.wrapping_add(1)),
        format!("http://127.0.0.2:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://user:password@{address}/"),
    ] {
        let answer = fetch(&gateway, &url).await;
        assert_eq!(answer["error"], "denied", "{url}: {answer}");
    }
    let canonical = fetch(&gateway, &format!("http://0x7f.1:{port}/")).await;
    assert_eq!(canonical["status"], 200, "another spelling of a granted address is that address: {canonical}");
    assert_eq!(agent.received().len(), 2);
}

#[tokio::test]
async fn redirects_are_answers_and_large_answers_are_errors() {
    let agent = RemoteAgent::answering(|number, _| match number {
        0 => {
            Response::builder().status(302).header("location", "http://169.254.169.254/").body(Full::default()).unwrap()
        }
        _ => Response::new(Full::from(vec![b'x'; 2048])),
    })
    .await;
    let gateway = fetching(&format!("\"{}\"", agent.address)).await;
    let url = format!("http://{}/", agent.address);

    assert_eq!(fetch(&gateway, &url).await["status"], 302);
    assert_eq!(fetch(&gateway, &url).await["error"], "too-large");
    assert_eq!(agent.received().len(), 2);
}
