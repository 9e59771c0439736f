//! Deliveries are retried, ordered, replayed and never lost.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{RemoteAgent, Setup, TO_STUB, TestGateway, built_in, guest};

/// A gateway whose events go to `agent` over HTTP.
async fn gateway_to(agent: &RemoteAgent, more: &str) -> TestGateway {
    let keys = format!("retry = {{ attempts = 3, first_wait = \"10ms\", max_wait = \"20ms\" }}\n{more}");
    Setup::new().remote(agent, &keys).config("\n[[routes]]\nagents = [\"remote\"]\n").start().await
}

fn status(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_failing_delivery_is_retried_until_it_is_dead_and_a_replay_delivers_it() {
    let agent = RemoteAgent::answering(|number, _| status(if number < 3 { 503 } else { 200 })).await;
    let gateway = gateway_to(&agent, "").await;

    let id = gateway.post("dummy", "{}").await.expect_accepted();
    let dead = gateway.event_until(&id, "dead").await;
    let attempts = dead["deliveries"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3, "{dead}");
    assert!(attempts.iter().all(|attempt| attempt["code"] == "busy" || attempt["code"] == "status"), "{dead}");
    assert_eq!(gateway.list("deliveries?state=dead").await.len(), 1);

    gateway
        .client
        .post(&format!("/admin/events/{id}/replay?agent=nobody"), &[], "")
        .await
        .expect_problem(409, "unrouted");
    gateway.client.post(&format!("/admin/events/{id}/replay?agent=remote"), &[], "").await.expect_status(202);

    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["deliveries"].as_array().unwrap().len(), 2);
    assert_eq!(agent.received().len(), 4);
    let keys: Vec<_> = agent.received().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert!(keys.iter().all(|key| key.to_str().unwrap() == id), "{keys:?}");
}

#[tokio::test]
async fn a_final_refusal_is_not_retried() {
    let agent = RemoteAgent::answering(|_, _| status(410)).await;
    let gateway = gateway_to(&agent, "").await;

    let id = gateway.post("dummy", "{}").await.expect_accepted();

    let event = gateway.event_until(&id, "dead").await;
    assert_eq!(event["deliveries"][0]["attempts"][0]["code"], "gone");
    assert_eq!(agent.received().len(), 1);
}

/// The first event of each subject fails at first; its successors wait for it, the other subjects do not.
#[tokio::test]
async fn events_of_one_subject_are_delivered_in_order_and_one_at_a_time() {
    let agent = RemoteAgent::answering(|number, _| status(if number < 2 { 503 } else { 200 })).await;
    let gateway = gateway_to(&agent, "").await;
    let mut last = String::new();
    for number in 0..20 {
        for subject in ["a", "b", "c"] {
            let body = json!({ "subject": subject, "number": number }).to_string();
            let path = format!("/webhooks/dummy?subject={subject}");
            let headers = [("content-type", "application/json")];
            last = gateway.client.post(&path, &headers, body).await.expect_accepted();
        }
    }
    gateway.event_until(&last, "delivered").await;
    gateway
        .until("all to be delivered", async || gateway.list("events?status=pending").await.is_empty().then_some(()))
        .await;

    let mut delivered: std::collections::BTreeMap<String, Vec<u64>> = Default::default();
    for request in agent.received() {
        let data = request.json()["event"]["data"].clone();
        let numbers = delivered.entry(data["subject"].as_str().unwrap().to_owned()).or_default();
        numbers.push(data["number"].as_u64().unwrap());
        numbers.dedup();
    }
    for (subject, numbers) in delivered {
        assert_eq!(numbers, (0..20).collect::<Vec<_>>(), "{subject}");
    }
}

/// An agent whose plugin is missing loses nothing: its deliveries wait in the log, across a restart.
#[tokio::test]
async fn deliveries_wait_for_a_missing_plugin_and_survive_a_restart() {
    let gateway = Setup::new().plugin(built_in::DUMMY).config(TO_STUB).start().await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(gateway.post("dummy", "{}").await.expect_accepted());
    }
    let agents = gateway.list("agents").await;
    assert_eq!(agents[0]["state"], "waiting", "{agents:?}");

    let gateway = gateway.kill().start().await;
    gateway.replace_plugin("stub", &built_in::STUB);

    for id in ids {
        let event = gateway.event_until(&id, "delivered").await;
        assert_eq!(event["deliveries"][0]["attempts"].as_array().unwrap().len(), 1);
    }
}

/// Deliveries beyond the memory limit stay in the log and are still made, each once and in order.
#[tokio::test]
async fn a_small_queue_reads_the_rest_from_the_log() {
    let agent = RemoteAgent::start().await;
    let gateway = gateway_to(&agent, "queue = 4").await;
    for number in 0..100 {
        gateway.client.post("/webhooks/dummy?subject=one", &[], number.to_string()).await.expect_accepted();
    }

    gateway
        .until("all to be delivered", async || gateway.list("events?status=pending").await.is_empty().then_some(()))
        .await;

    let numbers: Vec<_> = agent.received().iter().map(|request| request.json()["event"]["data"].clone()).collect();
    assert_eq!(numbers, (0..100).map(|number| Value::from(number.to_string())).collect::<Vec<_>>());
}

/// A trap and a limit of an agent plugin are failed attempts, not lost events.
#[tokio::test]
async fn a_misbehaving_agent_plugin_fails_only_its_own_delivery() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(guest::FLAKY_AGENT)
        .config(
            r#"
            [plugins.limits]
            cpu = "100ms"
            [agents.flaky]
            plugin = "flaky-agent"
            config = { failures = 0 }
            retry = { attempts = 2, first_wait = "10ms" }
            [[routes]]
            agents = ["flaky"]
            "#,
        )
        .start()
        .await;

    for (subject, code, attempts) in [("trap", "plugin", 2), ("spin", "plugin", 2), ("reject", "invalid", 1)] {
        let id = gateway.client.post(&format!("/webhooks/dummy?subject={subject}"), &[], "{}").await.expect_accepted();
        let event = gateway.event_until(&id, "dead").await;
        let made = event["deliveries"][0]["attempts"].as_array().unwrap();
        assert_eq!(made.len(), attempts, "{subject}: {event}");
        assert_eq!(made[0]["code"], code, "{subject}: {event}");
    }
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
}

/// The caller of a synchronous route gets the agent's answer.
#[tokio::test]
async fn a_synchronous_route_responds_with_the_answer_of_the_agent() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .plugin(guest::FLAKY_AGENT)
        .config(
            r#"
            [channels.dummy]
            [channels.slow]
            plugin = "dummy"
            [channels.late]
            plugin = "dummy"
            [channels.broken]
            plugin = "dummy"
            [agents.stub]
            [agents.flaky]
            plugin = "flaky-agent"
            config = { failures = 1 }
            retry = { first_wait = "60s" }
            [agents.broken]
            plugin = "flaky-agent"
            retry = { attempts = 1 }
            [[routes]]
            channels = ["dummy"]
            agents = ["stub"]
            mode = "sync"
            timeout = "10s"
            [[routes]]
            channels = ["slow"]
            agents = ["flaky"]
            mode = "sync"
            timeout = "100ms"
            [[routes]]
            channels = ["late"]
            agents = ["flaky"]
            mode = "sync"
            timeout = "100ms"
            on_timeout = "504"
            [[routes]]
            channels = ["broken"]
            agents = ["broken"]
            mode = "sync"
            timeout = "10s"
            "#,
        )
        .start()
        .await;

    let answer = gateway.post("dummy", "{}").await.expect_status(200);
    let id = answer.headers["gateway-event-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.json(), json!({ "status": "ok", "event_id": id }));
    gateway.post("slow", "{}").await.expect_accepted();
    gateway.post("late", "{}").await.expect_problem(504, "agent_timeout");
    let detail = gateway.post("broken", "{}").await.expect_problem(502, "agent_failed");
    assert!(detail.contains("busy"), "{detail}");
}
