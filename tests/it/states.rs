//! A key that names a state: a state that comes back is news, a late copy of an old one is not.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use serde_json::{Value, json};

use crate::support::{Guest, RemoteAgent, Reply, Setup, TO_STUB, TestGateway, built_in};

/// A channel that takes requests without a signature; `keys` has more keys of it.
fn open(channel: &str, keys: &str) -> String {
    format!("\n[channels.{channel}]\nverification = \"none\"\nallow_from = [\"127.0.0.0/8\"]\n{keys}\n")
}

async fn start(plugin: Guest, keys: &str) -> TestGateway {
    let channel = open(&plugin.name(), keys);
    Setup::new().plugin(plugin).plugin(built_in::STUB).config(TO_STUB).config(&channel).start().await
}

/// What became of each event of the response.
fn statuses(reply: Reply) -> Vec<String> {
    let events = reply.json()["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["status"].as_str().unwrap().to_owned()).collect()
}

async fn post(gateway: &TestGateway, channel: &str, headers: &[(&str, &str)], body: &Value) -> String {
    let headers = [&[("content-type", "application/json")], headers].concat();
    let reply = gateway.client.post(&format!("/webhooks/{channel}"), &headers, body.to_string()).await;
    statuses(reply).join(" ")
}

/// The notification of one alert by a member of a cluster of Alertmanagers, or by Grafana (`version` 1).
fn notification(version: &str, peer: &str, status: &str, starts_at: &str) -> Value {
    json!({
        "version": version, "groupKey": "{}:{}", "status": status, "externalURL": peer, "orgId": 1,
        "alerts": [{
            "status": status, "labels": {"alertname": "KettleHot"}, "annotations": {}, "startsAt": starts_at,
            "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "5c7c1ad3417a794d",
        }],
    })
}

const A: &str = "http://a.example";
const B: &str = "http://b.example";
const TEN: &str = "2026-03-01T10:00:00Z";

#[tokio::test]
async fn an_alert_that_comes_back_is_news_with_the_same_start() {
    for (plugin, version) in [(built_in::ALERTMANAGER, "4"), (built_in::GRAFANA, "1")] {
        let channel = plugin.name();
        let gateway = start(plugin, "").await;
        for status in ["firing", "resolved", "firing", "resolved"] {
            let body = notification(version, A, status, TEN);
            assert_eq!(post(&gateway, &channel, &[], &body).await, "accepted", "{channel} {status}");
            assert_eq!(post(&gateway, &channel, &[], &body).await, "duplicate", "{channel} {status}");
        }
        // Two replicas of Prometheus see it a tick apart.
        let firing = |second: u32| notification(version, A, "firing", &format!("2026-03-01T11:00:{second:02}Z"));
        assert_eq!(post(&gateway, &channel, &[], &firing(5)).await, "accepted");
        assert_eq!(post(&gateway, &channel, &[], &firing(3)).await, "duplicate");
        assert_eq!(gateway.list("events").await.len(), 5);
    }
}

#[tokio::test]
async fn a_channel_of_alerts_keeps_what_repeats() {
    let keeping = "[alerts]\nchannels = [\"alertmanager\"]\n";
    let setup = Setup::new().plugin(built_in::ALERTMANAGER).plugin(built_in::STUB).config(TO_STUB);
    let gateway = setup.config(&open("alertmanager", "")).config(keeping).start().await;
    let mut body = notification("4", A, "firing", TEN);
    assert_eq!(post(&gateway, "alertmanager", &[], &body).await, "accepted");
    body["alerts"][0]["annotations"] = json!({"summary": "still hot"});

    let headers = [("content-type", "application/json")];
    let reply = gateway.client.post("/webhooks/alertmanager", &headers, body.to_string()).await.expect_status(200);

    let rows = gateway.list("events?channel=alertmanager").await;
    let (repeat, first) = (&rows[0], &rows[1]);
    assert_eq!(reply.json()["events"][0]["id"], first["id"], "the answer names the first one");
    assert_eq!(reply.json()["events"][0]["status"], "duplicate");
    assert_eq!((rows.len(), &repeat["status"]), (2, &json!("repeat")));
    let (id, first) = (repeat["id"].as_str().unwrap(), first["id"].as_str().unwrap());
    gateway.event_until(first, "delivered").await;
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&event["repeat_of"], &event["deliveries"]), (&json!(first), &json!([])));
    assert_eq!(event["data"]["annotations"]["summary"], "still hot", "{event}");
    let listed = gateway.json("/admin/events?status=repeat").await;
    assert_eq!((listed["events"].as_array().unwrap().len(), &listed["events"][0]["id"]), (1, &json!(id)));
    let (_, text, _) = gateway.cli(&["events", "show", id]);
    assert!(text.contains(&format!("repeat of {first}")), "{text}");
    let (_, text, _) = gateway.cli(&["events", "--status", "repeat"]);
    assert!(text.contains("repeat") && !text.contains("delivered"), "{text}");
    let channels = gateway.list("channels").await;
    assert_eq!((&channels[0]["accepted"], &channels[0]["duplicates"]), (&json!(1), &json!(1)), "{channels:?}");
    let kinds = gateway.list("types").await;
    let firing = kinds.iter().find(|kind| kind["kind"] == rows[1]["kind"]).unwrap();
    assert_eq!(firing["events"], 1, "{kinds:?}");
    gateway.client.post(&format!("/admin/events/{id}/replay"), &[], "").await.expect_problem(409, "repeat");

    // It stays one in another log.
    let (code, _, notes) = gateway.cli(&["events", "export", "--data", "all.ndjson"]);
    assert_eq!(code, 0, "{notes}");
    let lines = std::fs::read_to_string(gateway.path().join("all.ndjson")).unwrap();
    let other = Setup::new().plugin(built_in::ALERTMANAGER).plugin(built_in::STUB).config(TO_STUB);
    let other = other.config(&open("alertmanager", "")).start().await;
    // What alerts told of it comes with it, if they did already.
    let exported = lines.lines().count();
    let report = other.client.post("/admin/log/import?route=true", &[], lines).await.expect_status(200).json();
    assert_eq!(report["imported"], exported, "{report}");
    let rows = other.list("events?channel=alertmanager").await;
    assert_eq!(rows[0]["status"], "repeat", "{rows:?}");
    let imported = other.json(&format!("/admin/events/{}", rows[0]["id"].as_str().unwrap())).await;
    assert_eq!(imported["repeat_of"], json!(first));
}

#[tokio::test]
async fn of_equal_notifications_at_once_one_is_accepted() {
    let gateway = start(built_in::ALERTMANAGER, "").await;
    for status in ["firing", "resolved", "firing"] {
        let body = notification("4", A, status, TEN);
        let answers = (0..30).map(|_| post(&gateway, "alertmanager", &[], &body));
        let answers = futures_util::future::join_all(answers).await;
        assert_eq!(answers.iter().filter(|answer| *answer == "accepted").count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| *answer == "duplicate").count(), 29, "{answers:?}");
    }
}

#[tokio::test]
async fn a_state_of_sentry_that_comes_back_is_news() {
    let gateway = start(built_in::SENTRY, "").await;
    let mut number = 0;
    let mut told = async |resource: &str, action: &str, data: Value| {
        number += 1;
        let id = format!("request-{number}");
        let headers = [("sentry-hook-resource", resource), ("request-id", &*id)];
        let body = json!({"action": action, "installation": {"uuid": "u"}, "data": data});
        let first = post(&gateway, "sentry", &headers, &body).await;
        let retry = post(&gateway, "sentry", &[("sentry-hook-resource", resource), ("request-id", "r")], &body).await;
        assert_eq!(retry, "duplicate", "Sentry's retry has another id: {body}");
        first
    };
    let metric = || json!({"metric_alert": {"id": "42", "date_started": TEN}});
    for action in ["critical", "warning", "critical", "resolved", "critical"] {
        assert_eq!(told("metric_alert", action, metric()).await, "accepted", "{action}");
    }
    assert_eq!(told("metric_alert", "critical", metric()).await, "duplicate");
    let issue = |status: &str| json!({"issue": {"id": "7", "status": status, "lastSeen": TEN}});
    for status in ["resolved", "unresolved", "resolved", "ignored", "resolved"] {
        assert_eq!(told("issue", status, issue(status)).await, "accepted", "{status}");
    }
    assert_eq!(told("issue", "resolved", issue("resolved")).await, "duplicate");
    let assigned = |to: &str| json!({"issue": {"id": "7", "assignedTo": {"type": "user", "id": to}, "lastSeen": TEN}});
    for to in ["A", "B", "A"] {
        assert_eq!(told("issue", "assigned", assigned(to)).await, "accepted", "{to}");
    }
    let comment = |text: &str| json!({"comment_id": 1, "issue_id": 7, "timestamp": TEN, "comment": text});
    for text in ["one", "two", "one"] {
        assert_eq!(told("comment", "updated", comment(text)).await, "accepted", "{text}");
    }
}

/// It has another delivery id for each subscription.
#[tokio::test]
async fn an_event_of_pagerduty_for_two_subscriptions_is_one() {
    let gateway = start(built_in::PAGERDUTY, "").await;
    let told = async |webhook: &str, event: &str, status: &str| {
        let data = json!({"id": "P1", "type": "incident", "status": status});
        let body = json!({"event": {"id": event, "event_type": format!("incident.{status}"), "data": data}});
        post(&gateway, "pagerduty", &[("x-webhook-id", webhook)], &body).await
    };
    assert_eq!(told("w-1", "e-1", "acknowledged").await, "accepted");
    assert_eq!(told("w-2", "e-1", "acknowledged").await, "duplicate");
    for (event, status) in [("e-2", "unacknowledged"), ("e-3", "acknowledged")] {
        assert_eq!(told("w-1", event, status).await, "accepted", "{event}");
    }
}

/// Without an identifier of the delivery, equal bytes are a retry only until something else is said of the issue.
#[tokio::test]
async fn a_status_of_jira_that_comes_back_is_news() {
    let gateway = start(built_in::JIRA, "").await;
    let told = async |status: &str, headers: &[(&str, &str)]| {
        let issue = json!({
            "id": "1", "key": "KTL-7", "self": "https://kettle.example/rest/api/2/issue/1",
            "fields": {"status": {"name": status}},
        });
        post(&gateway, "jira", headers, &json!({"webhookEvent": "jira:issue_updated", "issue": issue})).await
    };
    for status in ["To Do", "Done", "To Do"] {
        assert_eq!(told(status, &[]).await, "accepted", "{status}");
        assert_eq!(told(status, &[]).await, "duplicate", "{status}");
    }
    let delivery = |id: &'static str| [("x-atlassian-webhook-identifier", id)];
    assert_eq!(told("Done", &delivery("1")).await, "accepted");
    assert_eq!(told("To Do", &delivery("2")).await, "accepted");
    assert_eq!(told("Done", &delivery("1")).await, "duplicate");
    assert_eq!(told("Done", &delivery("3")).await, "accepted");
}

/// Which statuses the agent was told, in order.
fn told(agent: &RemoteAgent) -> Vec<String> {
    let status = |json: Value| json["event"]["data"]["status"].as_str().unwrap().to_owned();
    agent.received().iter().map(|delivered| status(delivered.json())).collect()
}

/// Until the agent has been told these, and the log knows: what it does not know is told again
/// after a kill.
async fn told_until(gateway: &TestGateway, agent: &RemoteAgent, expected: &[&str]) {
    let told =
        async || (told(agent) == expected && gateway.list("events?status=pending").await.is_empty()).then_some(());
    gateway.until(&format!("{expected:?}"), told).await;
}

fn with_agent(agent: &RemoteAgent, window: &str) -> Setup {
    let route = "\n[[routes]]\nchannels = [\"alertmanager\"]\nagents = [\"remote\"]\n";
    let keys = format!("late_window = \"{window}\"");
    let setup = Setup::new().plugin(built_in::ALERTMANAGER).remote(agent, "");
    setup.config(&open("alertmanager", &keys)).config(route)
}

/// The id of the newest event.
async fn newest(gateway: &TestGateway) -> String {
    gateway.list("events").await[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_late_copy_of_a_peer_is_held_and_dropped_also_after_a_kill() {
    let agent = RemoteAgent::start().await;
    let gateway = with_agent(&agent, "10m").start().await;
    let say = async |gateway: &TestGateway, peer: &str, status: &str| {
        post(gateway, "alertmanager", &[], &notification("4", peer, status, TEN)).await
    };
    assert_eq!(say(&gateway, A, "firing").await, "accepted");
    assert_eq!(say(&gateway, A, "resolved").await, "accepted");

    assert_eq!(say(&gateway, B, "firing").await, "held");
    assert_eq!(say(&gateway, B, "firing").await, "duplicate");
    let held = newest(&gateway).await;
    let event = gateway.json(&format!("/admin/events/{held}")).await;
    assert_eq!((&event["status"], &event["deliveries"]), (&json!("held"), &json!([])));
    assert!(event["held_until"].as_str().unwrap() > event["received_at"].as_str().unwrap());
    assert_eq!(gateway.list("events?status=held").await.len(), 1);
    assert_eq!(gateway.json("/admin/stats").await["events"]["held"], 1);
    let (code, rows, _) = gateway.cli(&["events", "list", "--status", "held", "--format", "json"]);
    assert_eq!((code, rows.contains(&held)), (0, true), "{rows}");
    let (code, shown, _) = gateway.cli(&["events", "show", &held]);
    assert_eq!((code, shown.contains("held")), (0, true), "{shown}");
    told_until(&gateway, &agent, &["firing", "resolved"]).await;

    let gateway = gateway.kill().start().await;
    assert_eq!(gateway.json(&format!("/admin/events/{held}")).await["status"], "held");
    assert_eq!(say(&gateway, B, "resolved").await, "duplicate");

    let event = gateway.json(&format!("/admin/events/{held}")).await;
    assert_eq!((&event["status"], event.get("held_until")), (&json!("dropped"), None));
    assert_eq!(gateway.json("/admin/stats").await["events"]["dropped"], 1);
    let metrics = gateway.metrics().await;
    let dropped = "gateway_events_late_total{provider=\"alertmanager\",outcome=\"dropped\"} 1\n";
    assert!(metrics.contains(dropped) && metrics.contains("gateway_events_held 0\n"), "{metrics}");
    assert_eq!(say(&gateway, A, "firing").await, "accepted");
    told_until(&gateway, &agent, &["firing", "resolved", "firing"]).await;
}

#[tokio::test]
async fn a_state_that_nobody_refutes_is_told_at_the_end_of_its_window_also_after_a_kill() {
    let agent = RemoteAgent::start().await;
    let gateway = with_agent(&agent, "3s").start().await;
    let say = async |gateway: &TestGateway, peer: &str, status: &str, start: &str| {
        post(gateway, "alertmanager", &[], &notification("4", peer, status, start)).await
    };
    assert_eq!(say(&gateway, A, "firing", TEN).await, "accepted");
    gateway.event_until(&newest(&gateway).await, "delivered").await;
    assert_eq!(say(&gateway, B, "resolved", TEN).await, "held");
    let held = newest(&gateway).await;

    let gateway = gateway.kill().start().await;

    gateway.event_until(&held, "delivered").await;
    assert_eq!(told(&agent), ["firing", "resolved"]);
    assert_eq!(say(&gateway, A, "resolved", TEN).await, "duplicate");
    // An older time of the provider may be late too, whoever says it.
    assert_eq!(say(&gateway, B, "firing", "2026-03-01T09:00:00Z").await, "accepted");
    assert_eq!(say(&gateway, B, "resolved", "2026-03-01T08:00:00Z").await, "held");
    told_until(&gateway, &agent, &["firing", "resolved", "firing", "resolved"]).await;
    let outcome = "gateway_events_late_total{provider=\"alertmanager\",outcome=\"told\"} 2\n";
    assert!(gateway.metrics().await.contains(outcome));
}

#[tokio::test]
async fn nothing_is_held_without_a_window() {
    let gateway = start(built_in::ALERTMANAGER, "late_window = \"0s\"").await;
    for (peer, status) in [(A, "firing"), (B, "resolved"), (A, "firing")] {
        assert_eq!(post(&gateway, "alertmanager", &[], &notification("4", peer, status, TEN)).await, "accepted");
    }
}

/// For a plugin that knows nothing of states, the configuration names them.
#[tokio::test]
async fn the_configuration_says_which_keys_name_states() {
    let keys = r#"
        config = { kind = "doors", subject = "/door", key = "/is", attributes = { house = "/house" } }

        [[channels.generic.states]]
        name = "door"
        kinds = ["doors"]
        thing = ["house"]
    "#;
    let gateway = start(built_in::GENERIC, keys).await;
    let told = async |house: &str, is: &str| {
        let body = json!({"house": house, "door": "any", "is": is});
        post(&gateway, "generic", &[], &body).await
    };
    for is in ["open", "shut", "open"] {
        assert_eq!(told("one", is).await, "accepted");
        assert_eq!(told("one", is).await, "duplicate");
        assert_eq!(told("two", is).await, "accepted");
    }
}
