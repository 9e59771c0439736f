//! The configuration changes while the gateway runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Full;
use hyper::Response;
use serde_json::{Value, json};

use crate::support::{RemoteAgent, Setup, TO_STUB, TestGateway, built_in};

/// Nothing is reloaded unless it is asked for.
const UNWATCHED: &str = "\n[reload]\nwatch = false\n";

/// A gateway with the channel `dummy`, whose events go to the agent `stub`.
fn dummy() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB)
}

async fn reloaded(gateway: &TestGateway) -> Value {
    gateway.reload().await.expect_status(200).json()
}

/// Channels, agents and routes come and go; deliveries to an agent that is gone stay, and go on when it is back.
#[tokio::test]
async fn channels_agents_and_routes_come_and_go() {
    const BACK: &str = "\n[agents.second]\nplugin = \"stub\"\n";
    let mut gateway = dummy().config(UNWATCHED).start().await;
    gateway.post("later", "1").await.expect_status(404);

    gateway.reconfigure(
        TO_STUB,
        "\n[channels.later]\nplugin = \"dummy\"\n[agents.second]\nplugin = \"absent\"\n[[routes]]\nagents = [\"second\"]\n",
    );
    let reload = reloaded(&gateway).await;
    assert_eq!(reload["outcome"], "applied");
    assert_eq!(reload["changed"], json!(["agents.second", "agents.stub", "channels.later", "routes"]));
    assert_eq!(reload["restart"], json!([]));
    let waits = "agent `second` waits: no serving plugin `absent` in the plugin folder";
    assert_eq!(reload["warnings"], json!([waits]));
    let id = gateway.post("later", "2").await.expect_accepted();
    let agents = gateway.list("agents").await;
    assert_eq!(agents.len(), 1, "{agents:?}");
    assert_eq!(gateway.event_until(&id, "pending").await["deliveries"][0]["agent"], "second");

    // Gone while its delivery is open, and back with a plugin that is there.
    gateway.reconfigure("[agents.second]\nplugin = \"absent\"\n[[routes]]\nagents = [\"second\"]\n", "");
    assert_eq!(reloaded(&gateway).await["outcome"], "applied");
    gateway.logged(&["Deliveries wait for an agent that is not configured", "second"]).await;
    let (_, table, _) = gateway.cli(&["deliveries"]);
    assert!(table.contains("  no agent  "), "{table}");
    let (_, shown, _) = gateway.cli(&["events", "show", &id]);
    assert!(shown.contains("waiting for second, which is not configured\n"), "{shown}");
    let (_, told, _) = gateway.cli(&["status"]);
    assert!(told.contains("`gateway deliveries cancel --agent second --dry-run` counts them"), "{told}");
    gateway.reconfigure("[channels.later]", &format!("{BACK}[channels.later]"));
    assert_eq!(reloaded(&gateway).await["changed"], json!(["agents.second"]));
    gateway.event_until(&id, "delivered").await;
}

/// The file, a file with a secret, a signal: each is seen without a request of the admin API.
#[tokio::test]
async fn changes_of_files_and_signals_are_seen() {
    const WATCHED: &str = "\n[reload]\ninterval = \"100ms\"\n";
    let secret = "\n[channels.github]\nsecret = { file = \"github.secret\" }\n";
    let setup =
        Setup::new().plugin(built_in::GITHUB).plugin(built_in::STUB).config(TO_STUB).config(secret).config(WATCHED);
    let mut gateway = setup.file("github.secret", "another\n").start().await;
    gateway.client.post_github("ping", &[], "{}").await.expect_status(401);

    fs::write(gateway.path().join("github.secret"), "mysecret\n").unwrap();
    gateway.logged(&["Configuration applied", "trigger=\"file\"", "github.secret"]).await;
    gateway.client.post_github("ping", &[], "{}").await.expect_accepted();

    gateway.reconfigure("level = \"debug\"", "level = \"info\"");
    gateway.logged(&["Configuration applied", "log.level"]).await;
    gateway.reconfigure(WATCHED, UNWATCHED);
    gateway.logged(&["Configuration applied", "reload.interval, reload.watch"]).await;
    gateway.reconfigure("level = \"info\"", "level = \"debug\"");
    gateway.hang_up();
    gateway.logged(&["Configuration applied", "trigger=\"signal\"", "log.level"]).await;
    gateway.client.post_github("ping", &[], "{}").await.expect_accepted();
    let since = |log: String| log.split_once("trigger=\"signal\"").map(|(_, since)| since.to_owned());
    let is_told = async || since(gateway.log()).filter(|since| since.contains("DEBUG"));
    gateway.until("lines of the level `debug` again", is_told).await;
}

/// A file that is not valid changes nothing, and everybody who may know is told.
#[tokio::test]
async fn the_last_good_configuration_serves_on() {
    const BROKEN: &str = "\n[http.rate_limit]\nrate = \"many\"\n";
    let mut gateway = dummy().config(UNWATCHED).start().await;
    let is_good = async |gateway: &TestGateway, value: u8| {
        gateway.metrics().await.contains(&format!("gateway_config_last_reload_successful {value}\n"))
    };
    assert!(is_good(&gateway, 1).await);

    gateway.reconfigure(UNWATCHED, &format!("{UNWATCHED}{BROKEN}[agents.more]\nplugin = \"stub\"\n"));
    let refusal = gateway.reload().await.expect_problem(422, "configuration_refused");
    assert!(refusal.contains("http.rate_limit.rate: expected a count and a unit"), "{refusal}");
    let (code, _, told) = gateway.cli(&["reload"]);
    assert!(code == 1 && told.contains(" has 1 problem\n  http.rate_limit.rate: "), "{told}");
    let (_, told, _) = gateway.cli(&["status"]);
    assert!(told.contains(" has 1 problem\n            http.rate_limit.rate: "), "{told}");
    assert_eq!(gateway.list("agents").await.len(), 1);
    gateway.post("dummy", "1").await.expect_accepted();
    assert!(is_good(&gateway, 0).await);
    let health = gateway.client.get("/health/ready").await.expect_status(200).json();
    assert_eq!(health["failing"][0]["part"], "configuration");
    assert_eq!(gateway.json("/admin/reload").await["outcome"], "refused");

    gateway.reconfigure(BROKEN, "\n");
    assert_eq!(reloaded(&gateway).await["changed"], json!(["agents.more"]));
    assert!(is_good(&gateway, 1).await);
    assert_eq!(gateway.json("/health/ready").await["failing"], json!([]));
}

/// A secret that can never verify is refused as it is at the start.
#[tokio::test]
async fn a_secret_that_cannot_work_is_refused() {
    let channel = "\n[channels.hooks]\nplugin = \"discord\"\nsecret = { file = \"key\" }\n";
    let setup = dummy().plugin(built_in::DISCORD).config(UNWATCHED).file("key", "hunter2");
    let mut gateway = setup.start().await;

    gateway.reconfigure(UNWATCHED, &format!("{UNWATCHED}{channel}"));
    let refusal = gateway.reload().await.expect_problem(422, "configuration_refused");

    assert!(refusal.contains("channels.hooks.secret"), "{refusal}");
    gateway.post("hooks", "1").await.expect_status(404);
}

/// The keys that only a restart applies are named, until they are as they were.
#[tokio::test]
async fn what_needs_a_restart_is_named() {
    let mut gateway = dummy().config(UNWATCHED).start().await;
    let dir = "dir = \"data\"";

    gateway.reconfigure(dir, "dir = \"other\"\ndedup_max = 7");
    let (code, told, _) = gateway.cli(&["reload"]);
    assert_eq!(
        (code, told.as_str()),
        (
            0,
            "applied: eventlog.dedup_max, eventlog.dir\nneeds a restart: eventlog.dir, eventlog.dedup_max, plugins.cache_dir\n"
        )
    );
    let (code, told, _) = gateway.cli(&["reload"]);
    assert_eq!(
        (code, told.as_str()),
        (0, "unchanged\nneeds a restart: eventlog.dir, eventlog.dedup_max, plugins.cache_dir\n")
    );
    let (_, told, _) = gateway.cli(&["status"]);
    assert!(told.contains("restart the gateway to apply eventlog.dir, "), "{told}");
    gateway.post("dummy", "1").await.expect_accepted();
    gateway.reconfigure("dir = \"other\"\ndedup_max = 7", dir);
    assert_eq!(reloaded(&gateway).await["restart"], json!([]));
}

/// Limits of requests, access and rates hold from the next request on.
#[tokio::test]
async fn limits_and_rates_hold_from_the_next_request_on() {
    let channel = "\n[channels.dummy]\n";
    let mut gateway = dummy().config(UNWATCHED).config(channel).start().await;
    gateway.post("dummy", vec![b'x'; 2000]).await.expect_accepted();

    gateway.reconfigure(channel, "\n[channels.dummy]\nmax_body = \"1KiB\"\nallow_from = [\"127.0.0.1\"]\n");
    reloaded(&gateway).await;
    gateway.post("dummy", vec![b'x'; 2000]).await.expect_status(413);
    gateway.reconfigure("allow_from = [\"127.0.0.1\"]", "allow_from = [\"192.0.2.1\"]");
    reloaded(&gateway).await;
    gateway.post("dummy", "1").await.expect_status(403);
    gateway.reconfigure("allow_from = [\"192.0.2.1\"]", "rate_limit = { rate = \"1/h\" }");
    reloaded(&gateway).await;
    gateway.post("dummy", "1").await.expect_accepted();
    reloaded(&gateway).await;
    gateway.post("dummy", "2").await.expect_status(429);
    gateway.reconfigure("[http]\n", "[http]\nmax_body = \"1MiB\"\n");
    reloaded(&gateway).await;
    gateway.post("dummy", "3").await.expect_status(429);
}

/// What an agent is called with changes between two attempts of one delivery, and its credential with it.
#[tokio::test]
async fn an_agent_that_changes_keeps_its_deliveries() {
    let fails = Arc::new(AtomicBool::new(true));
    let fail = Arc::clone(&fails);
    let agent = RemoteAgent::answering(move |_, _| {
        let status = if fail.load(Ordering::Relaxed) { 503 } else { 200 };
        Response::builder().status(status).body(Full::default()).unwrap()
    })
    .await;
    let address = agent.address;
    let keys = format!(
        "retry = {{ first_wait = \"1h\", max_wait = \"2h\" }}\n[agents.remote.credentials.api]\nkind = \"bearer\"\n\
         secret = {{ file = \"token\" }}\nhosts = [\"{address}\"]\n[[routes]]\nagents = [\"remote\"]\n"
    );
    let setup = Setup::new().remote(&agent, &keys).config(UNWATCHED).file("token", "old");
    let mut gateway = setup.start().await;
    let id = gateway.post("dummy", "1").await.expect_accepted();
    gateway.event_until(&id, "pending").await;
    gateway.until("the first attempt", async || (!agent.received().is_empty()).then_some(())).await;

    fails.store(false, Ordering::Relaxed);
    gateway.reconfigure("first_wait = \"1h\"", "first_wait = \"10ms\"");
    reloaded(&gateway).await;
    let next = gateway.post("dummy", "2").await.expect_accepted();

    gateway.event_until(&next, "delivered").await;
    assert_eq!(gateway.event_until(&id, "pending").await["deliveries"][0]["state"], "retrying");
}

/// Alerts begin with a reload, are grouped in another way after the next one, and end with the last.
#[tokio::test]
async fn alerts_begin_change_and_end_with_reloads() {
    const CHANNEL: &str = "\n[channels.alertmanager]\nverification = \"none\"\nallow_from = [\"127.0.0.1\"]\n[[routes]]\nchannels = [\"alerts\"]\nagents = [\"stub\"]\n";
    const BY_NAME: &str = "[alerts]\nchannels = [\"alertmanager\"]\ngroup_by = [\"alertname\"]\n";
    const BY_CLUSTER: &str = "[alerts]\nchannels = [\"alertmanager\"]\ngroup_by = [\"cluster\"]\n";
    let mut gateway = dummy().plugin(built_in::ALERTMANAGER).config(UNWATCHED).config(CHANNEL).start().await;
    let opened = async |gateway: &TestGateway| gateway.list("events?channel=alerts&kind=alerts.opened").await.len();
    fire(&gateway, "Before", "eu").await;

    gateway.reconfigure(CHANNEL, &format!("{CHANNEL}{BY_NAME}"));
    let reload = reloaded(&gateway).await;
    assert_eq!((&reload["changed"], &reload["restart"]), (&json!(["alerts.channels", "alerts.group_by"]), &json!([])));
    fire(&gateway, "Disk", "eu").await;
    fire(&gateway, "Load", "eu").await;
    gateway.until("both are told", async || (opened(&gateway).await == 2).then_some(())).await;

    gateway.reconfigure(BY_NAME, BY_CLUSTER);
    assert_eq!(reloaded(&gateway).await["changed"], json!(["alerts.group_by"]));
    fire(&gateway, "Memory", "us").await;
    fire(&gateway, "Network", "us").await;
    let both = async || {
        let alerts = gateway.list("alerts?status=firing").await;
        let is_known = |name: &str| alerts.iter().any(|alert| alert["alertname"] == name);
        (is_known("Memory") && is_known("Network")).then_some(alerts)
    };
    let alerts = gateway.until("both are known", both).await;
    gateway.until("one more is told", async || (opened(&gateway).await == 3).then_some(())).await;
    let incident = |name: &str| alerts.iter().find(|alert| alert["alertname"] == name).unwrap()["incident"].clone();
    assert_eq!(incident("Memory"), incident("Network"));

    gateway.reconfigure(BY_CLUSTER, "");
    assert_eq!(reloaded(&gateway).await["restart"], json!([]));
    let (_, types, _) = gateway.cli(&["types"]);
    assert!(!types.contains("alerts.escalated"), "{types}");
}

/// Alertmanager tells of an alert that fires.
async fn fire(gateway: &TestGateway, name: &str, cluster: &str) {
    let alert = json!({
        "status": "firing", "labels": {"alertname": name, "cluster": cluster}, "annotations": {},
        "startsAt": "2026-03-01T10:00:00Z", "fingerprint": name,
    });
    let body = json!({"version": "4", "status": "firing", "receiver": "gateway", "alerts": [alert]});
    let headers = [("content-type", "application/json")];
    gateway.client.post("/webhooks/alertmanager", &headers, body.to_string()).await.expect_accepted();
}
