//! Bodies under other names, and JSON with odd texts: they cost no event and no facts.

use crate::support::{Reply, Setup, TestGateway, built_in};

const OPENED: &str =
    r#"{"action":"opened","issue":{"number":7},"repository":{"full_name":"o/r"},"sender":{"login":"ada"}}"#;

const GENERIC: &str = r#"
[channels.generic]
secret = { env = "GENERIC_WEBHOOK_SECRET" }
config = { subject = "/id" }
"#;

async fn generic(keys: &str) -> TestGateway {
    let setup = Setup::new().plugin(built_in::GENERIC).config(GENERIC).config(keys);
    setup.env("GENERIC_WEBHOOK_SECRET", "kettle-token").start().await
}

async fn post(gateway: &TestGateway, content_type: Option<&str>, body: &str) -> Reply {
    let content_type = content_type.map(|content_type| ("content-type", content_type));
    let headers: Vec<_> = [("authorization", "Bearer kettle-token")].into_iter().chain(content_type).collect();
    gateway.client.post("/webhooks/generic", &headers, body).await
}

#[tokio::test]
async fn json_is_taken_under_any_name_by_every_channel_that_takes_json() {
    let gateway = Setup::new().github().start().await;
    for content_type in [
        "application/json; charset=latin1",
        "text/json",
        "application/json; charset=utf-16",
        "application/vnd.github+json",
    ] {
        let reply = gateway.client.post_github("issues", &[("content-type", content_type)], OPENED).await;

        let event = gateway.json(&format!("/admin/events/{}", reply.expect_accepted())).await;
        assert_eq!(
            (&event["kind"], &event["subject"]),
            (&"github.issues.opened".into(), &"o/r#7".into()),
            "{content_type}"
        );
    }
    let id = gateway.client.post_github("issues", &[], OPENED).await.expect_accepted();
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(event["content_type"], "application/json", "without a type");
    assert_eq!(event["data"]["action"], "opened");
    let plain = gateway.client.post_github("issues", &[("content-type", "text/plain")], OPENED).await;
    plain.expect_problem(415, "content_type_not_supported");
}

#[tokio::test]
async fn generic_takes_json_in_plain_text_and_after_a_byte_order_mark() {
    let gateway = generic("").await;
    for (content_type, body) in [
        (Some("text/plain; charset=UTF-8"), r#"{"id":"x"}"#),
        (Some("application/json"), "\u{feff}{\"id\":\"x\"}"),
        (Some("application/x-www-form-urlencoded"), "\u{feff}id=x"),
        (None, r#"{"id":"x"}"#),
    ] {
        let id = post(&gateway, content_type, body).await.expect_accepted();

        let event = gateway.json(&format!("/admin/events/{id}")).await;
        assert_eq!(event["subject"], "x", "{content_type:?}");
        if body.contains('{') {
            assert_eq!(event["data"]["id"], "x", "agents get it as JSON: {event}");
        }
    }
    post(&gateway, Some("text/csv"), "id\nx").await.expect_problem(415, "content_type_not_supported");
}

#[tokio::test]
async fn content_types_widen_or_narrow_what_a_channel_takes() {
    let narrowed = generic("content_types = [\"application/XML\"]").await;
    post(&narrowed, Some("application/json"), r#"{"id":"x"}"#).await.expect_problem(415, "content_type_not_supported");
    post(&narrowed, None, r#"{"id":"x"}"#).await.expect_problem(415, "content_type_not_supported");
    post(&narrowed, Some("text/xml"), "<id>x</id>").await.expect_accepted();

    let widened = generic("content_types = [\"application/json\", \"text/*\"]").await;
    post(&widened, Some("text/vnd.acme"), r#"{"id":"x"}"#).await.expect_accepted();
    post(&widened, Some("application/xml"), "<id>x</id>").await.expect_problem(415, "content_type_not_supported");

    let any = generic("content_types = [\"*/*\"]").await;
    post(&any, Some("application/octet-stream"), r#"{"id":"x"}"#).await.expect_accepted();
    post(&any, Some("image/png; charset=latin1"), r#"{"id":"x"}"#).await.expect_accepted();
}

/// Only the odd text is lost.
#[tokio::test]
async fn an_odd_text_costs_no_kind_subject_or_sender() {
    const COMMENT: &[u8] =
        br#"{"action":"created","issue":{"number":7},"repository":{"full_name":"o/r"},"sender":{"login":"bot"},"#;
    let gateway = Setup::new().github().start().await;
    for comment in [
        &br#""comment":{"body":"cut off \ud83d"}}"#[..],
        br#""comment":{"body":"one","body":"two"}}"#,
        br#""comment":{"body":"x"},"comment":{"body":"y"}}"#,
        br#""comment":{"\udc00":1,"body":"x"}}"#,
        b"\"comment\":{\"body\":\"caf\xc3\"}}",
    ] {
        let body = [COMMENT, comment].concat();
        let extra = String::from_utf8_lossy(comment);
        let json = [("content-type", "application/json")];
        let id = gateway.client.post_github("issue_comment", &json, body).await.expect_accepted();

        let event = gateway.json(&format!("/admin/events/{id}")).await;
        assert_eq!(event["kind"], "github.issue_comment.created", "{extra}");
        assert_eq!(event["subject"], "o/r#7", "{extra}");
        assert_eq!(event["attributes"]["sender"], "bot", "{extra}");
        assert_eq!(event["data"]["sender"]["login"], "bot", "{extra}: readers of the event can parse its data");
    }
}
