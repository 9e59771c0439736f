//! The examples: receivers that verify what the gateway sends them, and whole configurations.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::print_stderr, reason = "the test runner shows why an example was left out")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{BINARY, Backend, Client, KEY, RemoteAgent, Setup, built_in};

/// What gateway and receivers share.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// How long a receiver may take for a line.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_python_receiver_verifies_what_the_gateway_sends() {
    let mut python = Command::new("python3");
    python.arg(example("receivers/receiver.py"));
    verifies(python).await;
}

#[tokio::test]
async fn the_node_receiver_verifies_what_the_gateway_sends() {
    let mut node = Command::new("node");
    node.arg(example("receivers/receiver.mjs"));
    verifies(node).await;
}

#[tokio::test]
async fn the_go_receiver_verifies_what_the_gateway_sends() {
    let folder = build_folder("go");
    let program = folder.join("receiver");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(example("receivers/receiver.go"));
    go.env("GOCACHE", folder.join("cache")).env("GOTOOLCHAIN", "local").current_dir(&folder);
    if built(go) {
        verifies(Command::new(program)).await;
    }
}

#[tokio::test]
async fn the_rust_receiver_verifies_what_the_gateway_sends() {
    let folder = build_folder("rust");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Its one package is also the gateway's, and is therefore on the machine.
    cargo.args(["build", "--locked", "--offline", "--target-dir"]).arg(&folder);
    cargo.arg("--manifest-path").arg(example("receivers/rust/Cargo.toml"));
    if built(cargo) {
        verifies(Command::new(folder.join("debug/receiver"))).await;
    }
}

#[tokio::test]
async fn the_example_for_github_delivers_an_issue() {
    let agent = RemoteAgent::start().await;
    let setup = configured("github/gateway.toml", &[("127.0.0.1:9000", &agent.address.to_string())])
        .env("GITHUB_WEBHOOK_SECRET", "It's a Secret to Everybody")
        .packed_plugin(built_in::GITHUB)
        .plugin(built_in::HTTP);

    delivers(setup, "github", "issues.opened", &agent, |body| body["event"]["type"] == "github.issues.opened").await;
}

#[tokio::test]
async fn the_example_for_alertmanager_delivers_an_alert() {
    let agent = RemoteAgent::start().await;
    let setup = configured("alertmanager/gateway.toml", &[("127.0.0.1:9000", &agent.address.to_string())])
        .env("ALERTMANAGER_WEBHOOK_SECRET", "a-token")
        .packed_plugin(built_in::ALERTMANAGER)
        .plugin(built_in::HTTP);

    delivers(setup, "alertmanager", "firing", &agent, |body| body["event"]["type"] == "alertmanager.alert.firing")
        .await;
}

#[tokio::test]
async fn the_example_for_slack_asks_a_model() {
    let agent = RemoteAgent::start().await;
    let address = agent.address.to_string();
    let base_url = format!("model = \"gpt-5\", base_url = \"http://{address}/v1\"");
    let setup = configured("slack/gateway.toml", &[("api.openai.com", &address), ("model = \"gpt-5\"", &base_url)])
        .env("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99yyyzzz85a5")
        .env("OPENAI_API_KEY", "sk-example")
        .packed_plugin(built_in::SLACK)
        .plugin(built_in::OPENAI);

    delivers(setup, "slack", "app_mention", &agent, |body| body["model"] == "gpt-5").await;

    assert_eq!(agent.received()[0].path, "/v1/chat/completions");
    assert_eq!(agent.received()[0].headers["authorization"], "Bearer sk-example");
}

/// The processor is told of a problem once, at once when it escalates, and of a storm; and it is asked whether it is well.
#[tokio::test]
async fn the_example_of_an_alert_gateway_tells_a_processor_of_problems() {
    let processor = RemoteAgent::answering(|_, asked| {
        let outcome = (asked.path == "/alerts").then_some("handled");
        let answer =
            outcome.into_iter().fold(Response::builder(), |answer, outcome| answer.header("gateway-outcome", outcome));
        answer.body(Full::default()).unwrap()
    })
    .await;
    let address = processor.address;
    let allowed = format!("host = \"127.0.0.1\", port = {}", address.port());
    let changes = [
        ("http://alert-processor:8081", format!("http://{address}")),
        ("host = \"alert-processor\", port = 8081, private = true", allowed),
        ("health_interval = \"10s\"", "health_interval = \"1s\"".to_owned()),
        // The tests find the admin API beside the webhooks.
        ("listen = \"127.0.0.1:9090\"", String::new()),
    ];
    let setup = configured("alert-gateway.toml", &changes.each_ref().map(|(from, to)| (*from, to.as_str())))
        .without("\n[http]\nlisten = \"127.0.0.1:0\"\n")
        .env("GATEWAY__HTTP__LISTEN", "127.0.0.1:0")
        .env("PROMETHEUS_WEBHOOK_SECRET", "prometheus-token")
        .env("GRAFANA_WEBHOOK_SECRET", "grafana-token")
        .plugin(built_in::ALERTMANAGER)
        .plugin(built_in::GRAFANA)
        .plugin(built_in::HTTP);
    let check = setup.command(&["check"]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let gateway = setup.start().await;
    let told = || -> Vec<Value> {
        let told = processor.received().into_iter().filter(|received| received.path == "/alerts");
        told.map(|told| told.json()["event"].clone()).collect()
    };
    let until_told = async |kind: &str, count: usize| {
        gateway
            .until(kind, async || {
                let of_kind: Vec<_> = told().into_iter().filter(|event| event["type"] == kind).collect();
                (of_kind.len() >= count).then(|| of_kind.last().cloned()).flatten()
            })
            .await
    };
    let burn = json!({
        "alertname": "KettleHot", "instance": "kettle-1", "severity": "critical", "namespace": "prod-kitchen",
    });
    let alert = |labels: &Value, fingerprint: usize| {
        json!({
            "status": "firing", "labels": labels, "annotations": {"summary": "It burns"}, "startsAt": "2026-03-01T10:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": format!("{fingerprint:016x}"),
        })
    };
    let notify = async |path: &str, token: &str, version: &str, alerts: Vec<Value>| {
        let body = json!({
            "version": version, "receiver": "gateway", "status": "firing", "groupKey": "{}:{}", "truncatedAlerts": 0,
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://sender.example",
            "orgId": 1, "alerts": alerts,
        });
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        gateway.client.post(path, &headers, body.to_string()).await
    };
    let prometheus = async || notify("/webhook/prometheus", "prometheus-token", "4", vec![alert(&burn, 1)]).await;

    prometheus().await.expect_accepted();
    let opened = until_told("alerts.opened", 1).await;
    let done = "gateway_alert_incidents{state=\"handled\",severity=\"critical\"} 1";
    gateway.until("the word of the processor", async || gateway.metrics().await.contains(done).then_some(())).await;

    for (duplicate, escalations) in [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)] {
        prometheus().await.expect_status(200);
        // What is decided about it is in one commit with what it leads to.
        let decided = format!("repeat {duplicate} of incident {}, ", opened["subject"].as_str().unwrap());
        gateway
            .until(&decided, async || {
                let id = gateway.list("events?channel=prometheus&limit=1").await[0]["id"].as_str().unwrap().to_owned();
                let event = gateway.json(&format!("/admin/events/{id}")).await;
                event["timeline"].to_string().contains(&decided).then_some(())
            })
            .await;
        let escalated = gateway.list("events?channel=alerts&kind=alerts.escalated").await;
        assert_eq!(escalated.len(), escalations, "after {duplicate} duplicates");
    }
    let escalated = until_told("alerts.escalated", 2).await;
    assert_eq!((&escalated["subject"], &escalated["priority"]), (&opened["subject"], &json!("high")));
    let data = &escalated["data"];
    assert_eq!(data["priority"], "immediate");
    let escalation = &data["escalations"][0];
    assert_eq!(
        [&escalation["rule"], &escalation["count"], &escalation["threshold"], &escalation["text"]],
        [&json!("total"), &json!(5), &json!(5), &json!("5 duplicates in production")]
    );
    let incident = &data["incident"];
    assert_eq!(incident["severity"], json!({"raw": "critical", "level": "critical"}));
    assert_eq!(
        [&incident["state"], &incident["environment"], &incident["storm"]],
        [&json!("handled"), &json!("production"), &Value::Null]
    );
    assert_eq!(incident["signals"], json!({"total": 1, "firing": 1, "suppressed": 0}));
    let alert_told = &data["alerts"][0];
    assert_eq!([&alert_told["labels"], &alert_told["annotations"]], [&burn, &json!({"summary": "It burns"})]);
    assert_eq!(
        [&alert_told["fingerprint"], &alert_told["environment"], &alert_told["severity"]],
        [&json!("0000000000000001"), &json!("production"), &json!({"raw": "critical", "level": "critical"})]
    );
    assert_eq!([&alert_told["duplicates"], &alert_told["notifications"]], [5, 6]);
    assert_eq!(told().len(), 3, "opened and escalated by two rules");

    let hosts: Vec<_> =
        (0..12).map(|host| alert(&json!({"alertname": "HostDown", "instance": host.to_string()}), host)).collect();
    notify("/webhook/grafana", "grafana-token", "1", hosts).await.expect_accepted();
    let storm = until_told("alerts.storm.started", 1).await;
    assert!(storm["data"]["incident"]["storm"].is_object(), "{storm}");

    let asked = async || processor.received().into_iter().find(|asked| asked.path == "/health");
    assert_eq!(gateway.until("a question for its health", asked).await.method, "GET");
    let row = async || {
        Some(gateway.list("agents").await[0]["endpoints"][0]["health"]["ok"].clone()).filter(Value::is_boolean)
    };
    assert_eq!(gateway.until("its health", row).await, true);
}

/// An event of a type that nobody declared is an error, and so is one whose data does not match.
#[tokio::test]
async fn the_example_of_a_web_gateway_leads_to_eight_services() {
    const SERVICES: [(&str, u16, &[&str]); 8] = [
        ("training", 3001, &["/api/v1/training"]),
        ("provider", 3200, &["/api/v1/providers", "/api/v1/budget"]),
        ("orchestration", 3100, &["/api/v1/intent", "/api/v1/dag"]),
        ("analytics", 3300, &["/api/v1/analytics"]),
        ("integration", 3400, &["/api/v1/oauth", "/api/v1/github"]),
        ("context", 3020, &["/api/v1/context"]),
        ("product", 3006, &["/api/v1/workflows", "/api/v1/artifacts"]),
        ("design", 3014, &["/api/v1/design"]),
    ];
    let mut services = Vec::new();
    let mut changes = vec![
        (
            "[http]\n# Webhooks and the admin API, for this machine.\nlisten = \"127.0.0.1:8080\"\n".to_owned(),
            String::new(),
        ),
        ("127.0.0.1:3000".to_owned(), "127.0.0.1:0".to_owned()),
        ("health = { path".to_owned(), "health = { interval = \"100ms\", path".to_owned()),
    ];
    for (name, port, prefixes) in SERVICES {
        let body = name.to_owned();
        let service = Backend::answering_by(move |seen| {
            let body = if seen.line().starts_with("GET /health ") { "" } else { &body };
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        });
        let service = service.await;
        changes.push((format!("127.0.0.1:{port}\""), format!("{}\"", service.address)));
        services.push((name, prefixes, service));
    }
    let changes: Vec<_> = changes.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let setup = configured("web.toml", &changes);
    let check = setup.command(&["check"]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let gateway = setup.start().await;
    let web = Client::new(gateway.sites().await);
    let all_up = async || (web.get("/api/v1/health").await.status == 200).then_some(());
    gateway.until("all services are up", all_up).await;

    for (name, prefixes, service) in &services {
        for prefix in *prefixes {
            let reply = web.post(&format!("{prefix}/1?x=y"), &[("content-type", "application/json")], "{}").await;
            assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, name.as_bytes()), "{prefix}");
            assert_eq!(service.only().await.line(), format!("POST {prefix}/1?x=y HTTP/1.1"));
        }
    }
    assert_eq!(web.get("/api/v1/trainings").await.status, 404);
    assert_eq!(web.post("/api/v1/dag", &[], vec![b'x'; (2 << 20) + 1]).await.status, 413);
    let (_, _, product) = services.remove(6);
    drop(product);
    let health = gateway
        .until("a service is down", async || {
            let reply = web.get("/api/v1/health").await;
            (reply.status == 503).then(|| reply.json())
        })
        .await;
    assert_eq!(
        (&health["ok"], &health["services"]["product"], &health["services"]["training"]),
        (&json!(false), &json!("down"), &json!("up"))
    );
}

#[tokio::test]
async fn the_example_for_training_takes_its_types_and_no_others() {
    let mut setup = configured("training/gateway.toml", &[]).env("TRAINING_KEY", KEY);
    for entry in fs::read_dir(example("training/schemas")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("schemas/{}", path.file_name().unwrap().to_str().unwrap());
        setup = setup.file(&name, fs::read(path).unwrap());
    }
    let gateway = setup.start().await;
    let emit = async |channel: &str, kind: &str, data: Value| {
        let event = json!({"specversion": "1.0", "id": kind, "source": "/services", "type": kind, "data": data});
        let headers = [("api-key", KEY), ("content-type", "application/cloudevents+json")];
        gateway.client.post(&format!("/api/events?channel={channel}"), &headers, event.to_string()).await
    };
    for (channel, kind, good, bad) in [
        ("training", "training.started", json!({"student": "ada"}), json!({"student": ""})),
        ("training", "training.paused", json!({"student": "ada", "minutes": 5}), json!({"minutes": 5})),
        (
            "mastery",
            "mastery.improved",
            json!({"student": "ada", "skill": "sums", "level": 0.8}),
            json!({"student": "ada", "skill": "sums", "level": 8}),
        ),
        ("provider", "provider.selected", json!({"provider": "local"}), json!({"provider": 1})),
        ("intent", "intent.created", json!({"intent": "learn"}), json!([])),
    ] {
        emit(channel, kind, bad).await.expect_problem(422, "schema_mismatch");
        emit(channel, kind, good).await.expect_status(202);
        let unknown = format!("{channel}.forgotten");
        emit(channel, &unknown, json!({"student": "ada"})).await.expect_problem(422, "schema_mismatch");
    }
    assert_eq!(gateway.list("events").await.len(), 5);
}

pub(crate) fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples").join(file)
}

/// Where an example is built, in the target folder.
pub(crate) fn build_folder(language: &str) -> PathBuf {
    let folder = Path::new(BINARY).ancestors().nth(2).unwrap().join("examples").join(language);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Builds an example. False, and a line that says why, where its language is not installed.
pub(crate) fn built(mut build: Command) -> bool {
    let Ok(output) = build.output() else {
        eprintln!("skipped: {} is not installed", build.get_program().display());
        return false;
    };
    assert!(output.status.success(), "{build:?}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

/// A receiver that runs. Killed when dropped.
struct Receiver {
    child: Child,
    lines: Lines<String>,
    address: SocketAddr,
}

impl Receiver {
    /// `None`, and a line that says why, where its language is not installed.
    fn start(mut command: Command) -> Option<Self> {
        command.arg("127.0.0.1:0").env("TRIAGE_KEY", SECRET).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            eprintln!("skipped: {} is not installed", command.get_program().display());
            return None;
        };
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100);
        // Lines that nobody waits for any more have nowhere to go.
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut receiver = Self { child, lines, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        receiver.address = receiver.line().strip_prefix("listening on ").unwrap().parse().unwrap();
        Some(receiver)
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the receiver prints a line")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It fails only when the receiver has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Delivers an event to the receiver, and then sends it what is not genuine.
async fn verifies(command: Command) {
    let Some(receiver) = Receiver::start(command) else { return };
    let address = receiver.address;
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::HTTP)
        .config(&format!(
            r#"
            [agents.triage]
            plugin = "http"
            config = {{ url = "http://{address}/events", credential = "key" }}
            allow_hosts = ["{address}"]
            [agents.triage.credentials.key]
            kind = "standard-webhooks"
            secret = {{ env = "TRIAGE_KEY" }}
            hosts = ["{address}"]
            [[routes]]
            agents = ["triage"]
            "#
        ))
        .env("TRIAGE_KEY", SECRET)
        .start()
        .await;

    let headers = [("content-type", "application/json")];
    let id = gateway.client.post("/webhooks/dummy", &headers, r#"{"a":"ü"}"#).await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    let line = receiver.line();
    assert!(line.starts_with("verified ") && line.ends_with(&id), "{line}");

    let client = Client::new(address);
    let answer = async |id: &str, time: u64, signature: &str, body: &str| {
        let time = time.to_string();
        let headers = [("webhook-id", id), ("webhook-timestamp", &time), ("webhook-signature", signature)];
        client.post("/events", &headers, body).await.status.as_u16()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = r#"{"event":{"type":"a.b","id":"1"}}"#;
    let good = signature("1", now, body);
    assert_eq!(answer("1", now, &good, body).await, 204);
    // While the secret is rotated there are several, and other versions are passed over.
    assert_eq!(answer("1", now, &format!("v1,AAAA v1a,{} {good}", &good[3..]), body).await, 204);
    assert_eq!(answer("1", now, &good, r#"{"event":{"type":"a.c","id":"1"}}"#).await, 401, "another body");
    assert_eq!(answer("2", now, &good, body).await, 401, "another id");
    assert_eq!(answer("1", now - 1, &good, body).await, 401, "another time");
    assert_eq!(answer("1", now, "v1,AAAA", body).await, 401, "no signature");
    assert_eq!(answer("1", now, &good.replace("v1,", "v1a,"), body).await, 401, "another version");
    assert_eq!(answer("1", now - 1000, &signature("1", now - 1000, body), body).await, 401, "an old one");
    assert_eq!(answer("1", now + 1000, &signature("1", now + 1000, body), body).await, 401, "one from the future");
    assert_eq!(client.post("/events", &[], body).await.status.as_u16(), 401, "not signed");
}

/// The value of `webhook-signature`.
fn signature(id: &str, time: u64, body: &str) -> String {
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// A gateway with the configuration `examples/{file}`, where the texts of `changes` are replaced.
fn configured(file: &str, changes: &[(&str, &str)]) -> Setup {
    let mut config = fs::read_to_string(example(file)).unwrap();
    for (from, to) in changes {
        assert!(config.contains(from), "`{from}` is not in the example `{file}`");
        config = config.replace(from, to);
    }
    Setup::new().config(&config).env("TRIAGE_KEY", SECRET)
}

/// Checks the configuration, serves with it, sends a sample of the channel, and waits until the agent receives a body that is
/// `wanted`.
async fn delivers(setup: Setup, channel: &str, sample: &str, agent: &RemoteAgent, wanted: fn(&Value) -> bool) {
    let check = setup.command(&["check"]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let gateway = setup.start().await;
    let (code, _, error) = gateway.cli(&["send", channel, "--sample", sample]);
    assert_eq!(code, 0, "{error}");
    gateway
        .until("a delivery", async || agent.received().iter().any(|received| wanted(&received.json())).then_some(()))
        .await;
}
