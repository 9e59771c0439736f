//! A request becomes an event, the event a delivery, and both can be read afterwards.

use serde_json::json;

use crate::support::{Setup, TO_STUB, built_in, guest};

/// The promise of the README: a request is accepted, stored and delivered.
#[tokio::test]
async fn a_request_is_accepted_stored_and_delivered() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;

    let id = gateway.post("dummy", r#"{"test":true}"#).await.expect_accepted();

    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["channel"], "dummy");
    assert_eq!(event["kind"], "dummy.received");
    assert_eq!(event["seq"], 1);
    assert_eq!(event["deliveries"][0]["agent"], "stub");
    assert_eq!(event["deliveries"][0]["state"], "delivered");
    let listed = gateway.list("events").await;
    assert_eq!(listed[0]["id"], json!(id));
    assert_eq!(listed[0]["status"], "delivered");
}

/// The timeline of one event, in order.
#[tokio::test]
async fn the_command_line_shows_the_timeline_of_an_event() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(guest::FLAKY_AGENT)
        .config(
            r#"
            [agents.flaky]
            plugin = "flaky-agent"
            config = { failures = 1 }
            retry = { first_wait = "10ms" }

            [[routes]]
            agents = ["flaky"]
            "#,
        )
        .start()
        .await;
    let id = gateway.post("dummy", "hello").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let (code, shown, error) = gateway.cli(&["events", "show", &id]);

    assert_eq!(code, 0, "{error}");
    let steps = ["received", "stored", "attempt 1", "fails on purpose", "attempt 2", "delivered"];
    let mut rest = shown.as_str();
    for step in steps {
        let at = rest.find(step).unwrap_or_else(|| panic!("`{step}` is missing, or out of order, in\n{shown}"));
        rest = &rest[at..];
    }
}

/// A duplicate is answered with the first event, and neither stored nor delivered.
#[tokio::test]
async fn a_repeated_delivery_is_a_duplicate_of_the_first() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let headers = [("x-delivery-id", "d-1")];
    let first = gateway.client.post("/webhooks/dummy", &headers, "same").await.expect_accepted();

    let again = gateway.client.post("/webhooks/dummy", &headers, "same").await.expect_status(200).json();
    let other = gateway.client.post("/webhooks/dummy", &headers, "other body").await.expect_accepted();

    assert_eq!(again["events"][0]["status"], "duplicate");
    assert_eq!(again["events"][0]["id"], json!(first));
    assert_ne!(other, first, "a known delivery id with another body must not suppress an event");
    assert_eq!(gateway.list("events").await.len(), 2);
}

/// A restart loses nothing, not even the outcome of a delivery.
#[tokio::test]
async fn acknowledged_events_survive_a_kill() {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB);
    let gateway = setup.start().await;
    let headers = [("x-delivery-id", "d-1")];
    let id = gateway.client.post("/webhooks/dummy", &headers, "kept").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let gateway = gateway.kill().start().await;

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(event["status"], "delivered");
    assert_eq!(event["data"], "kept");
    gateway.client.post("/webhooks/dummy", &headers, "kept").await.expect_status(200);
    let next = gateway.post("dummy", "next").await.expect_accepted();
    assert_eq!(gateway.json(&format!("/admin/events/{next}")).await["seq"], 2);
}

/// GitHub's largest payloads are accepted, and read back byte for byte.
#[tokio::test]
async fn a_body_of_25_mib_is_kept_whole() {
    let gateway = Setup::new()
        .plugin_as("sealed", guest::SEALED)
        .config("\n[channels.sealed]\nverification = \"none\"\nallow_from = [\"127.0.0.1\"]\n")
        .start()
        .await;
    let body = "0123456789abcdef".repeat(25 << 16);
    let headers = [("content-type", "text/plain")];

    gateway.client.post("/webhooks/sealed", &headers, body.clone()).await.expect_status(200);
    let too_large = gateway.client.post("/webhooks/sealed", &headers, format!("{body}x")).await;

    too_large.expect_problem(413, "too_large");
    let id = gateway.list("events").await[0]["id"].as_str().unwrap().to_owned();
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert!(event["data"].as_str().unwrap() == body, "the body is not what was sent");
}

/// The paths that dashboards and probes use.
#[tokio::test]
async fn the_gateway_reports_its_state() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .config(TO_STUB)
        .config("\n[channels.absent]\nrequired = true\n[channels.dummy]\n")
        .start()
        .await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    assert_eq!(gateway.json("/health").await["status"], "ok");
    let ready = gateway.client.get("/health/ready").await.expect_status(503).json();
    assert!(ready.to_string().contains("absent"), "{ready}");
    let metrics = gateway.metrics().await;
    for line in [
        r#"webhook_requests_total{provider="dummy",status="202"} 1"#,
        r#"gateway_events_total{provider="dummy"} 1"#,
        r#"gateway_delivery_attempts_total{agent="stub",outcome="delivered"} 1"#,
        r#"gateway_plugin_calls_total{plugin="dummy",outcome="ok"} 1"#,
        r#"gateway_plugin_generation{plugin="stub"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
    for noun in ["channels", "agents", "plugins", "routes", "skills", "deliveries"] {
        gateway.list(noun).await;
    }
    gateway.json("/admin/stats").await;
}

/// SIGTERM ends the gateway cleanly: accepted events are kept, and the exit code is 0.
#[tokio::test]
async fn a_stopped_gateway_ends_cleanly_and_keeps_what_it_accepted() {
    let gateway = Setup::new().plugin(built_in::DUMMY).config("").start().await;
    let id = gateway.post("dummy", "kept").await.expect_accepted();

    let (code, setup) = gateway.stop().await;

    assert_eq!(code, Some(0));
    let gateway = setup.start().await;
    assert_eq!(gateway.json(&format!("/admin/events/{id}")).await["status"], "accepted");
}
