//! Outbound requests: the envelope and its signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::support::{RemoteAgent, Setup, built_in};

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
