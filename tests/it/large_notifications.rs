//! Notifications with many alerts or of many bytes: their senders do not repeat a refused one.

use crate::support::{Reply, Setup, TestGateway, built_in};

/// A gateway with the channel `alertmanager` and these keys in its tables.
async fn gateway(limits: &str, channel: &str) -> TestGateway {
    Setup::new()
        .plugin(built_in::ALERTMANAGER)
        .config(&format!(
            "\n[plugins.limits]\n{limits}\n[channels.alertmanager]\nsecret = {{ env = \"TOKEN\" }}\n{channel}\n"
        ))
        .env("TOKEN", "kettle-token")
        .start()
        .await
}

/// Posts a notification of so many alerts, each with an annotation of so many bytes.
async fn post(gateway: &TestGateway, alerts: usize, annotation: usize) -> Reply {
    let text = "x".repeat(annotation);
    let alert = |number: usize| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"KettleHot","number":"{number}"}},"annotations":{{"summary":"{text}"}},"startsAt":"2026-03-01T10:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"{number:016x}"}}"#
        )
    };
    let alerts: Vec<_> = (0..alerts).map(alert).collect();
    let body = format!(
        r#"{{"receiver":"gateway","status":"firing","alerts":[{}],"groupLabels":{{"alertname":"KettleHot"}},"commonLabels":{{"alertname":"KettleHot"}},"commonAnnotations":{{}},"externalURL":"http://alerts","version":"4","groupKey":"{{}}:{{alertname=\"KettleHot\"}}","truncatedAlerts":0}}"#,
        alerts.join(",")
    );
    let headers = [("content-type", "application/json"), ("authorization", "Bearer kettle-token")];
    gateway.client.post("/webhooks/alertmanager", &headers, body).await
}

#[tokio::test]
async fn a_notification_with_1001_alerts_is_one_receipt() {
    let gateway = gateway("", "").await;

    let events = post(&gateway, 1001, 100).await.expect_status(202).json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1001);
    let all = post(&gateway, 10_000, 10).await.expect_status(202).json();
    let new = all["events"].as_array().unwrap().iter().filter(|event| event["status"] == "accepted").count();
    assert_eq!(new, 8999);
    assert_eq!(gateway.json("/admin/stats").await["head"], 10_000);
}

#[tokio::test]
async fn a_notification_of_5_megabytes_is_taken() {
    let gateway = gateway("", "").await;
    for (alerts, annotation) in [(1, 5_000_000), (5000, 800), (10_000, 300)] {
        let events = post(&gateway, alerts, annotation).await.expect_status(202).json();
        assert_eq!(events["events"].as_array().unwrap().len(), alerts);
    }
}

/// A receipt above the limit is counted, and refused or kept whole.
#[tokio::test]
async fn the_number_of_events_of_one_request_has_a_limit() {
    let refusing = gateway("max_events = 3", "on_unknown = \"refuse\"").await;
    post(&refusing, 3, 1).await.expect_status(202);
    let detail = post(&refusing, 4, 1).await.expect_problem(413, "too_large");
    assert_eq!(detail, "the request is too large: it has 4 events, expected at most 3");
    let metrics = refusing.metrics().await;
    assert!(
        metrics.contains(r#"gateway_plugin_limit_hits_total{plugin="alertmanager",limit="max_events"} 1"#),
        "{metrics}"
    );

    let keeping = gateway("max_events = 3", "").await;
    let events = post(&keeping, 4, 1).await.expect_status(202).json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    assert_eq!(events["events"][0]["kind"], "alertmanager.unknown");
}
