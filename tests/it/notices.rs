//! What happens to the gateway itself is an event that routes can send anywhere.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Delivered, RemoteAgent, Setup, TestGateway, built_in};

const ROUTES: &str = r#"
[agents.stub]
[[routes]]
channels = ["*"]
agents = ["remote"]
[[routes]]
channels = ["gateway"]
agents = ["stub"]
"#;

async fn agent(status: u16) -> (RemoteAgent, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(status));
    let answers = Arc::clone(&status);
    let answer = move |_: usize, _: &Delivered| {
        Response::builder().status(answers.load(Ordering::Acquire)).body(Full::<Bytes>::default()).unwrap()
    };
    (RemoteAgent::answering(answer).await, status)
}

/// Waits until there are `count` notices of the kind, and returns them with their data, newest first.
async fn notices(gateway: &TestGateway, kind: &str, count: usize) -> Vec<Value> {
    let path = format!("events?channel=gateway&kind=gateway.{kind}");
    let rows = gateway
        .until(&format!("{count} notices {kind}"), async || {
            Some(gateway.list(&path).await).filter(|rows| rows.len() == count)
        })
        .await;
    let mut all = Vec::new();
    for row in rows {
        all.push(gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await);
    }
    all
}

#[tokio::test]
async fn a_dead_delivery_is_told_once_and_only_to_routes_that_name_the_channel() {
    let (agent, _) = agent(410).await;
    let keys = "retry = { attempts = 1 }\nbreaker = { failures = 0 }";
    let gateway = Setup::new().remote(&agent, keys).plugin(built_in::STUB).config(ROUTES).start().await;
    let id = gateway.post("dummy", "1").await.expect_accepted();

    let told = notices(&gateway, "delivery.dead", 1).await.remove(0);

    assert_eq!((&told["subject"], &told["data"]["event"]), (&json!("remote"), &json!(id)));
    assert_eq!((&told["data"]["delivery"], &told["data"]["kind"]), (&json!("1.0"), &json!("dummy.received")));
    let agents: Vec<_> = told["deliveries"].as_array().unwrap().iter().map(|delivery| &delivery["agent"]).collect();
    assert_eq!(agents, ["stub"], "`*` does not mean the built-in channel");
    gateway.event_until(told["id"].as_str().unwrap(), "delivered").await;

    let second = gateway.post("dummy", "2").await.expect_accepted();
    gateway.event_until(&second, "dead").await;
    gateway
        .until("a notice to be left out", async || {
            gateway.metrics().await.contains("gateway_notices_throttled_total 1").then_some(())
        })
        .await;
    assert_eq!(notices(&gateway, "delivery.dead", 1).await.len(), 1);
}

#[tokio::test]
async fn a_notice_that_is_not_delivered_makes_no_notice() {
    let (agent, _) = agent(410).await;
    let routes = "[[routes]]\nchannels = [\"dummy\", \"gateway\"]\nagents = [\"remote\"]\n[notices]\nevery = \"0s\"\n";
    let keys = "retry = { attempts = 1 }\nbreaker = { failures = 0 }";
    let gateway = Setup::new().remote(&agent, keys).config(routes).start().await;
    gateway.post("dummy", "1").await.expect_accepted();
    let told = notices(&gateway, "delivery.dead", 1).await.remove(0);
    gateway.event_until(told["id"].as_str().unwrap(), "dead").await;

    // It is committed after everything that the dead notice could have caused.
    let last = gateway.post("dummy", "2").await.expect_accepted();
    gateway.event_until(&last, "dead").await;
    let all = notices(&gateway, "delivery.dead", 2).await;
    assert!(all.iter().all(|notice| notice["data"]["channel"] == "dummy"), "{all:?}");
    let agent = gateway.list("agents").await.remove(0);
    assert_eq!(agent["objective"]["attempts"], 2, "those of notices do not count: {agent}");
    assert!(agent["lately"]["attempts"].as_u64().unwrap() > 2, "{agent}");
}

#[tokio::test]
async fn a_breaker_tells_that_it_opens_and_closes() {
    let (agent, status) = agent(503).await;
    let keys = "retry = { first_wait = \"10ms\", max_wait = \"10ms\" }\n\
                breaker = { failures = 1, first_open = \"20ms\", max_open = \"20ms\" }";
    let gateway = Setup::new().remote(&agent, keys).plugin(built_in::STUB).config(ROUTES).start().await;
    let id = gateway.post("dummy", "1").await.expect_accepted();

    let opened = notices(&gateway, "agent.breaker_opened", 1).await.remove(0);
    assert_eq!((&opened["subject"], &opened["data"]["failures"]), (&json!("remote"), &json!(1)));
    assert!(opened["data"]["last_failure"]["message"].as_str().unwrap().contains("503"), "{opened}");
    status.store(200, Ordering::Release);
    gateway.event_until(&id, "delivered").await;
    let closed = notices(&gateway, "agent.breaker_closed", 1).await.remove(0);
    assert_eq!(closed["subject"], "remote");
}

#[tokio::test]
async fn a_bad_plugin_and_a_silent_channel_are_told() {
    let config = "[channels.quiet]\nplugin = \"dummy\"\nsilent_after = \"1s\"\n[agents.stub]\n\
                  [[routes]]\nchannels = [\"gateway\"]\nkinds = [\"gateway.plugin.*\"]\nagents = [\"stub\"]\n";
    let routed = "[[routes]]\nchannels = [\"gateway\"]\nwhere = { subject = \"quiet\" }\nagents = [\"stub\"]\n";
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(config).config(routed);
    let gateway = setup.start().await;

    gateway.write_plugin("broken.wasm", b"not a component");

    let failed = notices(&gateway, "plugin.failed", 1).await.remove(0);
    assert!(failed["data"]["file"].as_str().unwrap().ends_with("broken.wasm"), "{failed}");
    assert!(failed["data"]["error"].is_string(), "{failed}");
    let silent = notices(&gateway, "channel.silent", 1).await.remove(0);
    assert_eq!((&silent["subject"], &silent["data"]["silent_after_seconds"]), (&json!("quiet"), &json!(1)));
    gateway.event_until(silent["id"].as_str().unwrap(), "delivered").await;
}

#[tokio::test]
async fn the_names_of_built_in_channels_are_reserved() {
    let setup = Setup::new().plugin(built_in::DUMMY).config("[channels.alerts]\nplugin = \"dummy\"\n");

    let output = setup.command(&["check"]).output().unwrap();

    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let expected =
        "channels.alerts: expected another name, because the gateway has a channel of this name itself, found `alerts`";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("rename the table, such as `[channels.my-alerts]`"), "{text}");
}
