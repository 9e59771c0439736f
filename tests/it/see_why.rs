//! What an operator sees of deliveries that do not arrive, and what can be done about it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Delivered, RemoteAgent, Setup, TestGateway};

const ALL: &str = "[[routes]]\nagents = [\"remote\"]\n";

/// An agent that answers with a status which can be changed.
async fn agent(status: u16) -> (RemoteAgent, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(status));
    let answers = Arc::clone(&status);
    let answer = move |_: usize, _: &Delivered| {
        Response::builder().status(answers.load(Ordering::Acquire)).body(Full::<Bytes>::default()).unwrap()
    };
    (RemoteAgent::answering(answer).await, status)
}

async fn remote(gateway: &TestGateway) -> Value {
    gateway.list("agents").await.remove(0)
}

#[tokio::test]
async fn an_open_breaker_says_why_and_when_and_can_be_tried_at_once() {
    let (agent, status) = agent(503).await;
    let keys = "retry = { first_wait = \"1h\", max_wait = \"1h\", jitter = 0.0 }\n\
                breaker = { failures = 1, first_open = \"1h\", max_open = \"1h\" }";
    let gateway = Setup::new().remote(&agent, keys).config(ALL).start().await;
    let first = gateway.post("dummy", "1").await.expect_accepted();

    let is_open = async || Some(remote(&gateway).await).filter(|agent| agent["breaker"]["state"] == "open");
    let row = gateway.until("the breaker to open", is_open).await;
    assert!(row["breaker"]["reason"].as_str().unwrap().contains("503"), "{row}");
    assert!(row["breaker"]["retry_at"].is_string() && row["last_failure"]["at"].is_string(), "{row}");
    let second = gateway.post("dummy", "2").await.expect_accepted();
    let held = &gateway.json(&format!("/admin/events/{second}")).await["deliveries"][0]["held"];
    assert_eq!(held["by"], "breaker");
    let (_, table, _) = gateway.cli(&["agents"]);
    assert!(table.contains("open, next try 20") && table.contains("503"), "{table}");
    let (_, shown, _) = gateway.cli(&["events", "show", &second]);
    assert!(shown.contains("waiting for the first attempt to remote, its breaker is open until 20"), "{shown}");
    let (_, table, _) = gateway.cli(&["deliveries", "--state", "pending"]);
    assert!(table.contains("(breaker)"), "{table}");

    status.store(200, Ordering::Release);
    let (code, told, notes) = gateway.cli(&["agents", "retry", "remote"]);
    assert_eq!(code, 0, "{notes}");
    assert!(told.starts_with("remote is tried now; "), "{told}");
    gateway.event_until(&first, "delivered").await;
    gateway.event_until(&second, "delivered").await;
    assert_eq!(remote(&gateway).await["breaker"]["reason"], Value::Null);
    let (code, _, notes) = gateway.cli(&["agents", "retry", "nobody"]);
    assert_eq!(code, 1);
    assert!(notes.contains("there is no agent `nobody`\nhint: `gateway agents` lists them"), "{notes}");
}

#[tokio::test]
async fn a_paused_agent_gets_nothing_until_it_is_resumed_also_after_a_restart() {
    let (agent, _) = agent(200).await;
    let gateway = Setup::new().remote(&agent, "").config(ALL).start().await;
    let (code, told, _) = gateway.cli(&["agents", "pause", "remote"]);
    assert_eq!((code, &*told), (0, "remote is paused, until `gateway agents resume remote`; no delivery is open\n"));
    let id = gateway.post("dummy", "1").await.expect_accepted();

    let setup = gateway.kill();
    let gateway = setup.start().await;
    let row = remote(&gateway).await;
    assert_eq!((&row["state"], row["paused"]["by"].is_string()), (&json!("paused"), true));
    gateway.post("dummy", "2").await.expect_accepted();
    let paused = gateway.client.post("/admin/agents/remote/pause?by=ann", &[], "").await.expect_status(200).json();
    assert_eq!(paused["open"], 2);
    assert_ne!(paused["agent"]["paused"]["by"], "ann", "the first pause counts");
    let (_, shown, _) = gateway.cli(&["events", "show", &id]);
    assert!(shown.contains("waiting for the first attempt to remote, paused by "), "{shown}");
    let (_, table, _) = gateway.cli(&["agents"]);
    assert!(table.contains("paused by "), "{table}");
    let (_, told, _) = gateway.cli(&["status"]);
    assert!(told.contains("\nagents    1 paused (remote)\n"), "{told}");
    assert!(told.contains("`gateway agents resume remote` ends its pause\n"), "{told}");
    assert_eq!(agent.received().len(), 0);

    let (code, told, _) = gateway.cli(&["agents", "resume", "remote"]);
    assert_eq!(code, 0);
    assert!(told.starts_with("remote is resumed; "), "{told}");
    let (code, told, _) = gateway.cli(&["agents", "resume", "remote"]);
    assert_eq!(code, 0);
    assert!(told.starts_with("remote was not paused; "), "{told}");
    gateway.event_until(&id, "delivered").await;
    assert_eq!(remote(&gateway).await["state"], "serving");
}

#[tokio::test]
async fn attempts_start_at_the_rate_of_the_agent_in_order() {
    let (agent, _) = agent(200).await;
    let gateway = Setup::new().remote(&agent, "rate = \"600/m\"").config(ALL).start().await;
    assert_eq!(remote(&gateway).await["rate"], "10/s");
    let start = Instant::now();
    let mut last = String::new();
    for number in 0..15 {
        let path = "/webhooks/dummy?subject=one";
        last = gateway.client.post(path, &[], number.to_string()).await.expect_accepted();
    }

    let event = gateway.event_until(&last, "delivered").await;

    // Ten may start at once, one more each 100 ms.
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(event["deliveries"][0]["attempts_made"], 1, "waiting uses up no attempts");
    let order: Vec<_> = agent.received().iter().map(Delivered::data).collect();
    assert_eq!(order, (0..15).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_delivery_that_was_replayed_is_out_of_the_way() {
    let (agent, status) = agent(410).await;
    let gateway = Setup::new().remote(&agent, "breaker = { failures = 0 }").config(ALL).start().await;
    let id = gateway.post("dummy", "1").await.expect_accepted();
    gateway.event_until(&id, "dead").await;
    status.store(200, Ordering::Release);
    let (code, told, notes) = gateway.cli(&["deliveries", "replay", "--status", "dead"]);
    assert_eq!(code, 0, "{notes}");
    assert!(told.starts_with("replay 1 done: 1 delivery replayed (1 "), "{told}");
    gateway.event_until(&id, "delivered").await;

    let (_, told, _) = gateway.cli(&["deliveries", "replays", "1"]);
    assert_eq!(told, "replay 1 done: 1 delivery replayed (1 delivered)\n");
    let states = async |query: &str| {
        let page = gateway.list(&format!("deliveries?{query}")).await;
        page.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states("").await, ["delivered", "replayed"]);
    assert_eq!(states("state=replayed").await, ["replayed"]);
    assert_eq!(states("state=dead").await, Vec::<String>::new());
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(event["deliveries"][0]["state"], "replayed");
}

#[tokio::test]
async fn a_channel_shows_what_it_refused_and_why() {
    let gateway = Setup::new().github().start().await;
    let post = async |headers: &[(&str, &str)]| gateway.client.post("/webhooks/github", headers, "{}").await;
    post(&[]).await.expect_status(401);
    post(&[("x-hub-signature-256", "sha256=00")]).await.expect_status(401);
    gateway.client.send("PUT", "/webhooks/github", &[], Vec::new()).await.expect_status(405);

    let row = gateway.list("channels").await.remove(0);

    let counts: Vec<_> =
        row["failures"].as_array().unwrap().iter().map(|each| (&each["status"], &each["count"])).collect();
    assert_eq!(counts, [(&json!(401), &json!(2)), (&json!(405), &json!(1))], "{row}");
    assert_eq!(row["last_failure"]["status"], 405);
    assert!(row["last_failure"]["at"].is_string() && row["last_failure"]["reason"].is_string(), "{row}");
    let (_, table, _) = gateway.cli(&["channels"]);
    assert!(table.contains("2 x 401 "), "{table}");
}
