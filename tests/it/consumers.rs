//! Consumers: acknowledgements, leases, parked events, and what a restart keeps.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use serde_json::{Value, json};

use crate::subscriptions::setup;
use crate::support::{KEY, Reply, TestGateway, WebSocket};

const AUDIT: &str = "[consumers.audit]\nstart = \"earliest\"\n";
const PATH: &str = "/api/subscribe?consumer=audit";

/// Stores an event with this number as its data; returns its id.
async fn store(gateway: &TestGateway, number: u64) -> String {
    let json = [("content-type", "application/json")];
    gateway.client.post("/webhooks/dummy", &json, number.to_string()).await.expect_accepted()
}

async fn call(gateway: &TestGateway, method: &str, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    gateway.client.send(method, path, &[("api-key", KEY)], body).await
}

async fn pull(gateway: &TestGateway, query: &str) -> Value {
    call(gateway, "GET", &format!("/api/consumers/audit/events{query}"), &Value::Null).await.expect_status(200).json()
}

async fn consumer(gateway: &TestGateway) -> Value {
    gateway.json("/admin/consumers/audit").await
}

fn data(pulled: &Value) -> Vec<Value> {
    pulled["messages"].as_array().unwrap().iter().map(|message| message["event"]["data"].clone()).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_confirmed_and_never_sent_again() {
    let gateway = setup().config(AUDIT).start().await;
    for number in 1..=4 {
        store(&gateway, number).await;
    }
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    let ack = socket.message().await;
    assert_eq!((&ack["consumer"]["name"], &ack["consumer"]["role"]), (&json!("audit"), &json!("active")));
    let mut messages = Vec::new();
    for _ in 0..4 {
        messages.push(socket.message_of("event").await);
    }
    socket.say(&json!({"type": "ack", "cursor": messages[1]["cursor"]})).await;
    assert_eq!(socket.message_of("acked").await["cursor"], messages[1]["cursor"]);
    socket.say(&json!({"type": "ack", "ids": [messages[3]["event"]["id"]]})).await;
    let acked = socket.message_of("acked").await;
    assert_eq!((&acked["cursor"], &acked["ids"]), (&messages[1]["cursor"], &json!([messages[3]["event"]["id"]])));

    let gateway = gateway.kill().start().await;
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    let again = socket.message_of("event").await;
    assert_eq!(again["event"]["data"], 3);
    store(&gateway, 5).await;
    assert_eq!(socket.data(1).await, [5]);

    socket.say(&json!({"type": "ack", "cursor": again["cursor"]})).await;
    assert_eq!(socket.message_of("acked").await["cursor"], messages[3]["cursor"], "4 was acknowledged before");
    assert_eq!(consumer(&gateway).await["position"], 4);
}

#[tokio::test]
async fn a_standby_takes_over_and_late_acknowledgements_are_refused() {
    let gateway = setup().config(AUDIT).start().await;
    let address = gateway.client.address();
    store(&gateway, 1).await;
    let mut active = WebSocket::connect(address, PATH).await;
    let lease = active.message().await["consumer"]["lease"].clone();
    let event = active.message_of("event").await;
    let mut standby = WebSocket::connect(address, PATH).await;
    let role = standby.message().await["consumer"].clone();
    assert_eq!((&role["role"], &role["lease"]), (&json!("standby"), &Value::Null));

    drop(active);

    let role = standby.message_of("consumer").await;
    assert_eq!(role["role"], "active");
    let again = standby.message_of("event").await;
    assert_eq!((&again["event"]["id"], &again["attempt"]), (&event["event"]["id"], &json!(2)));
    let late = json!({"lease": lease, "cursor": event["cursor"]});
    call(&gateway, "POST", "/api/consumers/audit/ack", &late).await.expect_problem(409, "stale_lease");
    call(&gateway, "GET", "/api/consumers/audit/events", &Value::Null).await.expect_problem(409, "consumer_active");
    let own = json!({"lease": role["lease"], "ids": [again["event"]["id"]]});
    let settled = call(&gateway, "POST", "/api/consumers/audit/ack", &own).await.expect_status(200).json();
    assert_eq!(settled["cursor"], again["cursor"]);
}

#[tokio::test]
async fn events_are_pulled_and_settled_one_by_one() {
    let gateway = setup().config(AUDIT).start().await;
    for number in 1..=3 {
        store(&gateway, number).await;
    }
    let first = pull(&gateway, "?limit=2").await;
    assert_eq!(data(&first), [1, 2]);
    let lease = first["lease"].as_str().unwrap();
    let id = |index: usize| first["messages"][index]["event"]["id"].clone();
    let settle = async |action: &str, body: Value| {
        call(&gateway, "POST", &format!("/api/consumers/audit/{action}"), &body).await.expect_status(200).json()
    };
    settle("nack", json!({"lease": lease, "id": id(0), "action": "retry"})).await;
    let settled = settle("ack", json!({"lease": lease, "ids": [id(1)]})).await;
    assert_eq!(settled["ids"], json!([id(1)]));
    settle("extend", json!({"lease": lease})).await;

    let second = pull(&gateway, &format!("?lease={lease}")).await;
    assert_eq!((data(&second), &second["messages"][0]["attempt"]), (vec![json!(1), json!(3)], &json!(2)));
    let settled = settle("ack", json!({"lease": lease, "cursor": second["messages"][1]["cursor"]})).await;
    assert_eq!(settled["cursor"], second["messages"][1]["cursor"]);

    let empty = pull(&gateway, &format!("?lease={lease}")).await;
    assert_eq!(data(&empty), Vec::<Value>::new());
    let (waited, _) = tokio::join!(pull(&gateway, "?wait=30s"), store(&gateway, 4));
    assert_eq!(data(&waited), [4]);
    let stale = json!({"lease": lease, "cursor": waited["messages"][0]["cursor"]});
    call(&gateway, "POST", "/api/consumers/audit/ack", &stale).await.expect_problem(409, "stale_lease");
}

#[tokio::test]
async fn an_event_that_fails_too_often_is_parked_and_can_be_replayed() {
    let gateway = setup().config(AUDIT).config("max_attempts = 2\n").start().await;
    let id = store(&gateway, 1).await;
    store(&gateway, 2).await;
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    socket.message().await;
    assert_eq!(socket.data(2).await, [1, 2]);
    for attempt in 1..=2 {
        socket.say(&json!({"type": "nack", "id": id, "reason": "no disk"})).await;
        if attempt == 1 {
            assert_eq!(socket.message_of("event").await["attempt"], 2);
        }
    }
    gateway.until("an event is parked", async || (consumer(&gateway).await["parked"] == 1).then_some(())).await;
    let parked = gateway.json("/admin/consumers/audit/parked").await["parked"][0].clone();
    assert_eq!((&parked["id"], &parked["attempts"], &parked["reason"]), (&json!(id), &json!(2), &json!("no disk")));

    let (gateway, mut socket) = {
        let gateway = gateway.kill().start().await;
        let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
        socket.message().await;
        assert_eq!(socket.data(1).await, [2], "1 stays parked");
        (gateway, socket)
    };
    let replayed = gateway.client.post("/admin/consumers/audit/parked/replay", &[], "").await.expect_status(202).json();
    assert_eq!(replayed["replayed"], 1);
    let again = socket.message_of("event").await;
    assert_eq!((&again["event"]["id"], &again["parked"]), (&json!(id), &json!(true)));
    socket.say(&json!({"type": "ack", "ids": [id]})).await;
    assert_eq!(socket.message_of("acked").await["ids"], json!([id]));
    gateway.until("nothing is parked", async || (consumer(&gateway).await["parked"] == 0).then_some(())).await;
    assert_eq!(consumer(&gateway).await["position"], 1, "a parked event touches no position");
}

#[tokio::test]
async fn what_is_not_acknowledged_in_time_comes_again() {
    let gateway = setup().config(AUDIT).config("ack_timeout = \"200ms\"\n").start().await;
    store(&gateway, 1).await;
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    assert_eq!(socket.message_of("event").await.get("attempt"), None);
    assert_eq!(socket.message_of("event").await["attempt"], 2);
    assert_eq!(socket.message_of("event").await["attempt"], 3);
}

#[tokio::test]
async fn an_operator_makes_moves_and_removes_consumers() {
    let gateway = setup().start().await;
    for number in 1..=3 {
        store(&gateway, number).await;
    }
    let put =
        async |body: Value| gateway.client.send("PUT", "/admin/consumers/audit", &[], body.to_string().into()).await;
    put(json!({"window": 0})).await.expect_problem(400, "malformed");
    put(json!({"kinds": ["a["]})).await.expect_problem(400, "malformed");
    let made = put(json!({"start": "earliest", "window": 2})).await.expect_status(201).json();
    assert_eq!((&made["position"], &made["lag"], &made["state"]), (&json!(0), &json!(3), &json!("waiting")));
    assert_eq!(data(&pull(&gateway, "").await), [1, 2], "as many as the window has room for");
    put(json!({"start": "earliest", "window": 3})).await.expect_status(200);

    let seek = async |body: Value| gateway.client.post("/admin/consumers/audit/seek", &[], body.to_string()).await;
    assert_eq!(seek(json!({"to": "latest"})).await.expect_status(200).json()["position"], 3);
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    socket.message().await;
    seek(json!({"to": "earliest"})).await.expect_problem(409, "consumer_active");
    seek(json!({"to": "earliest", "force": true})).await.expect_status(200);
    assert_eq!(socket.message_of("consumer").await["role"], "active");
    assert_eq!(socket.data(3).await, [1, 2, 3]);

    let delete = async || gateway.client.send("DELETE", "/admin/consumers/audit", &[], Vec::new()).await;
    delete().await.expect_status(200);
    assert_eq!(socket.closed().await.map(|(code, _)| code), Some(4503));
    delete().await.expect_problem(404, "unknown_consumer");
    assert_eq!(gateway.list("consumers").await, Vec::<Value>::new());
    let gateway = gateway.kill().start().await;
    assert_eq!(gateway.list("consumers").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_consumer_begins_where_it_was_made_also_if_the_gateway_is_killed_at_once() {
    let gateway = setup().config("[consumers.audit]\n").start().await;
    store(&gateway, 1).await;

    let gateway = gateway.kill().start().await;

    store(&gateway, 2).await;
    assert_eq!(data(&pull(&gateway, "").await), [1, 2]);
}

#[tokio::test]
async fn after_a_seek_acknowledgements_are_confirmed_from_there_on() {
    let gateway = setup().config(AUDIT).start().await;
    for number in 1..=3 {
        store(&gateway, number).await;
    }
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    let mut last = Value::Null;
    for _ in 0..3 {
        last = socket.message_of("event").await["cursor"].clone();
    }
    socket.say(&json!({"type": "ack", "cursor": last})).await;
    assert_eq!(socket.message_of("acked").await["cursor"], last);
    let seek = json!({"to": "earliest", "force": true}).to_string();
    gateway.client.post("/admin/consumers/audit/seek", &[], seek).await.expect_status(200);

    let again = socket.message_of("event").await;
    socket.say(&json!({"type": "ack", "cursor": again["cursor"]})).await;

    assert_eq!((&again["event"]["data"], &socket.message_of("acked").await["cursor"]), (&json!(1), &again["cursor"]));
}

#[tokio::test]
async fn a_hold_keeps_events_until_they_are_settled_or_too_old_for_it() {
    let gateway = setup().config(AUDIT).config("hold = \"1h\"\n[eventlog.retention]\nmax_age = \"1s\"\n").start().await;
    let ids = [store(&gateway, 1).await, store(&gateway, 2).await, store(&gateway, 3).await];
    let gone = async |gateway: &TestGateway, index: usize| {
        let id = &ids[index];
        let look = async || (gateway.client.get(&format!("/admin/events/{id}")).await.status == 404).then_some(());
        gateway.until("an event to go", look).await;
    };
    assert_eq!(consumer(&gateway).await["hold_ms"], 3_600_000);
    let acked = pull(&gateway, "?limit=1").await;
    let ack = json!({"lease": acked["lease"], "cursor": acked["messages"][0]["cursor"]});
    call(&gateway, "POST", "/api/consumers/audit/ack", &ack).await.expect_status(200);

    // The others are as old, and neither whoever looks meanwhile nor a start removes them.
    gone(&gateway, 0).await;
    let stopped = gateway.kill();
    let listed = stopped.command(&["events", "--format", "json"]).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let gateway = stopped.start().await;
    assert_eq!(data(&pull(&gateway, "").await), [2, 3]);

    let spec = json!({"start": "earliest", "hold_ms": 500});
    gateway.client.send("PUT", "/admin/consumers/audit", &[], spec.to_string().into()).await.expect_status(200);
    gone(&gateway, 2).await;
    let gap = pull(&gateway, "").await["messages"][0].clone();
    assert_eq!((&gap["type"], &gap["reason"]), (&json!("gap"), &json!("retention")));
}

#[tokio::test]
async fn a_consumer_that_nobody_uses_expires() {
    let gateway = setup().start().await;
    let client = &gateway.client;
    let put = async |name: &str, body: Value| {
        client.send("PUT", &format!("/admin/consumers/{name}"), &[], body.to_string().into()).await
    };
    put("audit", json!({"idle_expiry_ms": 999})).await.expect_problem(400, "malformed");
    put("audit", json!({"idle_expiry_ms": 1000})).await.expect_status(201);
    let mut socket = WebSocket::connect(client.address(), PATH).await;
    socket.message_of("connection.ack").await;
    put("other", json!({"idle_expiry_ms": 1000})).await.expect_status(201);
    let gone = async |name: &str| {
        let look = async || (client.get(&format!("/admin/consumers/{name}")).await.status == 404).then_some(());
        gateway.until("a consumer to expire", look).await;
    };

    gone("other").await;
    assert_eq!(consumer(&gateway).await["connections"], 1, "audit is as old, and in use");
    drop(socket);
    gone("audit").await;

    let metrics = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("\ngateway_consumer_expired_total 2\n"));
    let gateway = gateway.kill().start().await;
    assert_eq!(gateway.list("consumers").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_consumer_of_the_configuration_does_not_expire() {
    let gateway = setup().config(AUDIT).start().await;
    let spec = json!({"idle_expiry_ms": 1000}).to_string();

    let reply = gateway.client.send("PUT", "/admin/consumers/audit", &[], spec.into()).await;

    reply.expect_problem(409, "consumer_configured");
}

#[tokio::test]
async fn a_subscriber_moves_its_own_consumer() {
    let gateway = setup().config(AUDIT).start().await;
    for number in 1..=3 {
        store(&gateway, number).await;
    }
    let first = pull(&gateway, "").await;
    assert_eq!(data(&first), [1, 2, 3]);
    let lease = json!({"lease": first["lease"], "cursor": first["messages"][2]["cursor"]});
    call(&gateway, "POST", "/api/consumers/audit/ack", &lease).await.expect_status(200);

    let path = "/api/consumers/audit/seek";
    let moved = call(&gateway, "POST", path, &json!({"to": first["messages"][0]["cursor"]})).await;
    assert_eq!(moved.expect_status(200).json()["cursor"], first["messages"][0]["cursor"]);

    assert_eq!(data(&pull(&gateway, "").await), [2, 3], "what was acknowledged comes again");
    call(&gateway, "POST", path, &json!({"to": "yesterday"})).await.expect_problem(400, "malformed");
    call(&gateway, "POST", "/api/consumers/other/seek", &json!({"to": "latest"})).await.expect_status(403);
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    assert_eq!(socket.data(2).await, [2, 3]);
    call(&gateway, "POST", path, &json!({"to": "latest"})).await.expect_status(409);
    call(&gateway, "POST", path, &json!({"to": "latest", "force": true})).await.expect_status(200);
    store(&gateway, 4).await;
    assert_eq!(socket.data(1).await, [4]);
}
