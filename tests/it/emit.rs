//! Events that services emit themselves.

use serde_json::{Value, json};

use crate::support::{KEY, Reply, Setup, TO_STUB, TestGateway, built_in};

fn setup() -> Setup {
    Setup::new().plugin(built_in::STUB).config(TO_STUB).env("SHOP_KEY", KEY).config(
        "\n[callers.shop]\nkind = \"bearer\"\nsecret = { env = \"SHOP_KEY\" }\n\
         [channels.orders]\nemit = true\ncallers = [\"shop\"]\n",
    )
}

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "created", "subject": "order-1", "data": {"n": 1}})
}

async fn emit(gateway: &TestGateway, path: &str, content_type: &str, body: &Value) -> Reply {
    let headers = [("api-key", KEY), ("content-type", content_type)];
    gateway.client.post(path, &headers, body.to_string()).await
}

const STRUCTURED: &str = "application/cloudevents+json";

#[tokio::test]
async fn an_emitted_event_is_stored_once_and_delivered() {
    let gateway = setup().start().await;
    let accepted =
        emit(&gateway, "/api/events?channel=orders", STRUCTURED, &event("7")).await.expect_status(202).json();
    let row = &accepted["events"][0];
    assert_eq!((&row["kind"], &row["status"], &row["seq"]), (&json!("orders.created"), &json!("accepted"), &json!(1)));

    let again = emit(&gateway, "/api/events", STRUCTURED, &event("7")).await.expect_status(200).json();
    assert_eq!((&again["events"][0]["id"], &again["events"][0]["status"]), (&row["id"], &json!("duplicate")));

    let stored = gateway.event_until(row["id"].as_str().unwrap(), "delivered").await;
    assert_eq!((&stored["subject"], &stored["data"]), (&json!("order-1"), &json!({"n": 1})));
    let attributes = &stored["attributes"];
    assert_eq!((&attributes["originalid"], &attributes["originalsource"]), (&json!("7"), &json!("/shop")));
    assert_eq!(stored["delivery_id"], "7");
}

#[tokio::test]
async fn a_batch_is_stored_as_a_whole_or_not_at_all() {
    const BATCH: &str = "application/cloudevents-batch+json";
    let gateway = setup().start().await;
    let mut broken = event("2");
    broken["type"] = json!("");
    let refused = emit(&gateway, "/api/events", BATCH, &json!([event("1"), broken])).await;
    assert!(refused.expect_problem(400, "malformed").starts_with("event 1: `type`"));
    assert_eq!(gateway.list("events").await, Vec::<Value>::new());

    let accepted = emit(&gateway, "/api/events", BATCH, &json!([event("1"), event("2"), event("1")])).await;
    let accepted = accepted.expect_status(202).json();
    let rows: Vec<_> = accepted["events"].as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(rows, ["accepted", "accepted", "duplicate"]);
    let many: Vec<_> = (0..501).map(|number| event(&number.to_string())).collect();
    emit(&gateway, "/api/events", BATCH, &json!(many)).await.expect_problem(400, "malformed");
    emit(&gateway, "/api/events", BATCH, &json!([])).await.expect_problem(400, "malformed");
}

#[tokio::test]
async fn attributes_can_be_headers() {
    let gateway = setup().start().await;
    let headers = [
        ("api-key", KEY),
        ("content-type", "text/plain"),
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/shop"),
        ("ce-type", "orders.note"),
        ("ce-subject", "h%C3%B6he"),
        ("ce-severity", "high"),
    ];
    let accepted = gateway.client.post("/api/events", &headers, "hello").await.expect_status(202).json();
    let stored = gateway.json(&format!("/admin/events/{}", accepted["events"][0]["id"].as_str().unwrap())).await;
    assert_eq!(
        (&stored["kind"], &stored["subject"], &stored["data"]),
        (&json!("orders.note"), &json!("höhe"), &json!("hello"))
    );
    assert_eq!(stored["attributes"]["severity"], "high");
}

#[tokio::test]
async fn who_may_not_emit_is_refused() {
    let gateway = setup()
        .config("[channels.bills]\nemit = true\ncallers = [\"shop\"]\n[callers.other]\nkind = \"bearer\"\nsecret = { env = \"OTHER\" }\n[channels.others]\nemit = true\ncallers = [\"other\"]\n")
        .env("OTHER", "another-secret")
        .start()
        .await;
    let refused = gateway.client.post("/api/events", &[("content-type", STRUCTURED)], event("1").to_string()).await;
    refused.expect_problem(401, "unknown_caller");
    emit(&gateway, "/api/events", STRUCTURED, &event("1")).await.expect_problem(400, "malformed");
    emit(&gateway, "/api/events?channel=others", STRUCTURED, &event("1")).await.expect_problem(403, "forbidden");
    emit(&gateway, "/api/events?channel=bills", STRUCTURED, &event("1")).await.expect_status(202);
    emit(&gateway, "/api/events?channel=bills", "application/json", &event("1"))
        .await
        .expect_problem(415, "content_type_not_supported");
    let listed = gateway.list("channels").await;
    let states: Vec<_> =
        listed.iter().map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    assert_eq!(states, [("bills", "serving"), ("orders", "serving"), ("others", "serving")]);
}

#[tokio::test]
async fn a_channel_that_is_emitted_to_has_no_plugin() {
    let ended =
        setup().config("plugin = \"dummy\"\nsecret = { env = \"SHOP_KEY\" }\n").try_start().await.err().unwrap();
    for problem in
        ["channels.orders.plugin: expected no `plugin` with `emit = true`", "channels.orders.secret: expected no"]
    {
        assert!(ended.log.contains(problem), "{}", ended.log);
    }
}
