//! Channels for people's messages, with requests signed as their providers do.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Guest, Reply, Setup, TestGateway, built_in};

const SECRET: &str = "a secret of the tests";
const FORM: &str = "application/x-www-form-urlencoded";

/// A gateway with one channel and its secret.
async fn gateway(plugin: Guest, secret: &str) -> TestGateway {
    let channel = format!("\n[channels.{}]\nsecret = {{ env = \"CHANNEL_SECRET\" }}\n", plugin.name());
    Setup::new().plugin(plugin).config(&channel).env("CHANNEL_SECRET", secret).start().await
}

fn hmac(parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The kinds of the stored events, newest first.
async fn kinds(gateway: &TestGateway) -> Vec<Value> {
    gateway.list("events").await.into_iter().map(|event| event["kind"].clone()).collect()
}

async fn post_slack(gateway: &TestGateway, content_type: &str, body: &str) -> Reply {
    let time = now().to_string();
    let signature = format!("v0={}", hex::encode(hmac(&[b"v0:", time.as_bytes(), b":", body.as_bytes()])));
    let headers =
        [("content-type", content_type), ("x-slack-request-timestamp", &time), ("x-slack-signature", &signature)];
    gateway.client.post("/webhooks/slack", &headers, body).await
}

#[tokio::test]
async fn a_mention_that_slack_sends_twice_is_one_event() {
    let gateway = gateway(built_in::SLACK, SECRET).await;
    let told = |kind: &str, id: &str| {
        let event = json!({"type": kind, "channel": "C1", "ts": "1.2", "user": "U1", "text": "<@U0> fix it"});
        let own = json!([{"user_id": "U0", "is_bot": true}]);
        json!({"type": "event_callback", "team_id": "T1", "event_id": id, "event": event, "authorizations": own})
            .to_string()
    };

    let id = post_slack(&gateway, "application/json", &told("message", "Ev1")).await.expect_accepted();
    let again = post_slack(&gateway, "application/json", &told("app_mention", "Ev2")).await.expect_status(200).json();

    assert_eq!((&again["events"][0]["status"], &again["events"][0]["id"]), (&json!("duplicate"), &json!(id)));
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&event["kind"], &event["subject"]), (&json!("slack.app_mention"), &json!("T1:C1:1.2")));
    assert_eq!(event["attributes"]["commandargs"], "fix it");
}

#[tokio::test]
async fn slacks_handshake_must_be_signed_and_people_see_an_empty_response() {
    let gateway = gateway(built_in::SLACK, SECRET).await;
    let challenge = r#"{"type":"url_verification","challenge":"abc"}"#;

    let answer = post_slack(&gateway, "application/json", challenge).await.expect_status(200);
    assert_eq!(&answer.body[..], b"abc");
    let json = [("content-type", "application/json")];
    gateway.client.post("/webhooks/slack", &json, challenge).await.expect_problem(401, "verification_failed");
    let answer = post_slack(&gateway, FORM, "command=%2Ffix&text=it&trigger_id=1.2").await.expect_status(200);
    assert_eq!(&answer.body[..], b"");

    assert_eq!(kinds(&gateway).await, ["slack.command./fix"]);
}

#[tokio::test]
async fn jira_is_verified_by_signature_by_token_or_by_the_jwt_of_a_connect_app() {
    let gateway = gateway(built_in::JIRA, SECRET).await;
    let body = |id: u64| json!({"webhookEvent": "jira:issue_deleted", "timestamp": id}).to_string();
    let json = ("content-type", "application/json");

    let signature = format!("sha256={}", hex::encode(hmac(&[body(1).as_bytes()])));
    gateway.client.post("/webhooks/jira", &[json, ("x-hub-signature", &signature)], body(1)).await.expect_accepted();
    let sha1 = signature.replace("sha256=", "sha1=");
    gateway
        .client
        .post("/webhooks/jira", &[json, ("x-hub-signature", &sha1)], body(2))
        .await
        .expect_problem(401, "verification_failed");

    let token: String = SECRET.replace(' ', "%20");
    gateway.client.post(&format!("/webhooks/jira?token={token}"), &[json], body(3)).await.expect_accepted();
    gateway
        .client
        .post("/webhooks/jira?token=another", &[json], body(4))
        .await
        .expect_problem(401, "verification_failed");

    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let hash = hex::encode(Sha256::digest(b"POST&/webhooks/jira&"));
    let claims = json!({"iss": "jira:client", "iat": now(), "exp": now() + 60, "qsh": hash});
    let signed = format!("{}.{}", part(json!({"typ": "JWT", "alg": "HS256"})), part(claims));
    let jwt = format!("JWT {signed}.{}", URL_SAFE_NO_PAD.encode(hmac(&[signed.as_bytes()])));
    gateway.client.post("/webhooks/jira", &[json, ("authorization", &jwt)], body(5)).await.expect_accepted();
    gateway
        .client
        .post("/webhooks/jira?more=1", &[json, ("authorization", &jwt)], body(6))
        .await
        .expect_problem(401, "verification_failed");

    assert_eq!(kinds(&gateway).await.len(), 3);
}

async fn post_jira(gateway: &TestGateway, identifier: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let signature = format!("sha256={}", hex::encode(hmac(&[body.as_bytes()])));
    let headers = [
        ("content-type", "application/json"),
        ("x-hub-signature", &*signature),
        ("x-atlassian-webhook-identifier", identifier),
    ];
    gateway.client.post("/webhooks/jira", &headers, body).await
}

#[tokio::test]
async fn a_comment_that_jira_sends_twice_is_one_event() {
    let comment = json!({"id": "2", "created": "t", "updated": "t", "body": "/fix it"});
    let issue = json!({"id": "1", "key": "KTL-1", "self": "https://kettle.atlassian.net/rest/api/2/issue/1"});
    let created = json!({"webhookEvent": "comment_created", "issue": issue, "comment": comment});
    let updated = json!({"webhookEvent": "jira:issue_updated", "issue_event_type_name": "issue_commented",
        "issue": issue, "comment": comment});

    assert_eq!(told_of_comment(&created, &updated).await, "kettle.atlassian.net/KTL-1");
    assert_eq!(told_of_comment(&updated, &created).await, "kettle.atlassian.net/KTL-1");
}

/// The first one has no issue; its number is in the URL of the comment.
#[tokio::test]
async fn a_comment_that_a_jira_server_sends_twice_is_one_event_about_its_issue() {
    let comment = json!({"self": "http://jira.example.org/rest/api/2/issue/10041/comment/5001", "id": "5001",
        "author": {"name": "ada"}, "created": "t", "updated": "t", "body": "/fix it"});
    let issue = json!({"id": "10041", "key": "OPS-7", "self": "http://jira.example.org/rest/api/2/issue/10041"});
    let created = json!({"webhookEvent": "comment_created", "comment": comment});
    let updated = json!({"webhookEvent": "jira:issue_updated", "issue_event_type_name": "issue_commented",
        "user": {"name": "ada"}, "issue": issue, "comment": comment});

    assert_eq!(told_of_comment(&created, &updated).await, "jira.example.org/10041");
    assert_eq!(told_of_comment(&updated, &created).await, "jira.example.org/10041");
}

/// The subject of the one event that a gateway keeps of two deliveries.
async fn told_of_comment(first: &Value, second: &Value) -> String {
    let gateway = gateway(built_in::JIRA, SECRET).await;

    let id = post_jira(&gateway, "w1", first).await.expect_accepted();
    let again = post_jira(&gateway, "w2", second).await.expect_status(200).json();

    assert_eq!((&again["events"][0]["status"], &again["events"][0]["id"]), (&json!("duplicate"), &json!(id)));
    assert_eq!(kinds(&gateway).await, ["jira.comment_created"]);
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&event["attributes"]["command"], &event["attributes"]["commandargs"]), (&json!("fix"), &json!("it")));
    event["subject"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn gitlab_and_telegram_are_verified_by_their_token() {
    for (plugin, header, body) in [
        (built_in::GITLAB, "x-gitlab-token", r#"{"object_kind":"push"}"#),
        (built_in::TELEGRAM, "x-telegram-bot-api-secret-token", r#"{"update_id":1,"message":{"chat":{"id":2}}}"#),
    ] {
        let path = format!("/webhooks/{}", plugin.name());
        let gateway = gateway(plugin, "a-token-of-the-tests").await;
        let post = async |token: &str| {
            let headers = [("content-type", "application/json"), (header, token)];
            gateway.client.post(&path, &headers, body).await
        };

        post("a-token-of-the-tests").await.expect_accepted();
        post("a-token-of-the-test").await.expect_problem(401, "verification_failed");

        assert_eq!(kinds(&gateway).await.len(), 1);
    }
}

#[tokio::test]
async fn a_signature_of_linear_is_valid_for_a_minute() {
    let gateway = gateway(built_in::LINEAR, SECRET).await;
    let post = async |seconds: u64| {
        let body = json!({"type": "Issue", "action": "create", "webhookTimestamp": seconds * 1000}).to_string();
        let signature = hex::encode(hmac(&[body.as_bytes()]));
        let headers = [("content-type", "application/json; charset=utf-8"), ("linear-signature", &*signature)];
        gateway.client.post("/webhooks/linear", &headers, body).await
    };

    let answer = post(now()).await.expect_status(200);
    assert_eq!(&answer.body[..], b"");
    post(now() - 120).await.expect_problem(401, "verification_failed");
    post(now() + 120).await.expect_problem(401, "verification_failed");

    assert_eq!(kinds(&gateway).await, ["linear.Issue.create"]);
}

/// Linear signs a retry again, with a new time.
#[tokio::test]
async fn a_retry_of_linear_is_one_event() {
    let gateway = gateway(built_in::LINEAR, SECRET).await;
    let time = now() * 1000;
    let post = async |time: u64| {
        let body = json!({"type": "Issue", "action": "create", "webhookTimestamp": time}).to_string();
        let signature = hex::encode(hmac(&[body.as_bytes()]));
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("linear-signature", &*signature),
            ("linear-delivery", "234d1a4e-b617-4388-90fe-adc3633d6b72"),
        ];
        gateway.client.post("/webhooks/linear", &headers, body).await.expect_status(200)
    };

    post(time - 1000).await;
    post(time).await;

    assert_eq!(kinds(&gateway).await, ["linear.Issue.create"]);
}

#[tokio::test]
async fn discords_validation_of_the_url_passes() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let gateway = gateway(built_in::DISCORD, &hex::encode(key.verifying_key().as_bytes())).await;
    let post = async |body: &str, flip: u8| {
        let time = now().to_string();
        let mut signature = key.sign([time.as_bytes(), body.as_bytes()].concat().as_slice()).to_bytes();
        signature[0] ^= flip;
        let signature = hex::encode(signature);
        let headers = [
            ("content-type", "application/json"),
            ("x-signature-timestamp", &*time),
            ("x-signature-ed25519", &*signature),
        ];
        gateway.client.post("/webhooks/discord", &headers, body).await
    };

    post(r#"{"type":1}"#, 1).await.expect_problem(401, "verification_failed");
    assert_eq!(post(r#"{"type":1}"#, 0).await.expect_status(200).json(), json!({"type": 1}));
    post(r#"{"type":0,"application_id":"7"}"#, 0).await.expect_status(204);
    let command = r#"{"type":2,"id":"1","channel_id":"3","data":{"name":"fix"}}"#;
    assert_eq!(post(command, 0).await.expect_status(200).json(), json!({"type": 5}));

    assert_eq!(kinds(&gateway).await, ["discord.interaction.command"]);
}
