//! Schemas of events: what does not match is refused, put into quarantine or tagged, and what a new version may change.

use std::fs;

use serde_json::{Value, json};

use crate::support::{KEY, RemoteAgent, Reply, Setup, TestGateway, WebSocket, built_in};

const ORDER: &str = r#"{"type":"object","properties":{"amount":{"type":"integer","minimum":1}},"required":["amount"]}"#;

/// A service that emits and reads orders, and a webhook; both have a schema.
fn setup() -> Setup {
    Setup::new().plugin(built_in::DUMMY).env("SHOP_KEY", KEY).file("order.json", ORDER).config(
        "\n[reload]\ninterval = \"100ms\"\n[callers.shop]\nkind = \"bearer\"\nsecret = { env = \"SHOP_KEY\" }\n\
         [subscribe]\nattempts = { rate = \"1000/s\", burst = 1000 }\n\
         [channels.orders]\nemit = true\ncallers = [\"shop\"]\n\
         [subscribers.shop]\ncallers = [\"shop\"]\nconsumers = [\"*\"]\n\
         [[schemas]]\nkinds = [\"orders.*\", \"dummy.*\"]\nfile = \"order.json\"\ncompatibility = \"backward\"\n",
    )
}

async fn emit(gateway: &TestGateway, id: &str, data: &Value) -> Reply {
    let event = json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "created", "data": data});
    let headers = [("api-key", KEY), ("content-type", "application/cloudevents+json")];
    gateway.client.post("/api/events", &headers, event.to_string()).await
}

async fn post(gateway: &TestGateway, data: &str) -> Value {
    let headers = [("content-type", "application/json")];
    let reply = gateway.client.post("/webhooks/dummy", &headers, data).await.expect_status(202);
    reply.json()["events"][0].clone()
}

async fn get(gateway: &TestGateway, path: &str) -> Reply {
    gateway.client.send("GET", path, &[("api-key", KEY)], Vec::new()).await
}

async fn kind(gateway: &TestGateway, name: &str) -> Value {
    let kinds = gateway.list("types").await;
    kinds.into_iter().find(|row| row["kind"] == name).unwrap_or_default()
}

#[tokio::test]
async fn what_is_emitted_and_does_not_match_is_refused_with_the_places() {
    let gateway = setup().start().await;

    let refused = emit(&gateway, "1", &json!({"amount": 0})).await;
    assert_eq!(
        refused.json()["errors"],
        json!([{"pointer": "#/amount", "detail": "value is less than the minimum of 1"}])
    );
    refused.expect_problem(422, "schema_mismatch");
    assert_eq!(gateway.list("events").await, Vec::<Value>::new());

    let accepted = emit(&gateway, "1", &json!({"amount": 3})).await.expect_status(202).json();
    let id = accepted["events"][0]["id"].as_str().unwrap();
    let event = get(&gateway, "/api/events?since=earliest").await.json()["events"][0].clone();
    assert_eq!(event["id"], id);
    let schema = get(&gateway, event["dataschema"].as_str().unwrap()).await.expect_status(200);
    assert_eq!(schema.json(), serde_json::from_str::<Value>(ORDER).unwrap());
    get(&gateway, "/api/schemas/0123").await.expect_problem(404, "unknown_schema");

    let types = get(&gateway, "/api/types").await.json();
    let created = types["types"].as_array().unwrap().iter().find(|row| row["type"] == "orders.created").unwrap();
    assert_eq!((&created["events"], &created["dataschema"]), (&json!(1), &event["dataschema"]));
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_schema_checks_total{result=\"refused\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_webhook_that_does_not_match_waits_in_quarantine_until_it_is_released() {
    let agent = RemoteAgent::start().await;
    let routed = "[[routes]]\nagents = [\"remote\"]\n[consumers.all]\nstart = \"earliest\"\n";
    let gateway = setup().remote(&agent, "").config(routed).start().await;

    // Somebody is connected all the time.
    let mut live = WebSocket::connect(gateway.client.address(), "/api/subscribe").await;
    live.message_of("connection.ack").await;
    let held = post(&gateway, r#"{"amount":"many"}"#).await;
    let id = held["id"].as_str().unwrap().to_owned();
    assert_eq!(held["status"], "quarantined");
    let told = post(&gateway, r#"{"amount":2}"#).await;
    gateway.event_until(told["id"].as_str().unwrap(), "delivered").await;
    assert_eq!(live.message_of("event").await["event"]["id"], told["id"], "nobody is told of the first one");
    let next = post(&gateway, r#"{"amount":3}"#).await;
    assert_eq!(live.message_of("event").await["event"]["id"], next["id"]);
    let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe?consumer=all").await;
    assert_eq!(socket.message_of("event").await["event"]["id"], told["id"]);

    // A kill changes nothing.
    let gateway = gateway.kill().start().await;
    let stored = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&stored["status"], &stored["deliveries"]), (&json!("quarantined"), &json!([])));
    assert_eq!(stored["quarantine"], "#/amount value is not of type \"integer\"");
    let (code, text, _) = gateway.cli(&["events", "show", &id]);
    assert!(code == 0 && text.contains("in quarantine: #/amount value"), "{text}");
    let replay = gateway.client.post(&format!("/admin/events/{id}/replay"), &[], "").await;
    replay.expect_problem(409, "quarantined");
    let data = get(&gateway, &format!("/api/events/{id}/data")).await;
    data.expect_problem(404, "unknown_event");

    let (code, text, _) = gateway.cli(&["events", "release", "--all", "--dry-run"]);
    assert_eq!((code, text.as_str()), (0, "1 event would be released\n"));
    let (code, text, _) = gateway.cli(&["events", "release", &id]);
    assert!(code == 0 && text.contains("1 agent gets it"), "{text}");
    assert!(text.contains("still does not match its schema: #/amount"), "{text}");
    let (code, _, text) = gateway.cli(&["events", "release", &id]);
    assert!(code == 1 && text.contains("the event is released, expected one in quarantine"), "{text}");

    let stored = gateway.json(&format!("/admin/events/{id}")).await;
    let new = stored["released"]["event"].as_str().unwrap().to_owned();
    let released = gateway.event_until(&new, "delivered").await;
    assert_eq!(released["attributes"]["releasedfrom"], id.as_str());
    assert_eq!((&released["data"], &released["received_at"]), (&json!({"amount": "many"}), &stored["received_at"]));
    let last = agent.received().last().unwrap().json();
    assert_eq!(last["event"]["id"], new.as_str());
    let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe?consumer=all").await;
    let mut seen = Vec::new();
    while seen.last() != Some(&json!(new)) {
        seen.push(socket.message_of("event").await["event"]["id"].clone());
    }
    assert!(!seen.contains(&json!(id)), "{seen:?}");
}

#[tokio::test]
async fn one_bad_event_keeps_a_batch_out_and_a_quarantine_can_be_asked_for() {
    let mut gateway = setup().start().await;
    let event = |id: &str, amount: u64| {
        let data = json!({"amount": amount});
        json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "created", "data": data})
    };
    let headers = [("api-key", KEY), ("content-type", "application/cloudevents-batch+json")];
    let batch = json!([event("1", 1), event("2", 0)]).to_string();
    let refused = gateway.client.post("/api/events", &headers, batch.clone()).await;
    let detail = refused.expect_problem(422, "schema_mismatch");
    assert!(detail.starts_with("event 1 of kind `orders.created`"), "{detail}");
    assert_eq!(gateway.list("events").await, Vec::<Value>::new());

    gateway.reconfigure("compatibility = \"backward\"", "on_mismatch = \"quarantine\"");
    gateway.reload().await;
    let accepted = gateway.client.post("/api/events", &headers, batch).await.expect_status(202).json();
    let statuses: Vec<_> = accepted["events"].as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["accepted", "quarantined"]);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_events_quarantined 1"), "{metrics}");
}

#[tokio::test]
async fn a_mismatch_can_be_a_tag() {
    let agent = RemoteAgent::start().await;
    let routed =
        "on_mismatch = \"tag\"\n[[routes]]\nagents = [\"remote\"]\nwhere = { schemaproblem = { pattern = \"*\" } }\n";
    let gateway = setup().without("compatibility = \"backward\"").config(routed).remote(&agent, "").start().await;

    let accepted = emit(&gateway, "1", &json!({"amount": 0})).await.expect_status(202).json();

    let stored = gateway.json(&format!("/admin/events/{}", accepted["events"][0]["id"].as_str().unwrap())).await;
    assert_eq!(stored["attributes"]["schemaproblem"], "#/amount value is less than the minimum of 1");
    gateway.event_until(stored["id"].as_str().unwrap(), "delivered").await;
}

#[tokio::test]
async fn a_bad_file_or_one_that_takes_something_back_leaves_the_last_good_version() {
    let gateway = setup().start().await;
    let file = gateway.path().join("order.json");
    let version = kind(&gateway, "orders.*").await["schema"]["version"].clone();
    assert!(version.is_string(), "a schema is shown before there are events");
    emit(&gateway, "1", &json!({"amount": 3})).await.expect_status(202);
    let first = kind(&gateway, "orders.created").await["schema"].clone();
    assert_eq!((&first["problem"], &first["checked"]), (&Value::Null, &json!(1)));

    for (content, problem) in [
        ("{", "it is not JSON: EOF while parsing an object at line 1 column 1"),
        (r#"{"type":"objekt"}"#, "it is not a JSON Schema: "),
        (&ORDER.replace("1}", "10}"), "it is not backward compatible: values like "),
    ] {
        fs::write(&file, content).unwrap();
        let problem_of = async || Some(kind(&gateway, "orders.created").await["schema"].clone());
        let schema = gateway
            .until(problem, async || {
                problem_of()
                    .await
                    .filter(|schema| schema["problem"].as_str().is_some_and(|text| text.starts_with(problem)))
            })
            .await;
        assert_eq!(schema["version"], first["version"]);
        emit(&gateway, content, &json!({"amount": 0})).await.expect_problem(422, "schema_mismatch");
        emit(&gateway, content, &json!({"amount": 3})).await.expect_status(202);
    }
    let (code, text, _) = gateway.cli(&["status"]);
    assert!(code == 0 && text.contains("order.json: it is not backward compatible"), "{text}");

    // A restart is no way around it.
    let gateway = gateway.kill().start().await;
    let schema = kind(&gateway, "orders.created").await["schema"].clone();
    assert_eq!(schema["version"], first["version"]);
    assert!(schema["problem"].as_str().unwrap().contains(r#""maximum":9"#), "{schema}");

    fs::write(&file, ORDER.replace("1}", "0}")).unwrap();
    gateway
        .until("the schema", async || {
            let schema = kind(&gateway, "orders.created").await["schema"].clone();
            (schema["problem"].is_null() && schema["version"] != first["version"]).then_some(())
        })
        .await;
    emit(&gateway, "zero", &json!({"amount": 0})).await.expect_status(202);
    // The old version is kept for the events that name it.
    let old = format!("/api/schemas/{}", first["version"].as_str().unwrap());
    assert_eq!(get(&gateway, &old).await.expect_status(200).json(), serde_json::from_str::<Value>(ORDER).unwrap());
}

#[tokio::test]
async fn a_start_without_any_good_version_says_why() {
    let ended = setup().file("order.json", "{").try_start().await.err().unwrap();
    assert!(ended.log.contains("order.json: it is not JSON"), "{}", ended.log);
    let absent = setup();
    fs::remove_file(absent.path().join("order.json")).unwrap();
    let ended = absent.try_start().await.err().unwrap();
    assert!(ended.log.contains("order.json: it cannot be read"), "{}", ended.log);
}

#[tokio::test]
async fn hostile_data_is_a_mismatch() {
    let gateway = setup().config("max_data = \"64KiB\"\n").start().await;
    for data in [
        "[".repeat(5_000),
        "{\"amount\":1,\"amount\":0}".to_owned(),
        format!("{{\"amount\":1,\"rest\":\"{}\"}}", "x".repeat(70_000)),
        "{\"amount\":1e999}".to_owned(),
        "\u{0}".to_owned(),
    ] {
        assert_eq!(post(&gateway, &data).await["status"], "quarantined", "{}", &data[..data.len().min(60)]);
    }
    assert_eq!(post(&gateway, "{\"amount\":1}").await["status"], "accepted");
}

#[tokio::test]
async fn kinds_are_counted_across_a_kill() {
    let gateway = setup().start().await;
    for number in 1..=3 {
        emit(&gateway, &number.to_string(), &json!({"amount": 1})).await.expect_status(202);
    }
    emit(&gateway, "1", &json!({"amount": 1})).await.expect_status(200);
    post(&gateway, "{\"amount\":0}").await;
    let gateway = gateway.kill().start().await;
    let counted = gateway
        .until("the counts", async || {
            let kinds = gateway.list("types").await;
            let seen = kinds.iter().filter(|row| row["events"] != 0);
            let seen: Vec<_> = seen.map(|row| (row["kind"].clone(), row["events"].clone())).collect();
            (seen.len() == 2).then_some(seen)
        })
        .await;
    assert_eq!(counted, [(json!("dummy.received"), json!(1)), (json!("orders.created"), json!(3))]);
    emit(&gateway, "4", &json!({"amount": 1})).await.expect_status(202);
    assert_eq!(kind(&gateway, "orders.created").await["events"], 4);

    let (code, text, _) = gateway.cli(&["types"]);
    assert!(code == 0 && text.contains("orders.created"), "{text}");
    let (code, text, _) = gateway.cli(&["types", "orders.created"]);
    assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()), (0, serde_json::from_str(ORDER).unwrap()));
    let (code, _, text) = gateway.cli(&["types", "orders.lost"]);
    assert!(code == 1 && text.contains("there is no kind `orders.lost`"), "{text}");
}

/// What is in force changes all the time; each event was checked with one version, which it names.
#[tokio::test]
async fn a_swap_under_load_leaves_no_event_between_two_versions() {
    let lenient = ORDER.replace("1}", "0}");
    let gateway = setup().without("compatibility = \"backward\"").start().await;
    let sending = async {
        for number in 0_u64.. {
            let amount = number % 2;
            let reply = emit(&gateway, &number.to_string(), &json!({"amount": amount})).await;
            assert!(matches!((reply.status.as_u16(), amount), (202, _) | (422, 0)), "{} for {amount}", reply.status);
        }
    };
    let swapping = async {
        let file = gateway.path().join("order.json");
        emit(&gateway, "first", &json!({"amount": 1})).await.expect_status(202);
        let mut versions = vec![kind(&gateway, "orders.created").await["schema"]["version"].clone()];
        for round in 0..6 {
            fs::write(&file, if round % 2 == 0 { lenient.as_str() } else { ORDER }).unwrap();
            let version = gateway
                .until("the next version", async || {
                    let version = kind(&gateway, "orders.created").await["schema"]["version"].clone();
                    (Some(&version) != versions.last()).then_some(version)
                })
                .await;
            versions.push(version);
        }
        versions
    };
    let versions = tokio::select! {
        () = sending => unreachable!("it goes on for ever"),
        versions = swapping => versions,
    };

    let lenient = versions[1].as_str().unwrap();
    let (mut since, mut by_version) = ("earliest".to_owned(), [0, 0]);
    loop {
        let page = get(&gateway, &format!("/api/events?since={since}&limit=500")).await.expect_status(200).json();
        for event in page["events"].as_array().unwrap() {
            let is_lenient = event["dataschema"].as_str().unwrap().ends_with(lenient);
            assert!(is_lenient || event["data"]["amount"] != 0, "{event}");
            by_version[usize::from(is_lenient)] += 1;
        }
        if page["more"] != true {
            break;
        }
        page["cursor"].as_str().unwrap().clone_into(&mut since);
    }
    assert!(by_version.iter().all(|events| *events > 0), "both were in force while events came: {by_version:?}");
}
