//! Channels that answer their source, channels that poll it, and the state of plugins.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{RemoteAgent, Setup, TestGateway, built_in, guest};

/// The channel `two-way`, whose events go to the agent `remote` and whose answers go to `back`.
fn two_way(agent: &RemoteAgent, back: &RemoteAgent, keys: &str) -> Setup {
    let address = back.address;
    Setup::new().remote(agent, "").plugin(guest::TWO_WAY).env("BACK_TOKEN", "hush-hush").config(&format!(
        r#"
            [channels.two-way]
            config = {{ back = "http://{address}/back" }}
            allow_hosts = ["{address}"]

            [channels.two-way.credentials.back]
            kind = "bearer"
            secret = {{ env = "BACK_TOKEN" }}
            hosts = ["{address}"]

            [channels.two-way.respond]
            {keys}

            [[routes]]
            channels = ["two-way"]
            agents = ["remote"]
            respond = true
            "#
    ))
}

/// Waits for `count` answers at the source.
async fn answered(gateway: &TestGateway, back: &RemoteAgent, count: usize) -> Vec<Value> {
    gateway
        .until("answers at the source", async || {
            let received = back.received();
            (received.len() >= count).then(|| received.iter().map(|answer| answer.json()).collect())
        })
        .await
}

/// An agent's answer reaches the source of its event, signed by the host, and is an event of its own.
#[tokio::test]
async fn an_answer_goes_back_to_the_source_of_its_event() {
    let [agent, back] = [RemoteAgent::start().await, RemoteAgent::start().await];
    let gateway = two_way(&agent, &back, "").start().await;

    let reply = gateway.client.post("/webhooks/two-way?subject=thread-7", &[], "question").await;
    let id = reply.expect_accepted();

    let told = &answered(&gateway, &back, 1).await[0];
    assert_eq!(told["body"], r#"{"ok":true}"#);
    assert_eq!((&told["agent"], &told["subject"], &told["event"]), (&json!("remote"), &json!("thread-7"), &json!(id)));
    assert_eq!((&told["attempt"], &told["content_type"]), (&json!(1), &json!("application/json")));
    assert_eq!(told["credentials"], json!([true, false]));
    assert_eq!(back.received()[0].headers["authorization"], "Bearer hush-hush");
    let answer = gateway.event_until(told["answer"].as_str().unwrap(), "delivered").await;
    assert_eq!((&answer["kind"], &answer["subject"]), (&json!("two-way.answer"), &json!("thread-7")));
    assert_eq!(answer["attributes"]["answerto"], json!(id));
    assert_eq!(answer["deliveries"][0]["agent"], "@two-way");
    assert!(!gateway.log().contains("hush-hush"));
}

/// An answer is retried while the source is busy. An answer that the source refuses is dead, which does not affect the agent.
#[tokio::test]
async fn an_answer_is_retried_and_its_end_is_its_own() {
    let agent = RemoteAgent::start().await;
    let back = RemoteAgent::answering(|number, _| {
        let status = [503, 200, 400].get(number).copied().unwrap_or(200);
        Response::builder().status(status).body(Full::default()).unwrap()
    })
    .await;
    let gateway = two_way(&agent, &back, "retry = { first_wait = \"10ms\" }").start().await;

    let first = gateway.client.post("/webhooks/two-way?subject=a", &[], "1").await.expect_accepted();
    let told = answered(&gateway, &back, 2).await;
    assert_eq!((&told[0]["attempt"], &told[1]["attempt"]), (&json!(1), &json!(2)));
    assert_eq!(told[0]["answer"], told[1]["answer"]);
    let second = gateway.client.post("/webhooks/two-way?subject=a", &[], "2").await.expect_accepted();
    let refused = answered(&gateway, &back, 3).await[2]["answer"].as_str().unwrap().to_owned();

    gateway.event_until(&refused, "dead").await;
    for id in [first, second] {
        gateway.event_until(&id, "delivered").await;
    }
    assert_eq!(agent.received().len(), 2);
}

/// An answer that was not sent before a crash is sent after it, without another delivery to the agent.
#[tokio::test]
async fn an_answer_survives_a_kill() {
    let agent = RemoteAgent::start().await;
    let well = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&well);
    let back = RemoteAgent::answering(move |_, _| {
        let status = if healed.load(Ordering::Relaxed) { 200 } else { 503 };
        Response::builder().status(status).body(Full::default()).unwrap()
    })
    .await;
    let gateway = two_way(&agent, &back, "retry = { max_wait = \"1s\" }").start().await;
    let id = gateway.client.post("/webhooks/two-way", &[], "question").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    answered(&gateway, &back, 1).await;

    let setup = gateway.kill();
    well.store(true, Ordering::Relaxed);
    let before = back.received().len();
    let gateway = setup.start().await;

    let told = answered(&gateway, &back, before + 1).await;
    gateway.event_until(told[before]["answer"].as_str().unwrap(), "delivered").await;
    assert_eq!(agent.received().len(), 1);
}

/// A source that serves `items` in pages of two after a cursor, and may fail.
async fn feed(items: &Arc<Mutex<Vec<String>>>, status: &Arc<Mutex<u16>>) -> RemoteAgent {
    let (items, status) = (Arc::clone(items), Arc::clone(status));
    RemoteAgent::answering(move |_, request| {
        let query = request.query.clone();
        let after = query.strip_prefix("after=").unwrap_or_default().to_owned();
        let items = items.lock().unwrap();
        let start = items.iter().position(|item| *item == after).map_or(0, |position| position + 1);
        let page: Vec<_> = items[start..].iter().take(2).collect();
        let body = json!({"items": page, "more": items.len() > start + 2}).to_string();
        Response::builder().status(*status.lock().unwrap()).body(Full::from(body)).unwrap()
    })
    .await
}

fn polling(feed: &RemoteAgent) -> Setup {
    let address = feed.address;
    Setup::new().plugin(guest::FEED).plugin(built_in::STUB).config(&format!(
        r#"
        [channels.feed]
        config = {{ url = "http://{address}/items" }}
        allow_hosts = ["{address}"]
        state = "1KiB"
        poll = {{ every = "20ms" }}

        [agents.stub]

        [[routes]]
        agents = ["stub"]
        "#
    ))
}

/// The data of all events, oldest first.
async fn stored(gateway: &TestGateway) -> Vec<String> {
    let mut items = Vec::new();
    for row in gateway.list("events?limit=500").await.iter().rev() {
        let event = gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
        items.push(event["data"].as_str().unwrap().to_owned());
    }
    items
}

/// A source is polled page by page, each item once, also across a kill, because cursor and events are one commit.
#[tokio::test]
async fn polling_loses_and_repeats_no_item() {
    let expected: Vec<_> = (1..=7).map(|number| format!("item-{number}")).collect();
    let items = Arc::new(Mutex::new(expected[..5].to_vec()));
    let feed = feed(&items, &Arc::new(Mutex::new(200))).await;
    let gateway = polling(&feed).start().await;
    gateway.until("the first items", async || (stored(&gateway).await == expected[..5]).then_some(())).await;

    let setup = gateway.kill();
    items.lock().unwrap().extend(expected[5..].iter().cloned());
    let gateway = setup.start().await;

    gateway.until("the other items", async || (stored(&gateway).await == expected).then_some(())).await;
    assert!(feed.received().iter().any(|request| request.query == "after=item-5"));
    let channel = gateway.list("channels").await.into_iter().find(|row| row["name"] == "feed").unwrap();
    assert_eq!((&channel["poll"]["every_ms"], &channel["state_used"]), (&json!(20), &json!(12)), "{channel}");
    gateway.post("feed", "{}").await.expect_problem(405, "rejected");
}

/// A failing source is polled again, less often, and is reported; a plugin that traps moves no cursor.
#[tokio::test]
async fn a_failing_source_is_reported_and_polled_again() {
    let (items, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(500)));
    let feed = feed(&items, &status).await;
    let gateway = polling(&feed).start().await;
    let failures = async |least: u64| {
        gateway
            .until("failed polls", async || {
                let channels = gateway.list("channels").await;
                let poll = channels.iter().find(|row| row["name"] == "feed")?["poll"].clone();
                (poll["failures"].as_u64()? >= least).then_some(poll)
            })
            .await
    };
    assert_eq!(failures(2).await["error"], "status: 500");

    *status.lock().unwrap() = 200;
    items.lock().unwrap().extend(["one".to_owned(), "trap".to_owned()]);
    let trapped = gateway
        .until("the trap", async || {
            let poll = failures(1).await;
            poll["error"].as_str().unwrap().contains("trapped on purpose").then_some(poll)
        })
        .await;
    assert!(trapped["failures"].as_u64().unwrap() >= 1);
    assert_eq!(stored(&gateway).await, Vec::<String>::new());
    items.lock().unwrap().retain(|item| item != "trap");

    gateway.until("the item", async || (stored(&gateway).await == ["one"]).then_some(())).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"gateway_polls_total{provider="feed",outcome="failed"}"#), "{metrics}");
}

/// A plugin's state survives a kill, has only changes of successful calls, and is bounded by its grant.
#[tokio::test]
async fn successful_calls_change_the_state_of_a_plugin() {
    let gateway = Setup::new()
        .plugin(guest::COUNTER)
        .config("\n[channels.counter]\nstate = \"100B\"\n[channels.other]\nplugin = \"counter\"\nstate = \"100B\"\n")
        .config("\n[channels.none]\nplugin = \"counter\"\n")
        .start()
        .await;
    let count = async |gateway: &TestGateway, path: &str| {
        let reply = gateway.client.post(&format!("/webhooks/{path}"), &[], "{}").await.expect_status(200);
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    assert_eq!(count(&gateway, "counter").await, "1");
    assert_eq!(count(&gateway, "counter?id=7").await, "2");
    gateway.client.post("/webhooks/counter?then=trap", &[], "{}").await.expect_problem(502, "plugin_failed");
    gateway.client.post("/webhooks/counter?then=reject", &[], "{}").await.expect_problem(400, "rejected");
    // A call that yields a duplicate is successful.
    assert_eq!(count(&gateway, "counter?id=7").await, "3");
    assert_eq!(count(&gateway, "other").await, "1");
    assert_eq!(count(&gateway, "none").await, "denied");

    let gateway = gateway.kill().start().await;

    assert_eq!(count(&gateway, "counter").await, "4");
    assert_eq!(count(&gateway, "counter?fill=90").await, "ok");
    assert_eq!(count(&gateway, "counter?fill=91").await, "quota");
    assert_eq!(count(&gateway, "counter?fill=16385").await, "invalid");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"gateway_plugin_limit_hits_total{plugin="counter",limit="state"} 1"#), "{metrics}");
}
