//! Agents with several addresses, and with a path that says whether they are well.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Full;
use hyper::{Method, Response};
use serde_json::Value;

use crate::support::{Delivered, RemoteAgent, Setup, TestGateway, built_in};

/// An agent that answers 200 while `is_well`, and 500 otherwise.
async fn agent(is_well: &Arc<AtomicBool>) -> RemoteAgent {
    let is_well = Arc::clone(is_well);
    RemoteAgent::answering(move |_, _| {
        let status = if is_well.load(Ordering::Relaxed) { 200 } else { 500 };
        Response::builder().status(status).body(Full::default()).unwrap()
    })
    .await
}

/// The channel `dummy`, whose events go to the agent `remote` with these keys.
fn setup(keys: &str) -> Setup {
    let tables = format!("[agents.remote]\nplugin = \"http\"\n{keys}\n[[routes]]\nagents = [\"remote\"]\n");
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).config(&tables)
}

async fn row(gateway: &TestGateway) -> Value {
    gateway.list("agents").await.remove(0)
}

fn posts(agent: &RemoteAgent) -> Vec<Delivered> {
    agent.received().into_iter().filter(|request| request.method == Method::POST).collect()
}

/// One address fails: its breaker opens, and everything goes to the other one.
#[tokio::test]
async fn each_attempt_goes_to_an_endpoint_that_is_well() {
    let (good, bad) = (agent(&Arc::new(true.into())).await, agent(&Arc::new(false.into())).await);
    let keys = format!(
        "endpoints = [\"http://{}/events\", \"http://{}/events\"]\nallow_hosts = [\"{}\", \"{}\"]\n\
         retry = {{ first_wait = \"1ms\", max_wait = \"1ms\" }}\nbreaker = {{ failures = 1, first_open = \"10m\", max_open = \"10m\" }}",
        bad.address, good.address, bad.address, good.address
    );
    let mut gateway = setup(&keys).start().await;

    for number in 0..5 {
        let id = gateway.post("dummy", number.to_string()).await.expect_accepted();
        gateway.event_until(&id, "delivered").await;
    }

    assert_eq!((posts(&bad).len(), posts(&good).len()), (1, 5), "the first attempt went to the first endpoint");
    assert_eq!(posts(&good)[0].path, "/events");
    let row = row(&gateway).await;
    assert_eq!(row["breaker"]["state"], "closed", "{row}");
    let states: Vec<_> = row["endpoints"].as_array().unwrap().iter().map(|row| &row["breaker"]["state"]).collect();
    assert_eq!(states, ["open", "closed"]);
    let (_, table, _) = gateway.cli(&["agents"]);
    assert!(table.contains(&format!("1 of 2 fail: http://{}/events", bad.address)), "{table}");

    // What is known of an address outlives a reload.
    gateway.reconfigure("max_wait = \"1ms\"", "max_wait = \"2ms\"");
    gateway.reload().await.expect_status(200);
    let id = gateway.post("dummy", "6").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    assert_eq!(posts(&bad).len(), 1);
}

/// A breaker that would stay open for long closes when the agent says that it is well.
#[tokio::test]
async fn an_agent_that_is_well_again_gets_its_deliveries_at_once() {
    let is_well = Arc::new(AtomicBool::new(false));
    let agent = agent(&is_well).await;
    let address = agent.address;
    let keys = format!(
        "config = {{ url = \"http://{address}/events\" }}\nallow_hosts = [\"{address}\"]\nhealth = \"/health\"\nhealth_interval = \"1s\"\n\
         retry = {{ first_wait = \"1ms\", max_wait = \"1ms\" }}\nbreaker = {{ failures = 1, first_open = \"10m\", max_open = \"10m\" }}"
    );
    let gateway = setup(&keys).start().await;
    let id = gateway.post("dummy", "1").await.expect_accepted();
    let is_ill = async || Some(row(&gateway).await).filter(|row| row["endpoints"][0]["health"]["ok"] == false);
    let ill = gateway.until("the agent to say that it is not well", is_ill).await;
    assert_eq!(ill["endpoints"][0]["health"]["reason"], "answered 500");
    assert_eq!(ill["breaker"]["state"], "open", "{ill}");

    is_well.store(true, Ordering::Relaxed);

    gateway.event_until(&id, "delivered").await;
    let asked = agent.received().into_iter().find(|request| request.method == Method::GET).unwrap();
    assert_eq!(asked.path, "/health");
    assert_eq!(row(&gateway).await["endpoints"][0]["health"]["ok"], true);
}

/// What cannot work is said by `gateway check`.
#[tokio::test]
async fn endpoints_are_checked() {
    let check = |setup: Setup| {
        let output = setup.command(&["check"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };

    let (code, told) = check(setup("endpoints = [\"http://127.0.0.1:9000/\"]\n"));
    assert_eq!(code, Some(2), "{told}");
    let expected = "agents.remote.endpoints[0]: expected a URL of a host in `agents.remote.allow_hosts`";
    assert!(told.contains(expected), "{told}");

    let stub =
        setup("").plugin(built_in::STUB).config("[agents.other]\nplugin = \"stub\"\nendpoints = [\"http://a\"]\n");
    let (code, told) = check(stub);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("agents.other.endpoints: expected no endpoints"), "{told}");
}
