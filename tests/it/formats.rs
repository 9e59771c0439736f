//! A log that the program of an earlier format has left is opened, verified, delivered from, backed up and restored.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use flate2::read::GzDecoder;
use http::Response;
use http_body_util::Full;
use serde_json::Value;

use crate::support::{Delivered, RemoteAgent, Setup, TestGateway, built_in, guest};

/// What `fixtures/make.py` has left: so many events, and the position of the last one.
const HELD: u64 = 220;
const HEAD: u64 = 263;
const BACKUP: &str = "log.backup";

/// The agents and channels of the log, all of them working.
async fn agent() -> RemoteAgent {
    RemoteAgent::answering(|_, delivered| {
        let body = if delivered.path == "/feed" { "{\"items\": []}" } else { "{\"ok\": true}" };
        Response::builder().header("content-type", "application/json").body(Full::from(body)).unwrap()
    })
    .await
}

fn setup(agent: &RemoteAgent) -> Setup {
    let address = agent.address;
    let keys = format!("allow_hosts = [\"{address}\"]");
    let retry = "retry = { max_age = \"876000h\" }";
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).plugin(built_in::HTTP);
    // The log is as old as its format.
    let setup =
        setup.env("GATEWAY__EVENTLOG__DEDUP_WINDOW", "876000h").env("GATEWAY__EVENTLOG__RETENTION__MAX_AGE", "876000h");
    setup.plugin(guest::FEED).config(&format!(
        r#"
        [channels.one]
        plugin = "dummy"
        [channels.two]
        plugin = "dummy"
        [channels.feed]
        config = {{ url = "http://{address}/feed" }}
        {keys}
        state = "1KiB"
        poll = {{ every = "100ms" }}
        [agents.stub]
        {retry}
        [agents.remote]
        plugin = "http"
        config = {{ url = "http://{address}/remote" }}
        {keys}
        {retry}
        [agents.later]
        plugin = "http"
        config = {{ url = "http://{address}/later" }}
        {keys}
        {retry}
        [[routes]]
        channels = ["one"]
        agents = ["remote"]
        [[routes]]
        channels = ["two"]
        agents = ["later", "stub"]
        "#
    ))
}

/// Puts the files of a log of that format into its folder, and the backup of it beside.
fn unpack(format: u8, setup: &Setup) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/it/fixtures/format-{format}"));
    fs::create_dir(setup.path().join("data")).unwrap();
    for file in fs::read_dir(fixture).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "gz") {
            let name = file.file_stem().unwrap();
            let folder = if name == BACKUP { setup.path().to_owned() } else { setup.path().join("data") };
            let mut unpacked = File::create(folder.join(name)).unwrap();
            std::io::copy(&mut GzDecoder::new(File::open(file).unwrap()), &mut unpacked).unwrap();
        }
    }
}

/// What `gateway log ARGS --format json` prints, which must succeed.
fn log(setup: &Setup, arguments: &[&str]) -> Value {
    let output = setup.command(&[&["log"], arguments, &["--format", "json"]].concat()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All events with everything that is known of them, by position.
async fn everything(gateway: &TestGateway) -> BTreeMap<u64, Value> {
    let mut events = BTreeMap::new();
    for row in gateway.list("events?limit=500").await {
        let event = gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
        events.insert(event["seq"].as_u64().unwrap(), event);
    }
    events
}

fn sent_to(agent: &RemoteAgent, path: &str) -> Vec<Delivered> {
    agent.received().into_iter().filter(|delivered| delivered.path == path).collect()
}

#[tokio::test]
async fn a_log_of_format_1_goes_on() {
    goes_on(1).await;
}

#[tokio::test]
async fn a_log_of_format_2_goes_on() {
    goes_on(2).await;
}

async fn goes_on(format: u8) {
    let agent = agent().await;
    let setup = setup(&agent);
    unpack(format, &setup);
    let verified = log(&setup, &["verify"]);
    assert_eq!((&verified["events"], &verified["head"]), (&HELD.into(), &HEAD.into()), "{verified}");

    let gateway = setup.start().await;

    // The replay that was in the middle goes on, and what was open is delivered.
    let settled = async || {
        let stats = gateway.json("/admin/stats").await;
        (stats["events"]["pending"] == 0 && stats["events"]["dead"] == 0).then_some(())
    };
    gateway.until("everything is delivered", settled).await;
    let replays = gateway.list("replays").await;
    let of = |id: usize| {
        let replay = replays.iter().find(|replay| replay["id"] == id).unwrap();
        (&replay["state"], &replay["by"], &replay["replayed"], &replay["skipped"])
    };
    assert_eq!(of(1), (&"done".into(), &"ann".into(), &40.into(), &0.into()));
    assert_eq!(of(2), (&"done".into(), &"bob".into(), &40.into(), &0.into()));
    assert_eq!((sent_to(&agent, "/remote").len(), sent_to(&agent, "/later").len()), (40, 20));
    let large = sent_to(&agent, "/later").iter().filter(|delivered| delivered.data().len() == 50_000).count();
    assert_eq!(large, 1, "its payload is in records of its own");
    gateway.until("a poll", async || (!sent_to(&agent, "/feed").is_empty()).then_some(())).await;
    assert_eq!(sent_to(&agent, "/feed")[0].query, "after=item-3", "the plugin's state is there");
    // An identity is known although its event is gone, and a new event is the next one.
    let known = [("x-delivery-id", "199")];
    let answer = gateway.client.post("/webhooks/one", &known, "small 199").await.expect_status(200).json();
    assert_eq!(answer["events"][0]["status"], "duplicate");
    gateway.post("one", "new").await.expect_accepted();
    gateway.until("the new one is delivered too", settled).await;

    let events = everything(&gateway).await;
    assert_eq!(events.len() as u64, HELD + 1);
    assert_eq!(events.last_key_value().unwrap().0, &(HEAD + 1));
    let retried = events.values().filter(|event| event["channel"] == "two").map(|event| &event["deliveries"][0]);
    for delivery in retried {
        let attempts = delivery["attempts"].as_array().unwrap();
        assert!(attempts.len() > 2 && attempts[0]["outcome"] == "retry", "{delivery}");
        assert_eq!(attempts.last().unwrap()["outcome"], "delivered");
    }
    let file = gateway.path().join("new.backup");
    let (code, _, error) = gateway.cli(&["log", "backup", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    let stats = gateway.json("/admin/stats").await["eventlog"].clone();
    assert_eq!(stats["format"], 3);
    let (_, stopped) = gateway.stop().await;
    assert_eq!(log(&stopped, &["verify"])["events"], HELD + 1);

    let copy = self::setup(&agent);
    log(&copy, &["restore", file.to_str().unwrap()]);
    assert_eq!(log(&copy, &["verify"])["events"], HELD + 1);
    let twin = copy.start().await;
    let restored = twin.json("/admin/stats").await["eventlog"].clone();
    assert_eq!((&restored["head"], &restored["removed"]), (&stats["head"], &stats["removed"]));
    assert_ne!(restored["epoch"], stats["epoch"], "what came after the backup is gone: positions are others now");
    assert_eq!(everything(&twin).await, events);
    assert_eq!(twin.list("replays").await, replays);
}

/// Retention cuts the blocks of the old format; what is left of them is as it was.
#[tokio::test]
async fn old_events_of_format_1_leave_as_new_ones_do() {
    old_events_leave(1).await;
}

#[tokio::test]
async fn old_events_of_format_2_leave_as_new_ones_do() {
    old_events_leave(2).await;
}

async fn old_events_leave(format: u8) {
    let agent = agent().await;
    let setup = setup(&agent).env("GATEWAY__EVENTLOG__RETENTION__MAX_EVENTS", "7");
    unpack(format, &setup);

    let gateway = setup.start().await;

    let enough = async || (gateway.list("events?limit=500").await.len() == 7).then_some(());
    gateway.until("7 events", enough).await;
    // Which ones stay depends on which were settled first.
    assert_eq!(everything(&gateway).await.len(), 7);
    assert_eq!(sent_to(&agent, "/later").len(), 20, "no open delivery is removed");
    let (_, stopped) = gateway.stop().await;
    let verified = log(&stopped, &["verify"]);
    assert_eq!((&verified["events"], &verified["head"]), (&7.into(), &HEAD.into()), "{verified}");
}

#[tokio::test]
async fn a_backup_of_format_1_is_restored() {
    is_restored(1).await;
}

#[tokio::test]
async fn a_backup_of_format_2_is_restored() {
    is_restored(2).await;
}

async fn is_restored(format: u8) {
    let agent = agent().await;
    let setup = setup(&agent);
    unpack(format, &setup);
    fs::remove_dir_all(setup.path().join("data")).unwrap();

    let restored = log(&setup, &["restore", BACKUP]);

    assert_eq!((&restored["events"], &restored["head"]), (&HELD.into(), &HEAD.into()), "{restored}");
    assert_eq!(log(&setup, &["verify"])["events"], HELD);
    assert_eq!(log(&setup, &["stats"])["format"], 3);
    let gateway = setup.start().await;
    gateway
        .until("the replay is done", async || {
            let replays = gateway.list("replays").await;
            replays.iter().all(|replay| replay["state"] == "done" && replay["replayed"] == 40).then_some(())
        })
        .await;
    gateway.until("a poll", async || (!sent_to(&agent, "/feed").is_empty()).then_some(())).await;
    assert_eq!(sent_to(&agent, "/feed")[0].query, "after=item-3", "the plugin's state is there");
}
