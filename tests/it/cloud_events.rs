//! CloudEvents: what one gateway sends, another one takes, in both formats.

use serde_json::{Value, json};

use crate::support::{RemoteAgent, Setup, TestGateway, built_in};

/// A gateway whose channel `generic` takes events with a bearer token.
async fn receiver() -> TestGateway {
    Setup::new()
        .plugin(built_in::GENERIC)
        .config("\n[channels.generic]\nsecret = { env = \"GENERIC_WEBHOOK_SECRET\" }\n")
        .env("GENERIC_WEBHOOK_SECRET", "kettle-token")
        .start()
        .await
}

/// A gateway that sends its events to `receiver` in this format.
async fn sender(receiver: &TestGateway, format: &str) -> TestGateway {
    let address = receiver.client.address();
    Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::HTTP)
        .config(&format!(
            r#"
            [agents.next]
            plugin = "http"
            config = {{ url = "http://{address}/webhooks/generic", format = "{format}", credential = "token" }}
            allow_hosts = ["{address}"]
            [agents.next.credentials.token]
            kind = "bearer"
            secret = {{ env = "NEXT_TOKEN" }}
            hosts = ["{address}"]
            [[routes]]
            agents = ["next"]
            "#
        ))
        .env("NEXT_TOKEN", "kettle-token")
        .start()
        .await
}

#[tokio::test]
async fn what_a_gateway_sends_another_one_takes_in_both_formats() {
    let receiver = receiver().await;
    let mut found = Vec::new();
    for format in ["envelope", "cloudevent"] {
        let sender = sender(&receiver, format).await;
        let headers = [("content-type", "application/json")];
        let sent = sender.client.post("/webhooks/dummy?subject=s-1", &headers, r#"{"a":1}"#).await.expect_accepted();
        let first = sender.event_until(&sent, "delivered").await;

        let events = receiver.list("events").await;
        let id = events.iter().map(|event| event["id"].as_str().unwrap()).find(|id| !found.contains(&(*id).to_owned()));
        let id = id.unwrap().to_owned();
        let event = receiver.json(&format!("/admin/events/{id}")).await;
        assert_eq!((&event["kind"], &event["subject"]), (&"generic.dummy.received".into(), &"s-1".into()), "{event}");
        let attributes = &event["attributes"];
        assert_eq!(attributes["ceid"], sent.as_str(), "{format}");
        assert_eq!(attributes["cesource"], "/channels/dummy", "{format}");
        assert_eq!(attributes["cetype"], "dummy.received", "{format}");
        assert_eq!(attributes["cetime"], first["received_at"], "{format}");
        assert_eq!(event["data"], json!({"a": 1}), "{format}");
        found.push(id);
    }
}

/// A retry has another envelope and is the same event.
#[tokio::test]
async fn an_envelope_that_is_sent_twice_is_one_event() {
    let receiver = receiver().await;
    let agent = RemoteAgent::start().await;
    let gateway = Setup::new().remote(&agent, "").config("\n[[routes]]\nagents = [\"remote\"]\n").start().await;
    let id = gateway.post("dummy", r#"{"a":1}"#).await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    let mut envelope = String::from_utf8(agent.received().remove(0).body.to_vec()).unwrap();
    let headers = [("authorization", "Bearer kettle-token"), ("content-type", "application/json")];

    receiver.client.post("/webhooks/generic", &headers, envelope.clone()).await.expect_accepted();
    envelope = envelope.replace(r#""attempt":1"#, r#""attempt":2"#);
    let again = receiver.client.post("/webhooks/generic", &headers, envelope).await.expect_status(200).json();

    assert_eq!(again["events"][0]["status"], "duplicate", "{again}");
}

#[tokio::test]
async fn every_mode_keeps_id_source_type_subject_and_time() {
    let receiver = receiver().await;
    let attributes = |id: &str| json!({"specversion": "1.0", "id": id, "source": "/ci", "type": "build.failed", "subject": "main", "time": "2026-03-01T10:00:00Z"});
    let with_data = |id: &str| {
        let mut event = attributes(id);
        event["data"] = json!({"n": 1});
        event
    };
    let token = ("authorization", "Bearer kettle-token");
    let binary = [
        token,
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/ci"),
        ("ce-type", "build.failed"),
        ("ce-subject", "main"),
        ("ce-time", "2026-03-01T10:00:00Z"),
    ];
    let structured = [token, ("content-type", "application/cloudevents+json; charset=utf-8")];
    let batch = [token, ("content-type", "application/cloudevents-batch+json")];
    let post = async |headers: &[(&str, &str)], body: &Value| {
        let reply = receiver.client.post("/webhooks/generic", headers, body.to_string()).await;
        reply.expect_status(202).json()["events"].as_array().unwrap().len()
    };

    assert_eq!(post(&binary, &json!({"n": 1})).await, 1);
    assert_eq!(post(&structured, &with_data("2")).await, 1);
    assert_eq!(post(&batch, &json!([with_data("3"), with_data("4")])).await, 2);

    let events = receiver.list("events").await;
    assert_eq!(events.len(), 4);
    for event in events {
        let event = receiver.json(&format!("/admin/events/{}", event["id"].as_str().unwrap())).await;
        assert_eq!((&event["kind"], &event["subject"]), (&"generic.build.failed".into(), &"main".into()), "{event}");
        assert_eq!(event["attributes"]["cesource"], "/ci", "{event}");
        assert_eq!(event["attributes"]["cetime"], "2026-03-01T10:00:00Z", "{event}");
        assert_eq!(event["data"], json!({"n": 1}), "{event}");
    }
    let again = receiver.client.post("/webhooks/generic", &structured, with_data("2").to_string()).await;
    assert_eq!(again.expect_status(200).json()["events"][0]["status"], "duplicate");
}
