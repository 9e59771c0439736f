//! A real Alertmanager as the sender, alone and as a pair: each alert and each resolution is one event, however often it is
//! repeated, and one that comes back is another.
//!
//! `.ci/run` unpacks the Debian package into `target/tools`. If it is missing, the test is skipped with a message.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Alertmanager, Delivered, Notifying, RemoteAgent, Setup, TO_STUB, TestGateway, built_in};

const CHANNEL: &str = r#"
[channels.alertmanager]
secret = { env = "ALERTMANAGER_WEBHOOK_SECRET" }
optional = true
"#;

/// Waits until `times` notifications got this status.
async fn answered(gateway: &TestGateway, status: u16, times: u64) {
    let row = format!("webhook_requests_total{{provider=\"alertmanager\",status=\"{status}\"}} ");
    gateway
        .until(&format!("{times} times {status}"), async || {
            let metrics = gateway.metrics().await;
            let count = metrics.lines().find_map(|line| line.strip_prefix(&row)?.parse::<u64>().ok());
            (count.unwrap_or_default() >= times).then_some(())
        })
        .await;
}

/// Waits for `count` events; returns kind and subject of each, oldest first.
async fn events(gateway: &TestGateway, count: usize) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut rows = gateway
        .until("the events", async || Some(gateway.list("events").await).filter(|rows| rows.len() >= count))
        .await;
    rows.reverse();
    rows.iter().map(|row| (text(row, "kind"), text(row, "subject"))).collect()
}

#[tokio::test]
async fn each_alert_of_a_real_alertmanager_is_one_event_and_its_end_another() {
    let Some(program) = Alertmanager::program() else { return };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new().plugin(built_in::ALERTMANAGER).plugin(built_in::STUB).config(TO_STUB).config(CHANNEL);
    let Ok(waiting) = setup.try_start_on(&socket).await else { panic!("the gateway ended") };
    let how = Notifying { repeat_interval: "1s", ..Notifying::default() };
    let alertmanager = Alertmanager::start(&program, socket.local_addr().unwrap(), how);
    let kettle = |name: &str| {
        let labels =
            json!({"alertname": "KettleHot", "instance": name, "severity": "critical", "text": "104 °C \"hot\""});
        json!({"labels": labels, "annotations": {"summary": "A kettle is hot"}, "startsAt": "2026-03-01T10:00:00Z"})
    };

    // While the channel waits for its secret, it asks Alertmanager to retry, and Alertmanager does.
    alertmanager.post(json!([kettle("one"), kettle("two")])).await;
    answered(&waiting, 503, 2).await;
    assert_eq!(waiting.list("events").await, [] as [Value; 0]);
    let (code, setup) = waiting.stop().await;
    assert_eq!(code, Some(0));
    let setup = setup.env("ALERTMANAGER_WEBHOOK_SECRET", Alertmanager::TOKEN);
    let Ok(gateway) = setup.try_start_on(&socket).await else { panic!("the gateway ended") };

    let firing = events(&gateway, 2).await;
    let fingerprints: BTreeSet<_> = firing.iter().map(|(_, subject)| subject.clone()).collect();
    assert_eq!(fingerprints, alertmanager.fingerprints().await);
    assert!(firing.iter().all(|(kind, _)| kind == "alertmanager.alert.firing"), "{firing:?}");

    // Repetitions are duplicates.
    answered(&gateway, 200, 2).await;
    assert_eq!(events(&gateway, 2).await, firing);

    // One alert is resolved; the notification has both.
    let mut ended = kettle("two");
    ended["endsAt"] = json!(jiff::Timestamp::now().to_string());
    alertmanager.post(json!([ended])).await;
    let all = events(&gateway, 3).await;
    assert_eq!((&all[..2], all[2].0.as_str()), (&firing[..], "alertmanager.alert.resolved"));
    let id = gateway.list("events").await[0]["id"].as_str().unwrap().to_owned();
    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["data"]["labels"], ended["labels"]);
    assert_eq!(event["data"]["group"]["status"], "firing");
    assert_eq!(event["attributes"]["fingerprint"], json!(all[2].1));

    // The resolved alert is not repeated any more, and repetitions of the other one are still duplicates.
    answered(&gateway, 200, 4).await;
    assert_eq!(events(&gateway, 3).await, all);
}

/// Plays Prometheus, which renews an alert while it fires: without a renewal it ends after four seconds.
async fn renew(alertmanagers: &[Alertmanager]) {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let labels = json!({"alertname": "KettleHot", "severity": "critical"});
    let alert = json!([{"labels": labels, "startsAt": "2026-03-01T10:00:00Z", "endsAt": ends.to_string()}]);
    for alertmanager in alertmanagers {
        alertmanager.post(alert.clone()).await;
    }
}

/// Which statuses the agent was told, in order.
fn told(agent: &RemoteAgent) -> Vec<Value> {
    let status = |delivered: &Delivered| delivered.json()["event"]["data"]["status"].clone();
    agent.received().iter().map(status).collect()
}

/// Waits until the agent was told of `changes` changes at least, the last one to `state`, and nothing is held.
async fn told_last(gateway: &TestGateway, agent: &RemoteAgent, changes: usize, state: &str, renewed: &[Alertmanager]) {
    gateway
        .until(&format!("change {changes}, to {state}"), async || {
            renew(renewed).await;
            let is_quiet = gateway.json("/admin/stats").await["events"]["held"] == 0;
            let told = told(agent);
            (is_quiet && told.len() >= changes && told.last() == Some(&json!(state))).then_some(())
        })
        .await;
}

/// The state of an alert at the agent is that at Prometheus, whichever link is cut.
#[tokio::test]
async fn a_pair_that_is_cut_off_from_prometheus_ends_with_the_right_state() {
    let Some(program) = Alertmanager::program() else { return };
    let agent = RemoteAgent::start().await;
    let route = "\n[[routes]]\nchannels = [\"alertmanager\"]\nagents = [\"remote\"]\n";
    let gateway = Setup::new()
        .plugin(built_in::ALERTMANAGER)
        .remote(&agent, "")
        .config(CHANNEL)
        .config("late_window = \"2s\"\n")
        .config(route)
        .env("ALERTMANAGER_WEBHOOK_SECRET", Alertmanager::TOKEN)
        .start()
        .await;
    let pair = Alertmanager::start_pair(&program, gateway.client.address(), Notifying::default());

    told_last(&gateway, &agent, 1, "firing", &pair).await;
    // Both are cut off for longer than the alert lives. It returns with the start of before.
    told_last(&gateway, &agent, 2, "resolved", &[]).await;
    told_last(&gateway, &agent, 3, "firing", &pair).await;

    // One is cut off: it lets the alert end, while the other knows that it fires.
    gateway
        .until("the end of the alert at the second", async || {
            renew(&pair[..1]).await;
            pair[1].fingerprints().await.is_empty().then_some(())
        })
        .await;
    // It says so, and the other one contradicts.
    told_last(&gateway, &agent, 5, "firing", &pair[..1]).await;

    // It is over.
    told_last(&gateway, &agent, 6, "resolved", &[]).await;
    let told = told(&agent);
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "no change is told twice: {told:?}");
}
