//! Dead letters are found, counted and delivered again: each once, whatever happens in between.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::Value;

use crate::support::{BINARY, RemoteAgent, Setup, TestGateway, built_in};

/// An agent that refuses everything for good until it is told to work.
struct Agent {
    remote: RemoteAgent,
    works: Arc<AtomicBool>,
}

impl Agent {
    async fn broken() -> Self {
        let works = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&works);
        let remote = RemoteAgent::answering(move |_, _| {
            let status = if switch.load(Ordering::Acquire) { 200 } else { 410 };
            Response::builder().status(status).body(Full::<Bytes>::default()).unwrap()
        })
        .await;
        Self { remote, works }
    }

    fn repair(&self) {
        self.works.store(true, Ordering::Release);
    }

    /// How often each event was sent to it.
    fn received(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for request in self.remote.received() {
            *times.entry(request.headers["idempotency-key"].to_str().unwrap().to_owned()).or_default() += 1;
        }
        times
    }

    /// A folder where the events of `one` and `two` go to this agent, and those of `two` to the stub as well.
    fn setup(&self) -> Setup {
        let address = self.remote.address;
        let config = format!(
            r#"
            [channels.one]
            plugin = "dummy"
            [channels.two]
            plugin = "dummy"
            [agents.stub]
            [agents.remote]
            plugin = "http"
            config = {{ url = "http://{address}/events" }}
            allow_hosts = ["{address}"]
            retry = {{ attempts = 1 }}
            breaker = {{ failures = 0 }}
            [[routes]]
            agents = ["remote"]
            [[routes]]
            channels = ["two"]
            agents = ["stub"]
            "#
        );
        Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).plugin(built_in::STUB).config(&config)
    }

    /// A gateway with `count` dead letters in each channel; the ids of their events.
    async fn gateway_with_dead_letters(&self, count: usize) -> (TestGateway, Vec<String>) {
        let gateway = self.setup().start().await;
        let mut ids = Vec::new();
        for _ in 0..count {
            for channel in ["one", "two"] {
                ids.push(gateway.post(channel, "{}").await.expect_accepted());
            }
        }
        until_counted(&gateway, "dead", ids.len()).await;
        (gateway, ids)
    }
}

async fn until_counted(gateway: &TestGateway, status: &str, count: usize) {
    gateway
        .until(&format!("{count} events are {status}"), async || {
            let stats = gateway.json("/admin/stats").await;
            (stats["events"][status] == count && stats["events"]["pending"] == 0).then_some(())
        })
        .await;
}

async fn begin(gateway: &TestGateway, query: &str) -> Value {
    let path = format!("/admin/deliveries/replay?{query}");
    gateway.client.post(&path, &[], "").await.expect_status(202).json()
}

async fn replay_until(gateway: &TestGateway, id: &Value, condition: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/admin/replays/{id}");
    gateway
        .until(&format!("replay {id}"), async || Some(gateway.json(&path).await).filter(|replay| condition(replay)))
        .await
}

async fn is_done(gateway: &TestGateway, id: &Value) -> Value {
    replay_until(gateway, id, |replay| replay["state"] != "running").await
}

/// A replay that waits, because the plugin of its agent is gone and `open` replayed deliveries are open.
async fn stuck_after(open: u64, gateway: TestGateway) -> (TestGateway, Value) {
    gateway.remove_plugin("http");
    let (_, setup) = gateway.stop().await;
    let setup = setup.env("GATEWAY__DISPATCH__REPLAY_OPEN", &open.to_string());
    let gateway = setup.env("GATEWAY__DISPATCH__REPLAY_RUNNING", "1").start().await;
    let id = begin(&gateway, "rate=40").await["id"].clone();
    replay_until(&gateway, &id, |replay| replay["replayed"] == open).await;
    (gateway, id)
}

async fn refused(gateway: &TestGateway, path: &str, status: u16, code: &str) {
    gateway.client.post(path, &[], "").await.expect_problem(status, code);
}

#[tokio::test]
async fn a_dead_letter_is_found_and_replayed_and_its_life_tells_by_whom() {
    let agent = Agent::broken().await;
    let (gateway, ids) = agent.gateway_with_dead_letters(1).await;

    let (code, listed, error) =
        gateway.cli(&["deliveries", "--status", "dead", "--channel", "one", "--format", "json"]);
    assert_eq!(code, 0, "{error}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["deliveries"][0]["event"], ids[0].as_str());
    let id = listed["deliveries"][0]["id"].as_str().unwrap();
    agent.repair();

    let (code, told, error) = gateway.cli(&["deliveries", "replay", id]);
    assert_eq!((code, told.as_str()), (0, format!("1 new delivery of {}: 1.1\n", ids[0]).as_str()), "{error}");

    let event = gateway.event_until(&ids[0], "delivered").await;
    let moments: Vec<_> =
        event["timeline"].as_array().unwrap().iter().map(|moment| moment["what"].as_str().unwrap()).collect();
    assert_eq!(moments, ["received", "stored", "attempt", "dead", "replayed", "attempt", "delivered"], "{event}");
    let by = event["timeline"][4]["by"].as_str().unwrap();
    assert!(by.contains('@'), "{by}");
    assert_eq!(event["deliveries"][1]["replayed_by"], by);
    let (_, life, _) = gateway.cli(&["events", "show", &ids[0]]);
    assert!(life.contains(&format!("replayed to remote by {by}\n")), "{life}");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_replayed_total{agent=\"remote\"} 1\n"), "{metrics}");

    let path = |id: &str| format!("/admin/deliveries/{id}/replay?by=ann");
    refused(&gateway, &path(id), 409, "delivery_superseded").await;
    refused(&gateway, &path("1.9"), 404, "unknown_delivery").await;
    refused(&gateway, &path("99.0"), 404, "unknown_delivery").await;
    refused(&gateway, &path("x"), 404, "unknown_delivery").await;
    refused(&gateway, "/admin/deliveries/1.1/replay?agent=stub", 400, "invalid_parameter").await;
    assert_eq!(agent.received()[&ids[0]], 2);
    // What was delivered can be delivered once more.
    gateway.client.post(&path("1.1"), &[], "").await.expect_status(202);
    gateway.until("the third delivery", async || (agent.received()[&ids[0]] == 3).then_some(())).await;
}

#[tokio::test]
async fn a_filter_counts_exactly_and_replaying_twice_delivers_once() {
    let agent = Agent::broken().await;
    let (gateway, ids) = agent.gateway_with_dead_letters(20).await;
    agent.repair();

    let count = |query: &str| format!("/admin/deliveries/replay?dry_run=true&{query}");
    for (query, matched) in [
        ("", 40),
        ("channel=two", 20),
        ("kind=one.*", 20),
        ("kind=one", 0),
        ("agent=stub", 0),
        ("agent=stub&state=delivered", 20),
        ("state=delivered", 20),
        ("until=2020-01-01T00:00:00Z", 0),
        ("since=2020-01-01T00:00:00Z&channel=one", 20),
    ] {
        let answer = gateway.client.post(&count(query), &[], "").await.expect_status(200).json();
        assert_eq!((&answer["dry_run"], &answer["matched"]), (&true.into(), &matched.into()), "{query}: {answer}");
    }
    let (code, told, error) = gateway.cli(&["deliveries", "replay", "--channel", "two", "--dry-run"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(told, "20 deliveries would be replayed\n      20  to remote\n      20  of two\n");
    assert!(agent.received().values().all(|times| *times == 1), "counting delivers nothing");

    let (code, told, error) = gateway.cli(&["deliveries", "replay", "--channel", "two", "--rate", "10000"]);
    assert!(code == 0 && told.starts_with("replay 1 done: 20 deliveries replayed ("), "{told}{error}");
    assert!(error.starts_with("replay 1: ") || error.is_empty(), "{error}");
    until_counted(&gateway, "delivered", 20).await;
    let (code, told, error) = gateway.cli(&["deliveries", "replay", "--all", "--rate", "10000"]);
    assert!(code == 0 && told.starts_with("replay 2 done: 20 deliveries replayed ("), "{told}{error}");
    until_counted(&gateway, "delivered", 40).await;
    let again = begin(&gateway, "rate=10000").await;
    assert_eq!((&again["matched"], &again["by"]), (&0.into(), &"admin API".into()), "{again}");
    let again = is_done(&gateway, &again["id"]).await;
    assert_eq!((&again["state"], &again["replayed"]), (&"done".into(), &0.into()), "{again}");

    assert_eq!(agent.received(), ids.iter().map(|id| (id.clone(), 2)).collect());
    let (_, listed, _) = gateway.cli(&["deliveries", "replays", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["replays"].as_array().unwrap().len(), 3, "{listed}");
    assert_eq!(listed["replays"][2]["filter"], serde_json::json!({"channel": "two", "state": "dead"}));
}

/// The gateway dies in the middle of a replay, once while it waits and once while it moves: each dead letter is added once
/// all the same.
#[tokio::test]
async fn a_replay_goes_on_after_a_kill_and_repeats_nothing() {
    let agent = Agent::broken().await;
    let (gateway, ids) = agent.gateway_with_dead_letters(30).await;
    agent.repair();
    let (gateway, id) = stuck_after(7, gateway).await;

    let gateway = gateway.kill().start().await;
    let stuck = gateway.json(&format!("/admin/replays/{id}")).await;
    assert_eq!((&stuck["state"], &stuck["replayed"]), (&"running".into(), &7.into()), "{stuck}");
    gateway.replace_plugin("http", &built_in::HTTP);
    replay_until(&gateway, &id, |replay| replay["replayed"].as_u64() >= Some(20)).await;
    let gateway = gateway.kill().start().await;

    let done = is_done(&gateway, &id).await;
    assert_eq!((&done["state"], &done["replayed"], &done["skipped"]), (&"done".into(), &60.into(), &0.into()));
    until_counted(&gateway, "delivered", 60).await;
    for event in &ids {
        let event = gateway.json(&format!("/admin/events/{event}")).await;
        let replays = event["deliveries"].as_array().unwrap().iter().filter(|row| row["replayed_by"] == "admin API");
        assert_eq!(replays.count(), 1, "{event}");
    }
}

#[tokio::test]
async fn a_replay_keeps_its_rate_until_it_is_cancelled() {
    let agent = Agent::broken().await;
    let (gateway, _) = agent.gateway_with_dead_letters(60).await;
    agent.repair();

    let (code, _, error) = gateway.cli(&["deliveries", "replay", "--all", "--rate", "1", "--detach"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(error, "replay 1 is running; `gateway deliveries replays` shows its progress\n");
    let one = Value::from(1);
    replay_until(&gateway, &one, |replay| replay["replayed"].as_u64() >= Some(2)).await;
    assert!(gateway.metrics().await.contains("gateway_replays_running 1\n"));
    let (code, told, error) = gateway.cli(&["deliveries", "cancel", "1"]);

    assert_eq!(code, 0, "{error}");
    // At one in a second it takes two minutes.
    let replay = gateway.json("/admin/replays/1").await;
    let replayed = replay["replayed"].as_u64().unwrap();
    assert!((2..100).contains(&replayed), "{replay}");
    assert_eq!(told, format!("replay 1 cancelled: {replayed} deliveries replayed\n"));
    until_counted(&gateway, "delivered", replayed as usize).await;
    gateway
        .until("no replay runs", async || gateway.metrics().await.contains("gateway_replays_running 0\n").then_some(()))
        .await;
    // What it has added may have been delivered meanwhile.
    let later = gateway.json("/admin/replays/1").await;
    for member in ["state", "replayed", "next", "ended_at"] {
        assert_eq!(later[member], replay[member], "it has ended");
    }
    let (code, _, error) = gateway.cli(&["deliveries", "cancel", "7"]);
    assert_eq!(code, 1);
    assert!(error.contains("there is no replay `7`\nhint: `gateway deliveries replays` lists"), "{error}");
}

/// Whoever stops waiting does not stop the replay, and is told how to find it again.
#[tokio::test]
async fn a_replay_goes_on_when_its_command_is_interrupted() {
    let agent = Agent::broken().await;
    let (gateway, _) = agent.gateway_with_dead_letters(60).await;
    let (code, _, error) = gateway.cli(&["deliveries", "replays"]);
    assert_eq!(code, 0, "{error}");
    let mut command = Command::new(BINARY);
    command.args(["deliveries", "replay", "--all", "--rate", "1", "--config", "running.toml"]);
    let mut child = command.current_dir(gateway.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("replay 1: "));

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();

    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    let told = "replay 1 continues; `gateway deliveries replays` shows its progress, \
                `gateway deliveries cancel 1` cancels it";
    assert_eq!(rest.last().unwrap(), told);
    assert_eq!(gateway.json("/admin/replays/1").await["state"], "running");
}

/// An agent that does not answer holds a replay up, but keeps what is not added yet out of its way.
#[tokio::test]
async fn no_more_than_so_many_replayed_deliveries_are_open() {
    let agent = Agent::broken().await;
    let (gateway, _) = agent.gateway_with_dead_letters(10).await;
    let (gateway, id) = stuck_after(3, gateway).await;

    let more = gateway.client.post("/admin/deliveries/replay", &[], "").await;
    more.expect_problem(409, "too_many_replays");
    let open = gateway.list("deliveries?state=pending").await;
    assert_eq!(open.len(), 3, "{open:?}");
    agent.repair();
    gateway.replace_plugin("http", &built_in::HTTP);

    assert_eq!(is_done(&gateway, &id).await["replayed"], 20);
    until_counted(&gateway, "delivered", 20).await;
}

#[tokio::test]
async fn a_replay_needs_to_know_what_and_a_running_gateway() {
    let agent = Agent::broken().await;
    let setup = agent.setup();

    for (arguments, code, expected) in [
        (&["deliveries", "replay"][..], 2, "hint: `--all` replays every dead delivery"),
        (&["deliveries", "replay", "--status", "delivered"], 2, "hint: `--all`"),
        (&["deliveries", "replay", "--all"], 1, "and only a running one can replay\nhint: start it"),
        (&["deliveries", "replay", "1.0", "--all"], 2, "cannot be used with"),
        (&["deliveries", "replay", "--status", "pending"], 2, "expected `dead` or `delivered`"),
        (&["deliveries", "replay", "7"], 2, "expected an id as listed by `gateway deliveries`"),
    ] {
        let output = setup.command(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let output = setup.command(&["deliveries", "replays"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.ends_with("no replays; `gateway deliveries replay` starts one\n"), "{error}");
}
