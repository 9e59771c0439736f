//! Requests about an address: senders look whether it answers before they send events.

use crate::support::{Setup, TestGateway, built_in};

/// The channels `github` and `slack`.
async fn gateway() -> TestGateway {
    Setup::new()
        .github()
        .plugin(built_in::SLACK)
        .config("\n[channels.slack]\nsecret = { env = \"SLACK_SIGNING_SECRET\" }\n")
        .config("\n[channels.waiting]\nplugin = \"github\"\n")
        .env("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99yyyzzz85a5")
        .start()
        .await
}

#[tokio::test]
async fn head_is_200_where_events_are_posted() {
    let gateway = gateway().await;

    let reply = gateway.client.send("HEAD", "/webhooks/github", &[], Vec::new()).await.expect_status(200);
    assert!(reply.body.is_empty());
    gateway.client.send("HEAD", "/webhooks/github/below", &[], Vec::new()).await.expect_status(200);
    gateway.client.send("HEAD", "/webhooks/waiting", &[], Vec::new()).await.expect_status(503);
    gateway.client.send("HEAD", "/webhooks/nowhere", &[], Vec::new()).await.expect_status(404);
    let get = gateway.client.get("/webhooks/github").await;
    assert_eq!(get.headers["allow"], "POST, HEAD");
    get.expect_problem(405, "method_not_allowed");
    assert_eq!(gateway.list("events").await.len(), 0);
}

/// The validation of the CloudEvents specification for webhooks, as Azure Event Grid does it.
#[tokio::test]
async fn options_grants_the_origin_that_asks() {
    let gateway = gateway().await;
    let asked = [("webhook-request-origin", "eventgrid.azure.net"), ("webhook-request-rate", "120")];

    let reply = gateway.client.send("OPTIONS", "/webhooks/github", &asked, Vec::new()).await.expect_status(200);
    assert_eq!(reply.headers["webhook-allowed-origin"], "eventgrid.azure.net");
    assert_eq!(reply.headers["webhook-allowed-rate"], "*");
    assert_eq!(reply.headers["allow"], "POST, HEAD");
    let unasked = gateway.client.send("OPTIONS", "/webhooks/github", &[], Vec::new()).await;
    unasked.expect_problem(405, "method_not_allowed");
    gateway.client.send("OPTIONS", "/webhooks/nowhere", &asked, Vec::new()).await.expect_status(404);
    gateway.client.send("OPTIONS", "/webhooks/waiting", &asked, Vec::new()).await.expect_status(503);
}

/// Event Grid wants its code back; a confirmation for SNS is for a person, and no agent's business unless a route says so.
#[tokio::test]
async fn cloud_services_may_subscribe() {
    const TOKEN: &str = "Bearer kettle-token";
    let gateway = Setup::new()
        .plugin(built_in::GENERIC)
        .config("\n[channels.generic]\nsecret = { env = \"GENERIC_SECRET\" }\n")
        .env("GENERIC_SECRET", "kettle-token")
        .start()
        .await;
    let send = async |token: &str, header: (&str, &str), content_type: &str, body: &str| {
        let headers = [("authorization", token), header, ("content-type", content_type)];
        gateway.client.post("/webhooks/generic", &headers, body).await
    };
    let validation =
        r#"[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"c-1"}}]"#;
    let asks = ("aeg-event-type", "SubscriptionValidation");
    let answer = send(TOKEN, asks, "application/json; charset=utf-8", validation).await.expect_status(200);
    assert_eq!(answer.json(), serde_json::json!({"validationResponse": "c-1"}));
    send("Bearer other", asks, "application/json", validation).await.expect_problem(401, "verification_failed");
    assert_eq!(gateway.list("events").await.len(), 0);

    let confirmation = r#"{"Type":"SubscriptionConfirmation","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-1:7:alarms","SubscribeURL":"http://127.0.0.1:9/"}"#;
    let asks = ("x-amz-sns-message-type", "SubscriptionConfirmation");
    let id = send(TOKEN, asks, "text/plain; charset=UTF-8", confirmation).await.expect_accepted();
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(
        (&event["kind"], &event["subject"]),
        (&"generic.SubscriptionConfirmation".into(), &"arn:aws:sns:eu-1:7:alarms".into())
    );
    assert_eq!(event["data"]["SubscribeURL"], "http://127.0.0.1:9/");
    gateway.logged(&["plugin=generic", "`SubscribeURL`"]).await;
}

/// Slack does not sign its checks of the certificate. Nothing else passes unsigned.
#[tokio::test]
async fn slacks_unsigned_check_of_the_certificate_is_200() {
    let gateway = gateway().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];

    let check = gateway.client.post("/webhooks/slack", &form, "token=t&ssl_check=1").await.expect_status(200);
    assert!(check.body.is_empty());
    gateway.client.get("/webhooks/slack?ssl_check=1&token=t").await.expect_status(200);
    for body in ["token=t&ssl_check=0", "token=t&command=%2Ffix", "token=t&command=%2Ffix&text=ssl_check%3D1"] {
        gateway.client.post("/webhooks/slack", &form, body).await.expect_problem(401, "verification_failed");
    }
    gateway.client.get("/webhooks/slack").await.expect_problem(405, "method_not_allowed");
    let github = gateway.client.post("/webhooks/github", &form, "ssl_check=1").await;
    github.expect_problem(401, "verification_failed");

    assert_eq!(gateway.list("events").await.len(), 0);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"webhook_signature_validation_failures_total{provider="slack"} 3"#), "{metrics}");
}
