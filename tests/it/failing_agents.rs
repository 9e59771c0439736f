//! What is told of an agent that fails, what is foreseen, and when it is tried again.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::support::{Authority, RemoteAgent, Setup, TestGateway, built_in, guest};

/// A burn begins within the shortest windows, a second, and ends when five seconds are over without a failure.
const OBJECTIVE: &str = "objective = { window = \"10m\", failures = 3 }\n";

const ROUTES: &str = r#"
[agents.stub]
[[routes]]
channels = ["dummy"]
agents = ["remote"]
[[routes]]
channels = ["gateway"]
agents = ["stub"]
"#;

/// A socket whose address refuses connections until an agent listens.
fn vacant() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// A gateway with the agent `remote` at an address where nobody may be.
fn setup_to(scheme: &str, address: SocketAddr, keys: &str) -> Setup {
    let agent = format!(
        "[agents.remote]\nplugin = \"http\"\nconfig = {{ url = \"{scheme}://{address}/events\" }}\n\
         allow_hosts = [\"{address}\"]\n{OBJECTIVE}{keys}"
    );
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).plugin(built_in::STUB);
    setup.config(&agent).config(ROUTES)
}

async fn gateway_to(address: SocketAddr, keys: &str) -> TestGateway {
    setup_to("http", address, keys).start().await
}

async fn remote(gateway: &TestGateway) -> Value {
    gateway.list("agents").await.remove(0)
}

/// Waits for a notice of the kind, and returns its data.
async fn notice(gateway: &TestGateway, kind: &str) -> Value {
    let path = format!("events?channel=gateway&kind=gateway.agent.{kind}");
    let row = gateway.until(kind, async || gateway.list(&path).await.pop()).await;
    gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await["data"].clone()
}

/// Posts events until a notice says that the agent burns, and checks what it says.
async fn until_it_burns(gateway: &TestGateway, class: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let is_told = async || {
        ids.push(gateway.post("dummy", "{}").await.expect_accepted());
        gateway.list("events?channel=gateway&kind=gateway.agent.burning").await.pop()
    };
    gateway.until("the agent to burn", is_told).await;
    let told = notice(gateway, "burning").await;
    let objective = &told["objective"];
    assert_eq!((&told["agent"], &objective["burning"]["class"]), (&json!("remote"), &json!(class)), "{told}");
    assert_eq!(told["lately"]["failures"][0]["class"], class, "{told}");
    assert_eq!(told["last_failure"]["class"], class, "{told}");
    let forecast = objective["forecast"].as_str().unwrap();
    assert!(forecast.starts_with("budget is gone") && forecast.ends_with(&format!(", mostly {class}")), "{forecast}");
    assert!(objective["gone_in_ms"].as_u64().unwrap() < 120_000, "{told}");
    ids
}

/// Waits until all is well again, and is told so.
async fn until_it_recovers(gateway: &TestGateway, ids: &[String]) {
    for id in ids {
        gateway.event_until(id, "delivered").await;
    }
    let path = "events?channel=gateway&kind=gateway.agent.burn_ended";
    let is_told = async || {
        // Silence is no recovery.
        gateway.post("dummy", "{}").await.expect_accepted();
        gateway.list(path).await.pop()
    };
    gateway.until("the burn to end", is_told).await;
    let ended = notice(gateway, "burn_ended").await;
    assert_eq!((&ended["agent"], &ended["objective"]["burning"]), (&json!("remote"), &Value::Null), "{ended}");
    assert_eq!(remote(gateway).await["objective"]["burning"], Value::Null);
}

async fn failures(gateway: &TestGateway, class: &str) -> u64 {
    let name = format!("gateway_agent_failures_total{{agent=\"remote\",class=\"{class}\"}} ");
    gateway.metrics().await.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

/// Probes connect first. While that fails, no delivery uses up an attempt.
#[tokio::test]
async fn an_agent_that_refuses_connections_is_told_of_and_knocked_at_until_it_is_back() {
    let socket = vacant();
    let keys = "concurrency = 1\n\
                retry = { attempts = 100, first_wait = \"1ms\", max_wait = \"1ms\" }\n\
                breaker = { failures = 5, max_open = \"1s\" }\n";
    let gateway = gateway_to(socket.local_addr().unwrap(), keys).await;

    let ids = until_it_burns(&gateway, "connect").await;

    let attempts = async || {
        let mut attempts = 0;
        for id in &ids {
            attempts +=
                gateway.json(&format!("/admin/events/{id}")).await["deliveries"][0]["attempts_made"].as_u64().unwrap();
        }
        attempts
    };
    gateway.until("the breaker to open", async || (attempts().await == 5).then_some(())).await;
    let before = failures(&gateway, "connect").await;
    let (_, table, remarks) = gateway.cli(&["agents"]);
    assert!(table.contains(" x connect"), "{table}");
    assert!(remarks.contains("agent remote: budget is gone"), "{remarks}");
    let (_, status, _) = gateway.cli(&["status"]);
    assert!(status.contains("; budget of remote gone") && status.contains(" agent remote: budget is gone"), "{status}");
    gateway.until("two more probes", async || (failures(&gateway, "connect").await >= before + 2).then_some(())).await;
    assert_eq!(attempts().await, 5, "a probe that does not get through is no attempt");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_agent_burn_rate{agent=\"remote\",window=\"1m\"} 100"), "{metrics}");
    assert!(metrics.contains("gateway_agent_budget_remaining_ratio{agent=\"remote\"} 0"), "{metrics}");
    assert!(metrics.contains("gateway_agent_budget_left_seconds{agent=\"remote\"} "), "{metrics}");

    let _agent = RemoteAgent::on(socket);
    until_it_recovers(&gateway, &ids).await;
}

/// A probe over TLS includes the handshake.
#[tokio::test]
async fn an_agent_that_does_not_speak_tls_is_only_knocked_at() {
    let plain = RemoteAgent::start().await;
    let setup = setup_to("https", plain.address, "breaker = { failures = 1, max_open = \"1s\" }\n");
    let gateway = setup.file("ca.pem", Authority::new().pem()).env("SSL_CERT_FILE", "ca.pem").start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();

    gateway.until("two probes", async || (failures(&gateway, "tls").await >= 3).then_some(())).await;

    let delivery = &gateway.json(&format!("/admin/events/{id}")).await["deliveries"][0];
    assert_eq!(
        (&delivery["attempts_made"], &delivery["attempts"][0]["code"]),
        (&json!(1), &json!("tls")),
        "{delivery}"
    );
    assert_eq!(plain.received().len(), 0);
}

#[tokio::test]
async fn a_delivery_that_is_too_old_ends_although_nothing_gets_through() {
    let socket = vacant();
    let keys = "retry = { first_wait = \"1ms\", max_age = \"3s\" }\n\
                breaker = { failures = 1, max_open = \"1s\" }\n";
    let gateway = gateway_to(socket.local_addr().unwrap(), keys).await;

    let id = gateway.post("dummy", "{}").await.expect_accepted();

    let event = gateway.event_until(&id, "dead").await;
    assert_eq!(event["deliveries"][0]["attempts_made"], 2, "the probes between them were none: {event}");
}

/// For exactly as long as it asks, although that is longer than `max_open`.
#[tokio::test]
async fn an_agent_that_asks_for_a_pause_gets_it() {
    let (heal, healed) = watch::channel(false);
    let agent = RemoteAgent::answering(move |_, _| {
        let status = if *healed.borrow() { 200 } else { 429 };
        Response::builder().status(status).header("retry-after", "3000").body(Full::<Bytes>::default()).unwrap()
    })
    .await;
    let gateway = gateway_to(agent.address, "concurrency = 1\nbreaker = { failures = 3 }\n").await;

    let ids = until_it_burns(&gateway, "429").await;

    let is_open = async || Some(remote(&gateway).await).filter(|agent| agent["breaker"]["state"] == "open");
    let open = gateway.until("the breaker to open", is_open).await;
    let wait = open["breaker"]["retry_in_ms"].as_u64().unwrap();
    assert!((2_900_000..=3_000_000).contains(&wait), "{open}");
    assert_eq!(failures(&gateway, "429").await, 3);

    heal.send(true).unwrap();
    gateway.cli(&["agents", "retry", "remote"]);
    until_it_recovers(&gateway, &ids).await;
}

#[tokio::test]
async fn an_agent_that_does_not_answer_in_time_is_left_alone_for_longer() {
    let (heal, healed) = watch::channel(false);
    let agent = RemoteAgent::answering_later(move |_, _| {
        let mut healed = healed.clone();
        async move {
            healed.wait_for(|healed| *healed).await.unwrap();
            Response::new(Full::<Bytes>::default())
        }
    })
    .await;
    let gateway = gateway_to(agent.address, "timeout = \"200ms\"\nconcurrency = 1\nbreaker = { failures = 3 }\n").await;

    let ids = until_it_burns(&gateway, "timeout").await;

    let is_open = async || Some(remote(&gateway).await).filter(|agent| agent["breaker"]["state"] == "open");
    let open = gateway.until("the breaker to open", is_open).await;
    let wait = open["breaker"]["retry_in_ms"].as_u64().unwrap();
    assert!((5_000..=15_000).contains(&wait), "{open}");
    assert_eq!(failures(&gateway, "timeout").await, 3);

    heal.send(true).unwrap();
    gateway.cli(&["agents", "retry", "remote"]);
    until_it_recovers(&gateway, &ids).await;
}

/// A plugin that traps says nothing of the agent, whose breaker stays closed for the other events.
#[tokio::test]
async fn a_failure_of_the_plugin_is_not_one_of_the_agent() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(guest::FLAKY_AGENT)
        .config(
            r#"
            [agents.remote]
            plugin = "flaky-agent"
            config = { failures = 0 }
            retry = { attempts = 3, first_wait = "1ms", max_wait = "1ms" }
            breaker = { failures = 1, first_open = "1h", max_open = "1h" }
            [[routes]]
            agents = ["remote"]
            "#,
        )
        .start()
        .await;

    let trapped = gateway.client.post("/webhooks/dummy?subject=trap", &[], "{}").await.expect_accepted();
    gateway.event_until(&trapped, "dead").await;
    let other = gateway.client.post("/webhooks/dummy?subject=other", &[], "{}").await.expect_accepted();
    gateway.event_until(&other, "delivered").await;

    let agent = remote(&gateway).await;
    assert_eq!((&agent["breaker"]["state"], &agent["last_failure"]["class"]), (&json!("closed"), &json!("plugin")));
    assert_eq!(agent["lately"], json!({"window": "5m", "attempts": 4, "failures": [{"class": "plugin", "count": 3}]}));
    assert_eq!(failures(&gateway, "plugin").await, 3);
}
