//! The HTTP server over real sockets, with a log in memory and no plugins.

mod long_connections;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::alert::{self, Alerts};
use crate::caller::{Access, FetchKeys, Fetching, KeySets, KeySource};
use crate::catalog::{Catalog, KindCounts};
use crate::dispatch::{self, Dispatch};
use crate::egress::EgressSettings;
use crate::event::{Destination, EventId, Facts, RequestId, Timestamp};
use crate::eventlog::contract::new_event;
use crate::eventlog::{self, Batch, CommitSink, EngineKind, EventLog, NewEvent, Note};
use crate::ingest::{self, ChannelSettings, DowngradeCheck, Ingest, PollSettings, Router};
use crate::metrics::Metrics;
use crate::notice::Notices;
use crate::plugin::{self, AllowAll, CallLimits, PluginHost};
use crate::replay::{self, Replays};
use crate::schema::Schemas;
use crate::skill::Skills;
use crate::subscribe::{Arrivals, Subscriptions};
use crate::systemd::Sockets;
use crate::verify::Secret;
use crate::web::{self, Web};

use super::{Server, Services, Settings, reloads};

/// Long enough for every test, short enough for a person.
const PATIENCE: Duration = Duration::from_secs(10);

struct NoKeys;

impl FetchKeys for NoKeys {
    fn fetch<'a>(&'a self, _: &'a str, _: &'a KeySource) -> Fetching<'a> {
        Box::pin(async { None })
    }
}

struct NoRoutes;

impl Router for NoRoutes {
    fn route(&self, _: &Facts<'_>) -> Destination {
        Destination::default()
    }
}

struct Gateway {
    addresses: Vec<SocketAddr>,
    log: EventLog,
    shutdown: CancellationToken,
    serving: JoinSet<()>,
    _dir: TempDir,
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A refusal in the shape that all refusals have.
    fn expect_problem(&self, status: u16, code: &str) -> &Self {
        let json = self.json();
        assert_eq!((self.status, json["code"].as_str().unwrap()), (status, code), "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(json["status"], status);
        assert_eq!(json["type"], format!("urn:gateway:problem:{code}"));
        assert!(json["title"].is_string() && json["detail"].is_string());
        assert_eq!(self.header("x-request-id"), json["request_id"].as_str());
        self
    }
}

impl Gateway {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        change(&mut settings);
        let metrics = Metrics::new();
        let ingest = ingest::Settings {
            channels: vec![waiting("optional", false)],
            auto_mount: true,
            auto_limits: CallLimits::default(),
        };
        let plugins = plugin::Settings {
            instances: 1,
            ..plugin::Settings::new(dir.path().join("plugins"), dir.path().join("cache"))
        };
        std::fs::create_dir_all(&plugins.dir).unwrap();
        let check = Arc::new(DowngradeCheck::new(&ingest));
        let plugins = PluginHost::start(plugins, &metrics, check, Arc::new(AllowAll)).await.unwrap();
        let dispatch = dispatch::Settings { agents: Vec::new(), routes: Vec::new(), held_bytes: 1 << 20 };
        let dispatch = Dispatch::new(
            dispatch,
            plugins.clone(),
            Skills::default(),
            Notices::new(Default::default(), &metrics),
            &metrics,
        );
        let memory = eventlog::Settings::new(EngineKind::Memory);
        let arrivals = Arrivals::default();
        let sinks: Vec<Arc<dyn CommitSink>> = vec![Arc::new(dispatch.clone()), Arc::new(arrivals.clone())];
        let log = EventLog::open(&memory, &metrics, sinks).unwrap();
        let schemas = Schemas::load(Default::default(), log.clone(), &metrics).await.unwrap();
        let catalog = Catalog::new(KindCounts::default(), schemas.clone(), Box::new(Vec::new));
        let ingest = Ingest::new(ingest, plugins.clone(), log.clone(), Arc::new(NoRoutes), schemas, &metrics);
        let replays = Replays::load(replay::Settings::default(), log.clone(), BTreeSet::new(), &metrics).unwrap();
        let services = Services {
            catalog,
            ingest,
            dispatch,
            reload: reloads(Vec::new(), &metrics).0,
            replays,
            log: log.clone(),
            plugins,
            key_sets: Arc::new(KeySets::new(Arc::new(NoKeys))),
            skills: Skills::default(),
            alerts: Alerts::new(alert::Settings::default(), &metrics),
            subscriptions: Subscriptions::load(Default::default(), log.clone(), arrivals, &metrics).unwrap(),
            web: Web::new(web::Settings::default(), &metrics),
            metrics,
            started_at: Timestamp::now(),
        };
        let server =
            Server::bind(settings, services, Sockets::default()).await.unwrap().with_routes(long_connections::ROUTES);
        let (addresses, shutdown, mut serving) = (server.addresses(), CancellationToken::new(), JoinSet::new());
        serving.spawn(server.run(shutdown.clone()));
        Self { addresses, log, shutdown, serving, _dir: dir }
    }

    fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    /// `headers` are whole lines.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        ask(self.address(), method, path, headers).await
    }

    /// Waits for a free place.
    async fn becomes_reachable(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.get("/health").await.status != 200 {
            assert!(tokio::time::Instant::now() < deadline, "the place is not given back");
        }
    }

    async fn append(&self, text: &'static str) -> EventId {
        let event = NewEvent {
            subject: None,
            time: Timestamp::now(),
            content_type: "text/plain".to_owned(),
            attributes: Vec::new(),
            ..new_event(text)
        };
        self.log.commit(vec![event].into()).await.unwrap().events.remove(0).id()
    }
}

fn waiting(name: &str, required: bool) -> ChannelSettings {
    ChannelSettings {
        emit: false,
        name: name.parse().unwrap(),
        plugin: "absent".parse().unwrap(),
        paths: vec![format!("/webhooks/{name}"), "/webhook/custom".to_owned()],
        secrets: Vec::new(),
        missing_secret: None,
        verification: None,
        access: Access::default(),
        rate_limit: None,
        overload_status: None,
        required,
        methods: None,
        content_types: None,
        on_unknown: None,
        max_body: None,
        encodings: Vec::new(),
        states: None,
        late_window: Duration::ZERO,
        keep_repeats: false,
        silent_after: None,
        keep_headers: Vec::new(),
        config: BTreeMap::new(),
        limits: CallLimits::default(),
        egress: EgressSettings::default(),
        state: 0,
        poll: PollSettings::NEVER,
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Reply {
    let host =
        if headers.to_ascii_lowercase().contains("host:") { String::new() } else { format!("host: {address}\r\n") };
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    reply(&mut stream).await
}

/// Everything until the gateway hangs up.
async fn reply(stream: &mut TcpStream) -> Reply {
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("an answer in time").unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

#[tokio::test]
async fn everybody_may_ask_for_the_health() {
    let gateway = Gateway::start(|_| {}).await;

    for path in ["/health", "/health/live"] {
        let reply = gateway.ask("GET", path, "host: elsewhere\r\nx-forwarded-for: 1.2.3.4\r\n").await;
        assert_eq!((reply.status, reply.json()), (200, serde_json::json!({"status": "ok"})));
        assert!(reply.header("x-request-id").is_some());
    }
    let ready = gateway.get("/health/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["failing"][0]["part"], "channel:optional");
    assert_eq!(ready.json()["failing"][0]["required"], false);
    let metrics = gateway.get("/metrics").await;
    assert!(metrics.body.contains("gateway_http_connections 1\n"), "{}", metrics.body);
    assert_eq!(gateway.get("/").await.json()["health"], "/health");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let gateway = Gateway::start(|_| {}).await;
    for (version, hosts, expected) in [
        ("1.1", "host: a\r\n", 200),
        ("1.1", "", 400),
        ("1.1", "host: a\r\nhost: a\r\n", 400),
        ("1.0", "", 200),
        ("1.0", "host: a\r\nhost: b\r\n", 400),
    ] {
        let mut stream = gateway.connect().await;
        let request = format!("GET /health HTTP/{version}\r\nconnection: close\r\n{hosts}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(reply(&mut stream).await.status, expected, "{version} {hosts}");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_length_without_the_body() {
    let gateway = Gateway::start(|_| {}).await;

    let (get, head) = (gateway.get("/health").await, gateway.ask("HEAD", "/health", "").await);

    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(get.header("content-length"), Some("16"));
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let gateway = Gateway::start(|_| {}).await;

    gateway.ask("POST", "/webhooks/nobody", "").await.expect_problem(404, "unknown_channel");
    gateway.get("/elsewhere").await.expect_problem(404, "not_found");
    let method = gateway.ask("POST", "/health", "").await;
    assert_eq!(method.expect_problem(405, "method_not_allowed").header("allow"), Some("GET, HEAD"));
    for path in ["/webhooks/optional", "/webhook/custom", "/webhook/custom/below"] {
        let waiting = gateway.ask("POST", path, "content-length: 0\r\n").await;
        assert_eq!(waiting.expect_problem(503, "channel_waiting").header("retry-after"), Some("5"));
    }
    gateway.ask("GET", "/health", "host: a\r\nhost: b\r\n").await.expect_problem(400, "malformed");
    let metrics = gateway.get("/metrics").await.body;
    for line in [
        "webhook_requests_total{provider=\"_unknown\",status=\"404\"} 2",
        "webhook_requests_total{provider=\"optional\",status=\"503\"} 3",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn the_admin_api_shows_what_the_log_holds() {
    let gateway = Gateway::start(|_| {}).await;
    let (first, second) = (gateway.append("one").await, gateway.append("two").await);

    let page = gateway.get("/admin/events?limit=1").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let page = page.json();
    assert_eq!(page["events"][0]["id"], second.to_string());
    let next = gateway.get(&format!("/admin/events?limit=1&cursor={}", page["next"].as_str().unwrap())).await.json();
    assert_eq!(next["events"][0]["id"], first.to_string());

    let event = gateway.get(&format!("/admin/events/{first}")).await.json();
    assert_eq!((&event["data"], &event["status"]), (&Value::from("one"), &Value::from("accepted")));
    let stranger = format!("/admin/events/{}", RequestId::new());
    gateway.get(&stranger).await.expect_problem(404, "unknown_event");
    gateway.get("/admin/events/x").await.expect_problem(404, "unknown_event");
    let bad = gateway.get("/admin/events?limit=0").await;
    assert_eq!(bad.expect_problem(400, "invalid_parameter").json()["parameter"], "limit");

    let replay = format!("/admin/events/{first}/replay");
    gateway.ask("POST", &replay, "").await.expect_problem(409, "unrouted");
    gateway.ask("POST", &replay, "origin: http://evil.example\r\n").await.expect_problem(403, "forbidden");
    assert_eq!(gateway.get(&replay).await.header("allow"), Some("POST"));

    assert_eq!(gateway.get("/admin/stats").await.json()["events"]["accepted"], 2);
    let channels = gateway.get("/admin/channels").await.json();
    assert_eq!(
        (&channels["channels"][0]["state"], &channels["channels"][0]["accepted"]),
        (&"waiting".into(), &0.into())
    );
    for noun in ["agents", "consumers", "plugins", "routes", "skills", "deliveries", "replays"] {
        assert_eq!(gateway.get(&format!("/admin/{noun}")).await.json()[noun], serde_json::json!([]), "{noun}");
    }
}

#[tokio::test]
async fn the_timeline_of_an_event_has_what_a_processor_noted() {
    let gateway = Gateway::start(|_| {}).await;
    let id = gateway.append("hello").await;
    let note = Note { by: "alert".to_owned(), at: Timestamp::now(), text: "repeat 7 of incident 3".to_owned() };
    let batch = Batch { values: vec![note.about(id.seq())], ..Batch::default() };
    gateway.log.commit(batch).await.unwrap();

    let event = gateway.get(&format!("/admin/events/{id}")).await.json();

    let last = event["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["what"], &last["by"], &last["message"]),
        (&"note".into(), &"alert".into(), &"repeat 7 of incident 3".into())
    );
}

#[tokio::test]
async fn the_admin_api_is_for_operators() {
    let open = Gateway::start(|_| {}).await;
    for headers in ["host: evil.example\r\n", "x-forwarded-for: 1.2.3.4\r\n", "via: 1.1 proxy\r\n"] {
        open.ask("GET", "/admin/stats", headers).await.expect_problem(403, "forbidden");
    }

    let apart = Gateway::start(|settings| {
        settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
        settings.admin.token = Some(Secret::new(b"sesame".to_vec()).unwrap());
    })
    .await;
    apart.get("/admin/stats").await.expect_problem(404, "not_found");
    let [public, admin] = apart.addresses[..] else { panic!("two addresses") };
    ask(admin, "POST", "/webhooks/optional", "").await.expect_problem(404, "not_found");
    let refused = ask(admin, "GET", "/admin/stats", "").await;
    assert!(refused.expect_problem(401, "unauthorized").header("www-authenticate").unwrap().starts_with("Bearer"));
    assert_eq!(ask(admin, "GET", "/admin/stats", "authorization: Bearer sesame\r\n").await.status, 200);
    for address in [public, admin] {
        assert_eq!(ask(address, "GET", "/health", "").await.status, 200);
    }
    assert_eq!(ask(admin, "GET", "/metrics", "").await.status, 200);
    ask(public, "GET", "/metrics", "").await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_caller_beyond_the_limit_is_refused() {
    check_turned_away(|settings| settings.max_connections = 1).await;
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_refused() {
    check_turned_away(|settings| settings.max_connections_per_address = 1).await;
}

/// With a place for one connection the second is refused, until the first is gone.
async fn check_turned_away(change: impl FnOnce(&mut Settings)) {
    let gateway = Gateway::start(change).await;
    let mut first = gateway.connect().await;
    first.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.readable().await.unwrap();

    let refused = gateway.get("/health").await;
    assert_eq!(refused.expect_problem(503, "overloaded").header("retry-after"), Some("5"));
    assert_eq!(refused.header("content-length"), Some(refused.body.len().to_string().as_str()));
    drop(first);

    gateway.becomes_reachable().await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_before_any_work() {
    let gateway = Gateway::start(|settings| {
        settings.max_requests = 0;
        settings.retry_after = Duration::from_millis(1500);
    })
    .await;

    let refused = gateway.ask("POST", "/webhooks/optional", "content-length: 5\r\nexpect: 100-continue\r\n").await;

    assert_eq!(refused.expect_problem(503, "overloaded").header("retry-after"), Some("2"));
    assert_eq!(gateway.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_log_that_accepts_no_events_is_reported_before_anything_is_read() {
    let gateway = Gateway::start(|_| {}).await;
    gateway.log.clone().close().await;

    let refused = gateway.ask("POST", "/webhooks/optional", "content-length: 5\r\nexpect: 100-continue\r\n").await;

    assert_eq!(refused.expect_problem(503, "store_unavailable").header("retry-after"), Some("5"));
    let metrics = gateway.get("/metrics").await.body;
    assert!(metrics.contains("gateway_http_refused_total{reason=\"store\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_caller_that_sends_nothing_or_too_little_is_disconnected() {
    let gateway = Gateway::start(|settings| {
        settings.header_timeout = Duration::from_millis(50);
        settings.idle_timeout = Duration::from_millis(100);
    })
    .await;

    for said in ["", "PRI * HT", "POST /webhooks/optional HTTP/1.1\r\nhost:", "GET /health HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        let mut stream = gateway.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let reply = reply(&mut stream).await;
        assert_eq!(reply.status, if said.starts_with("GET") { 200 } else { 0 }, "{said}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let gateway = Gateway::start(|settings| settings.max_header_bytes = 8 << 10).await;

    let reply = gateway.ask("GET", "/health", &format!("x-long: {}\r\n", "a".repeat(9 << 10))).await;

    assert_eq!(reply.status, 431);
}

#[tokio::test]
async fn shutdown_frees_the_address_and_lets_nobody_hang() {
    let mut gateway = Gateway::start(|settings| settings.shutdown_grace = Duration::from_millis(200)).await;
    let mut idle = gateway.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.readable().await.unwrap();
    let mut slow = gateway.connect().await;
    slow.write_all(b"POST /webhooks/optional HTTP/1.1\r\nhost: x\r\ncontent-le").await.unwrap();

    gateway.shutdown.cancel();

    assert_eq!(reply(&mut idle).await.status, 200);
    tokio::time::timeout(PATIENCE, gateway.serving.join_next()).await.expect("an end in time");
    assert!(TcpStream::connect(gateway.address()).await.is_err());
}
