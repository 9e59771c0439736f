//! Verified bodies that a channel cannot understand: kept as an event where the provider would not send them again.

use crate::support::{Setup, built_in, guest};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn what_github_does_not_repeat_is_kept_as_one_event() {
    let gateway = Setup::new().github().start().await;
    for body in [&b"{\"action\":\"opened\""[..], b"\xff\xfe{\0}\0", b"hello"] {
        let id = gateway.client.post_github("issues", &JSON, body).await.expect_accepted();

        let event = gateway.event_until(&id, "delivered").await;
        assert_eq!(event["kind"], "github.unknown");
        let reason = event["attributes"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("body is not "), "{reason}");
    }
    let again = gateway.client.post_github("issues", &JSON, "hello").await.expect_status(200).json();
    assert_eq!(again["events"][0]["status"], "duplicate", "{again}");

    gateway.client.post("/webhooks/github", &JSON, "hello").await.expect_problem(401, "verification_failed");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"gateway_unknown_bodies_total{provider="github"} 4"#), "{metrics}");
    gateway.logged(&["github", "Request kept as an event of kind `unknown`: body is not JSON"]).await;
}

#[tokio::test]
async fn a_channel_can_keep_or_refuse_what_it_does_not_understand() {
    let gateway = Setup::new()
        .github()
        .plugin(guest::REJECTING)
        .config("on_unknown = \"refuse\"\n[channels.rejecting]\n")
        .config("[channels.keeping]\nplugin = \"rejecting\"\non_unknown = \"keep\"\n")
        .start()
        .await;

    gateway.client.post_github("issues", &JSON, "hello").await.expect_problem(400, "rejected");
    gateway.client.post("/webhooks/rejecting?teapot", &[], "{}").await.expect_problem(418, "rejected");
    let id = gateway.client.post("/webhooks/keeping?teapot", &[], "{}").await.expect_accepted();
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&event["kind"], &event["data"]), (&"keeping.unknown".into(), &"{}".into()), "{event}");
}

/// A failure of the plugin is not the body's, and a sender that repeats is told.
#[tokio::test]
async fn a_plugin_that_fails_keeps_nothing() {
    let gateway = Setup::new()
        .plugin(guest::TRAP)
        .plugin(built_in::GENERIC)
        .config("\n[channels.trap]\non_unknown = \"keep\"\n[channels.generic]\nsecret = { env = \"TOKEN\" }\n")
        .env("TOKEN", "kettle-token")
        .start()
        .await;
    let headers = [JSON[0], ("authorization", "Bearer kettle-token")];

    gateway.post("trap", "{}").await.expect_problem(502, "plugin_failed");
    gateway.client.post("/webhooks/generic", &headers, "{").await.expect_problem(400, "rejected");
    assert_eq!(gateway.list("events").await.len(), 0);
}
