//! Deliveries to an agent that left the configuration: `gateway deliveries cancel --agent`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use serde_json::{Value, json};

use crate::support::{Setup, TO_STUB, TestGateway, built_in};

/// An agent that nobody listens for, so its deliveries stay open.
const GONE: &str = r#"
[agents.gone]
plugin = "http"
config = { url = "http://127.0.0.1:9/events" }
allow_hosts = ["127.0.0.1:9"]
retry = { attempts = 50, first_wait = "1h", max_wait = "1h" }
[[routes]]
agents = ["gone"]
"#;

/// A gateway that keeps one event, with `count` deliveries to the agent `gone`, which left its configuration.
async fn after_an_agent_left(count: usize) -> (TestGateway, Vec<String>) {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).plugin(built_in::HTTP);
    let setup = setup.config("[eventlog.retention]\nmax_events = 1\n").config(TO_STUB).config(GONE);
    let gateway = setup.start().await;
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(gateway.post("dummy", number.to_string()).await.expect_accepted());
    }
    let tried = async || Some(()).filter(|()| gateway.log().contains("Attempt ended"));
    gateway.until("an attempt", tried).await;
    let (_, setup) = gateway.stop().await;
    (setup.without(GONE).start().await, ids)
}

fn of_gone(event: &Value) -> &Value {
    event["deliveries"].as_array().unwrap().iter().find(|row| row["agent"] == "gone").unwrap()
}

#[tokio::test]
async fn deliveries_to_an_agent_that_is_gone_are_cancelled_and_their_events_removed() {
    let (gateway, ids) = after_an_agent_left(5).await;
    let command = "`gateway deliveries cancel --agent gone` ends them";
    gateway
        .logged(&["Deliveries wait for an agent that is not configured", "agent=gone", "deliveries=5", command])
        .await;

    // Nothing happens to them by themselves, and counting changes nothing.
    for _ in 0..2 {
        let (code, told, error) = gateway.cli(&["deliveries", "cancel", "--agent", "gone", "--dry-run"]);
        assert_eq!((code, &*told), (0, "5 deliveries to gone would be cancelled\n"), "{error}");
    }
    assert_eq!(gateway.list("events").await.len(), 5);

    let (code, told, error) = gateway.cli(&["deliveries", "cancel", "--agent", "gone"]);
    assert_eq!((code, &*told), (0, "5 deliveries to gone cancelled\n"), "{error}");

    let last = gateway.json(&format!("/admin/events/{}", ids[4])).await;
    let delivery = of_gone(&last);
    assert_eq!((&last["status"], &delivery["state"]), (&json!("dead"), &json!("dead")), "{last}");
    let attempt = delivery["attempts"].as_array().unwrap().last().unwrap();
    assert_eq!(attempt["code"], "cancelled", "{last}");
    let by = attempt["message"].as_str().unwrap().strip_prefix("cancelled by ").unwrap().to_owned();
    gateway.logged(&["Deliveries to an agent that is gone were cancelled", "agent=gone", "deliveries=5", &by]).await;
    let (_, shown, _) = gateway.cli(&["events", "show", &ids[4]]);
    assert!(shown.contains(&format!("delivery to gone cancelled by {by}")), "{shown}");
    let rows = gateway.list("deliveries?agent=gone&state=dead").await;
    assert!(rows.iter().all(|row| row["code"] == "cancelled"), "{rows:?}");

    let kept = async || Some(gateway.list("events").await).filter(|events| events.len() == 1);
    let kept = gateway.until("the settled events to be removed", kept).await;
    assert_eq!(kept[0]["id"], ids[4].as_str());
    let (code, told, _) = gateway.cli(&["deliveries", "cancel", "--agent", "gone"]);
    assert_eq!((code, &*told), (0, "no delivery to gone is open\n"));
    let (code, told, _) = gateway.cli(&["deliveries", "cancel", "--agent", "gone", "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let expected = json!({"agent": "gone", "by": by, "dry_run": false, "deliveries": 0, "more": false});
    assert_eq!((code, told), (0, expected));

    // It stays so after a restart, and nothing waits any more.
    let gateway = gateway.stop().await.1.start().await;
    let last = gateway.json(&format!("/admin/events/{}", ids[4])).await;
    assert_eq!(of_gone(&last)["state"], "dead", "{last}");
}

#[tokio::test]
async fn a_cancelled_delivery_can_be_replayed_once_the_agent_is_back() {
    let (gateway, ids) = after_an_agent_left(1).await;
    let (code, _, error) = gateway.cli(&["deliveries", "cancel", "--agent", "gone"]);
    assert_eq!(code, 0, "{error}");
    let (_, setup) = gateway.stop().await;
    let back = "[agents.gone]\nplugin = \"stub\"\n[[routes]]\nagents = [\"gone\"]\n";
    let gateway = setup.config(back).start().await;

    let (code, _, error) = gateway.cli(&["deliveries", "replay", "--agent", "gone", "--status", "dead"]);

    assert_eq!(code, 0, "{error}");
    gateway.event_until(&ids[0], "delivered").await;
}

#[tokio::test]
async fn deliveries_of_a_configured_agent_are_not_cancelled() {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).config(GONE);
    let (code, _, error) = {
        let output = setup.command(&["deliveries", "cancel", "--agent", "gone"]).output().unwrap();
        (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(code, Some(1));
    assert!(error.contains("only a running one can cancel\nhint: start it"), "{error}");
    let gateway = setup.start().await;
    gateway.post("dummy", "hello").await.expect_accepted();

    let (code, _, error) = gateway.cli(&["deliveries", "cancel", "--agent", "gone"]);

    assert_eq!(code, 1);
    assert!(error.contains("the agent `gone` is configured"), "{error}");
    assert_eq!(gateway.list("deliveries").await.len(), 1);
    for (arguments, expected) in [
        (&["deliveries", "cancel"][..], "required"),
        (&["deliveries", "cancel", "1", "--agent", "gone"], "cannot be used with"),
        (&["deliveries", "cancel", "1", "--dry-run"], "cannot be used with"),
        (&["deliveries", "cancel", "--dry-run"], "required"),
    ] {
        let (code, _, error) = gateway.cli(arguments);
        assert!(code == 2 && error.contains(expected), "{error}");
    }
    let missing = gateway.client.post("/admin/deliveries/cancel", &[], "").await;
    missing.expect_problem(400, "invalid_parameter");
}
