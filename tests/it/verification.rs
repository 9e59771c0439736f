//! A forged request leaves no trace but a counter.

use crate::support::{Setup, TestGateway, built_in, guest};

/// GitHub's published vector (docs.github.com, "Validating webhook deliveries").
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &str = "Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// A body whose signature with the secret `mysecret` is among the vectors.
const OPENED: &str = r#"{"action":"opened"}"#;

async fn sealed_gateway() -> TestGateway {
    Setup::new()
        .plugin(guest::SEALED)
        .config("\n[channels.sealed]\nsecret = { env = \"SEALED_SECRET\" }\n")
        .env("SEALED_SECRET", SECRET)
        .start()
        .await
}

#[tokio::test]
async fn githubs_published_signature_passes_and_one_changed_byte_stores_nothing() {
    let gateway = sealed_gateway().await;
    let post = async |signature: &str, body: &str| {
        gateway.client.post("/webhooks/sealed", &[("x-hub-signature-256", signature)], body).await
    };

    post(SIGNATURE, BODY).await.expect_status(200);
    post(SIGNATURE, "Hello, World?").await.expect_problem(401, "verification_failed");
    post(&SIGNATURE.replace("757", "756"), BODY).await.expect_problem(401, "verification_failed");
    gateway.client.post("/webhooks/sealed", &[], BODY).await.expect_problem(401, "verification_failed");
    let twice = [("x-hub-signature-256", SIGNATURE), ("x-hub-signature-256", SIGNATURE)];
    gateway.client.post("/webhooks/sealed", &twice, BODY).await.expect_problem(401, "verification_failed");

    assert_eq!(gateway.list("events").await.len(), 1);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"webhook_signature_validation_failures_total{provider="sealed"} 4"#), "{metrics}");
}

/// A request from GitHub becomes a verified event and is delivered.
#[tokio::test]
async fn a_github_webhook_becomes_an_event_of_its_repository() {
    let gateway = Setup::new().github().start().await;
    let headers = [
        ("x-hub-signature-256", "sha256=7dd44a5aab54cf18c2c4dc925aa0123416e2b86b5fdeece15fdb45e8f10fd766"),
        ("x-github-event", "issues"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("content-type", "application/json"),
    ];

    let id = gateway.client.post("/webhooks/github", &headers, OPENED).await.expect_accepted();

    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["kind"], "github.issues.opened");
    let names: Vec<_> = event["timeline"].as_array().unwrap().iter().map(|step| step["what"].clone()).collect();
    assert!(names.iter().any(|name| name == "verified"), "{names:?}");
}

#[tokio::test]
async fn a_channel_without_its_secret_waits_and_names_the_missing_key() {
    let gateway = Setup::new()
        .plugin(built_in::GITHUB)
        .plugin(built_in::GRAFANA)
        .config("\n[channels.github]\nsecret = { env = \"GITHUB_WEBHOOK_SECRET\" }\noptional = true\n")
        .start()
        .await;

    gateway.post("github", "{}").await.expect_problem(503, "channel_waiting");
    gateway.post("grafana", "{}").await.expect_problem(503, "channel_waiting");

    let channels = gateway.list("channels").await;
    for (channel, key) in channels.iter().zip(["GITHUB_WEBHOOK_SECRET", "channels.grafana.secret"]) {
        assert_eq!(channel["state"], "waiting", "{channel}");
        assert!(channel["detail"].as_str().unwrap().contains(key), "{channel}");
        gateway.logged(&["Channel waits", key]).await;
    }
}

/// The old secret passes as long as it is configured with the new one.
#[tokio::test]
async fn two_secrets_pass_during_a_rotation() {
    let gateway = Setup::new()
        .plugin(guest::SEALED)
        .config("\n[channels.sealed]\nsecret = [{ env = \"NEW_SECRET\" }, { env = \"OLD_SECRET\" }]\n")
        .env("NEW_SECRET", "the next one")
        .env("OLD_SECRET", SECRET)
        .start()
        .await;

    gateway.client.post("/webhooks/sealed", &[("x-hub-signature-256", SIGNATURE)], BODY).await.expect_status(200);
}

/// Swapping a file must not open a door.
#[tokio::test]
async fn a_plugin_that_asks_for_less_verification_is_not_swapped_in() {
    let gateway = sealed_gateway().await;

    gateway.replace_plugin("sealed", &guest::ECHO);
    let row = gateway.plugin_until("sealed", |row| !row["error"].is_null()).await;

    assert_eq!(row["state"], "serving");
    assert_eq!(row["generation"], 1);
    assert!(row["error"].as_str().unwrap().contains("verification"), "{row}");
    gateway.post("sealed", BODY).await.expect_problem(401, "verification_failed");
}
