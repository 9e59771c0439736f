//! Outbound requests: the envelope and its signature, and which answers settle a delivery.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::support::{RemoteAgent, Setup, TestGateway, Wire, built_in};

/// An agent that answers every request with the same bytes and hangs up, or holds the connection.
struct RawAgent {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl RawAgent {
    async fn start(answer: impl Into<Vec<u8>>, hangs_up: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let (answer, count) = (answer.into(), Arc::clone(&requests));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let mut wire = Wire::accepted(stream);
                if wire.receive().await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                    wire.send_bytes(&answer).await.unwrap();
                    held.extend(Some(wire).filter(|_| !hangs_up));
                }
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A gateway that delivers to the agent `remote` at `address` over `plugin`, with at most 1 KiB of answer.
async fn gateway_to(address: SocketAddr, plugin: &str, route: &str) -> TestGateway {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).plugin(built_in::OPENCLAW);
    let config = format!(
        r#"
        [agents.remote]
        plugin = "{plugin}"
        config = {{ url = "http://{address}/events" }}
        allow_hosts = ["{address}"]
        max_response = "1KiB"
        timeout = "3s"
        retry = {{ attempts = 2, first_wait = "10ms" }}
        [[routes]]
        agents = ["remote"]
        {route}
        "#
    );
    setup.config(&config).start().await
}

/// Successful answers whose body is not whole: the bytes, whether the agent hangs up, and what the timeline says.
fn broken_answers() -> [(Vec<u8>, bool, &'static str); 4] {
    let head = |rest: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n{rest}\r\n\r\n");
    [
        ((head("content-length: 2000") + &"x".repeat(2000)).into(), true, "larger than 1024 bytes"),
        ((head("content-length: 100") + "half of it").into(), true, "ended early"),
        ((head("transfer-encoding: chunked") + "5\r\nhello\r\n").into(), true, "ended early"),
        ((head("content-length: 100") + "the rest never comes").into(), false, "no answer within"),
    ]
}

/// The last attempt of the event's only delivery.
fn last_attempt(event: &Value) -> &Value {
    event["deliveries"][0]["attempts"].as_array().unwrap().last().unwrap()
}

/// The agent has the event: it must not get it again because of a body that nobody reads.
#[tokio::test]
async fn a_2xx_settles_a_delivery_whatever_its_body() {
    for plugin in ["http", "openclaw"] {
        for (answer, hangs_up, note) in broken_answers() {
            let agent = RawAgent::start(answer, hangs_up).await;
            let gateway = gateway_to(agent.address, plugin, "").await;

            let id = gateway.post("dummy", "{}").await.expect_accepted();
            let event = gateway.event_until(&id, "delivered").await;

            let attempt = last_attempt(&event);
            assert_eq!(attempt["number"], 1, "{plugin}: {event}");
            assert!(attempt["message"].as_str().unwrap().contains(note), "{plugin}, {note}: {attempt}");
            assert_eq!(agent.requests(), 1, "{plugin}: {event}");
            let (code, told, _) = gateway.cli(&["events", "show", &id]);
            assert!(code == 0 && told.contains("the agent's answer is incomplete: "), "{told}");
        }
    }
}

/// What was asked for is the answer: on a synchronous route its caller gets it, with `respond = true` its source.
#[tokio::test]
async fn an_answer_that_is_waited_for_is_whole_or_retried() {
    let [(large, ..), (cut, ..), ..] = broken_answers();
    for route in ["mode = \"sync\"\ntimeout = \"10s\"", "respond = true"] {
        for (answer, code, requests) in [(&cut, "protocol", 2), (&large, "too-large", 1)] {
            let agent = RawAgent::start(answer.clone(), true).await;
            let gateway = gateway_to(agent.address, "http", route).await;

            gateway.post("dummy", "{}").await;
            let dead = async || gateway.list("deliveries?state=dead").await.pop();
            let delivery = gateway.until("the delivery to be dead", dead).await;

            assert_eq!((&delivery["code"], agent.requests()), (&json!(code), requests), "{route}: {delivery}");
        }
    }
}

/// A refusal is one, whatever its body.
#[tokio::test]
async fn a_broken_answer_that_is_no_2xx_is_retried() {
    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\nhalf of it";
    let agent = RawAgent::start(answer, true).await;
    let gateway = gateway_to(agent.address, "http", "").await;

    let id = gateway.post("dummy", "{}").await.expect_accepted();
    let event = gateway.event_until(&id, "dead").await;

    assert_eq!((&last_attempt(&event)["code"], agent.requests()), (&json!("protocol"), 2), "{event}");
}

#[tokio::test]
async fn the_gateway_tells_its_name_unless_the_plugin_has_another() {
    let agent = RemoteAgent::start().await;
    let address = agent.address;
    let own = ", headers = { User-Agent = \"kitchen/7\" }";
    for (setting, expected) in [("", concat!("gateway/", env!("CARGO_PKG_VERSION"))), (own, "kitchen/7")] {
        let config = format!(
            "[agents.remote]\nplugin = \"http\"\nconfig = {{ url = \"http://{address}/events\"{setting} }}\n\
             allow_hosts = [\"{address}\"]\n[[routes]]\nagents = [\"remote\"]\n"
        );
        let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).config(&config).start().await;

        let id = gateway.post("dummy", "{}").await.expect_accepted();
        gateway.event_until(&id, "delivered").await;

        let request = agent.received().pop().unwrap();
        assert_eq!(request.headers.get_all("user-agent").iter().collect::<Vec<_>>(), [expected]);
        assert!(!request.headers.contains_key("accept-encoding"), "no coding is asked for: {request:?}");
    }
}

#[tokio::test]
async fn the_http_agent_posts_a_signed_envelope() {
    let agent = RemoteAgent::start().await;
    let address = agent.address;
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::HTTP)
        .config(&format!(
            r#"
            [agents.triage]
            plugin = "http"
            config = {{ url = "http://{address}/events", credential = "signature" }}
            allow_hosts = ["{address}"]
            [agents.triage.credentials.signature]
            kind = "standard-webhooks"
            secret = {{ env = "TRIAGE_KEY" }}
            hosts = ["{address}"]
            [[routes]]
            agents = ["triage"]
            "#
        ))
        .env("TRIAGE_KEY", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
        .start()
        .await;

    let headers = [("content-type", "application/json")];
    let id = gateway.client.post("/webhooks/dummy?subject=s-1", &headers, r#"{"a":1}"#).await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let request = agent.received().remove(0);
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("idempotency-key"), id);
    assert_eq!(header("webhook-id"), id);
    let key = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{}.", header("webhook-timestamp")).as_bytes());
    mac.update(&request.body);
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let envelope = request.json();
    assert_eq!(envelope["version"], "1");
    assert_eq!(envelope["channel"], json!({ "name": "dummy", "plugin": "dummy" }));
    assert_eq!(envelope["attempt"], 1);
    let event = &envelope["event"];
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], json!(id));
    assert_eq!(event["source"], "/channels/dummy");
    assert_eq!(event["type"], "dummy.received");
    assert_eq!(event["subject"], "s-1");
    assert_eq!(event["data"], json!({ "a": 1 }));
}
