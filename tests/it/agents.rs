//! Deliveries to an agent: priority, waiting, and the breaker.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::{Delivered, RemoteAgent, Setup, TestGateway};

/// A gateway with the agent `remote`; `more` has more keys of it.
async fn gateway_to(agent: &RemoteAgent, more: &str, routes: &str) -> TestGateway {
    Setup::new().remote(agent, more).config(routes).start().await
}

const ALL: &str = "[[routes]]\nagents = [\"remote\"]";

fn status(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}

async fn post(gateway: &TestGateway, subject: &str, body: &str) -> String {
    gateway.client.post(&format!("/webhooks/dummy?subject={subject}"), &[], body).await.expect_accepted()
}

async fn breaker(gateway: &TestGateway) -> Value {
    gateway.list("agents").await[0]["breaker"].clone()
}

/// The data of the events that the agent received, in order.
fn bodies(agent: &RemoteAgent) -> Vec<String> {
    agent.received().iter().map(Delivered::data).collect()
}

/// While the breaker is open there are no attempts, so no delivery dies; a successful probe closes it.
#[tokio::test]
async fn an_open_breaker_stops_attempts_and_loses_nothing() {
    let (heal, healed) = watch::channel(false);
    let agent = RemoteAgent::answering(move |_, _| status(if *healed.borrow() { 200 } else { 500 })).await;
    let more = r#"
        retry = { attempts = 3, first_wait = "10ms", max_wait = "20ms" }
        breaker = { failures = 2, first_open = "50ms", max_open = "60s" }"#;
    let gateway = gateway_to(&agent, more, ALL).await;

    let first = post(&gateway, "first", "0").await;
    let is_open = async || Some(breaker(&gateway).await).filter(|breaker| breaker["state"] == "open");
    gateway.until("the breaker to open", is_open).await;
    gateway.event_until(&first, "dead").await;
    // Each failed probe made the pause longer; by now it is longer than the waits between retries of another event.
    gateway
        .until("a long pause", async || {
            post(&gateway, "", "probe").await;
            let breaker = breaker(&gateway).await;
            (breaker["retry_in_ms"].as_u64().unwrap_or(0) > 10_000).then_some(())
        })
        .await;
    let attempts = agent.received().len();
    let waiting = post(&gateway, "waiting", "1").await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_circuit_breaker_state{agent=\"remote\"} 1"), "{metrics}");
    let row = gateway.json(&format!("/admin/events/{waiting}")).await;
    assert_eq!(row["deliveries"][0]["state"], "pending", "{row}");
    assert_eq!(agent.received().len(), attempts, "nothing is attempted while it is open");

    // A restart forgets the pause, not the deliveries.
    heal.send(true).unwrap();
    let gateway = gateway.kill().start().await;

    gateway.event_until(&waiting, "delivered").await;
    let closed = breaker(&gateway).await;
    assert_eq!((&closed["state"], &closed["code"], &closed["failures"]), (&"closed".into(), &0.into(), &0.into()));
}

#[tokio::test]
async fn a_probe_that_succeeds_closes_the_breaker() {
    let agent = RemoteAgent::answering(|number, _| status(if number < 3 { 500 } else { 200 })).await;
    let more = r#"
        retry = { first_wait = "1ms", max_wait = "1ms" }
        breaker = { failures = 2, first_open = "20ms", max_open = "1s" }"#;
    let gateway = gateway_to(&agent, more, ALL).await;

    let ids = [post(&gateway, "a", "a").await, post(&gateway, "b", "b").await];

    for id in ids {
        gateway.event_until(&id, "delivered").await;
    }
    assert_eq!(breaker(&gateway).await["state"], "closed");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_circuit_breaker_opened_total{agent=\"remote\"} "), "{metrics}");
    assert!(metrics.contains("gateway_circuit_breaker_state{agent=\"remote\"} 0"), "{metrics}");
}

/// With `skip` a failed delivery is set aside and the ones behind it go on; it is still retried.
#[tokio::test]
async fn a_failed_delivery_can_be_set_aside() {
    let others = AtomicUsize::new(0);
    let agent = RemoteAgent::answering(move |_, request| match request.data().as_str() {
        // It fails until the two behind it are delivered.
        "1" if others.load(Ordering::SeqCst) < 2 => status(500),
        "1" => status(200),
        _ => {
            others.fetch_add(1, Ordering::SeqCst);
            status(200)
        }
    })
    .await;
    let more = r#"
        on_failure = "skip"
        retry = { attempts = 1000, first_wait = "20ms", max_wait = "20ms" }
        breaker = { failures = 0 }"#;
    let gateway = gateway_to(&agent, more, ALL).await;

    let mut ids = Vec::new();
    for body in ["1", "2", "3"] {
        ids.push(post(&gateway, "one", body).await);
    }
    for id in ids {
        gateway.event_until(&id, "delivered").await;
    }

    let bodies = bodies(&agent);
    assert_eq!((bodies.first().unwrap().as_str(), bodies.last().unwrap().as_str()), ("1", "1"), "{bodies:?}");
    let others: Vec<_> = bodies.iter().filter(|body| *body != "1").collect();
    assert_eq!(others, ["2", "3"]);
    assert_eq!(gateway.list("agents").await[0]["on_failure"], "skip");
}

/// Urgent events overtake those that wait for a busy agent, and the least urgent ones are not starved.
#[tokio::test]
async fn urgent_events_go_first_and_low_ones_still_move() {
    let (open, opened) = watch::channel(false);
    let agent = RemoteAgent::answering_later(move |_, _| {
        let mut opened = opened.clone();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            status(200)
        }
    })
    .await;
    let routes = r#"
        [channels.low]
        plugin = "dummy"
        [channels.high]
        plugin = "dummy"
        [[routes]]
        channels = ["low"]
        agents = ["remote"]
        priority = "low"
        [[routes]]
        channels = ["high"]
        agents = ["remote"]
        priority = "high"
        "#;
    let gateway = gateway_to(&agent, "concurrency = 1", routes).await;
    gateway.post("low", "low").await.expect_accepted();
    gateway.until("the agent to be busy", async || (agent.received().len() == 1).then_some(())).await;
    let mut last = String::new();
    for channel in ["low", "high"] {
        for _ in 0..40 {
            last = gateway.post(channel, channel).await.expect_accepted();
        }
    }

    open.send(true).unwrap();

    gateway.event_until(&last, "delivered").await;
    gateway.until("all to be sent", async || (agent.received().len() == 81).then_some(())).await;
    let sent = bodies(&agent);
    let low_among_first = sent[1..43].iter().filter(|body| *body == "low").count();
    assert!((1..=4).contains(&low_among_first), "{sent:?}");
    assert!(gateway.list("routes").await.iter().all(|route| route["priority"].is_string()));
}

/// Retries leave room for first attempts, however slowly they fail.
#[tokio::test]
async fn first_attempts_do_not_wait_for_retries() {
    let (open, opened) = watch::channel(false);
    let agent = RemoteAgent::answering_later(move |_, delivered| {
        let (mut opened, event) = (opened.clone(), delivered.json());
        async move {
            match (event["event"]["data"].as_str().unwrap(), event["attempt"].as_u64().unwrap()) {
                ("good", _) => status(200),
                (_, 1) => status(500),
                _ => {
                    opened.wait_for(|open| *open).await.unwrap();
                    status(200)
                }
            }
        }
    })
    .await;
    let more = r#"
        concurrency = 2
        timeout = "60s"
        retry = { first_wait = "1ms", max_wait = "1ms" }
        breaker = { failures = 0 }"#;
    let gateway = gateway_to(&agent, more, ALL).await;
    let mut bad = Vec::new();
    for number in 0..5 {
        bad.push(post(&gateway, &format!("bad-{number}"), "bad").await);
    }
    gateway.until("a repeated attempt to hang", async || (agent.received().len() == 6).then_some(())).await;

    for _ in 0..5 {
        let good = gateway.post("dummy", "good").await.expect_accepted();
        gateway.event_until(&good, "delivered").await;
    }

    assert_eq!(bodies(&agent).iter().filter(|body| *body == "bad").count(), 6, "one turn is all that they have");
    open.send(true).unwrap();
    for id in bad {
        gateway.event_until(&id, "delivered").await;
    }
}

/// `Retry-After` is obeyed up to the cap, and no delivery is retried beyond its maximum age.
#[tokio::test]
async fn a_retry_after_is_capped_and_an_old_delivery_is_given_up() {
    let throttled = || Response::builder().status(429).header("retry-after", "3600").body(Full::default()).unwrap();
    let agent = RemoteAgent::answering(move |number, _| if number == 0 { throttled() } else { status(500) }).await;
    let more = r#"
        retry = { attempts = 100, first_wait = "1ms", max_wait = "300ms", max_retry_after = "20ms", max_age = "400ms" }
        breaker = { failures = 0 }"#;
    let gateway = gateway_to(&agent, more, ALL).await;

    let id = gateway.post("dummy", "{}").await.expect_accepted();

    let event = gateway.event_until(&id, "dead").await;
    let attempts = event["deliveries"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["code"], "throttled", "{event}");
    assert!((3..100).contains(&attempts.len()), "{event}");
    let last = attempts.last().unwrap()["message"].as_str().unwrap();
    assert!(last.contains("too old") && last.contains("max_age"), "{last}");
}
