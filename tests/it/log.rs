//! The event log is looked after: it keeps to its limits, is backed up while it works, and is repaired when it is damaged.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::disallowed_methods, reason = "the tasks of a test end with its runtime")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::{Setup, TO_STUB, TestGateway, built_in};

/// Everything goes to `stub`, what channel `lost` receives also to an agent that is not there.
const WITH_DEAD_AGENT: &str = r#"
[channels.dummy]

[channels.lost]
plugin = "dummy"

[agents.stub]

[agents.dead]
plugin = "http"
config = { url = "http://127.0.0.1:1/" }
allow_hosts = ["127.0.0.1:1"]

[[routes]]
agents = ["stub"]

[[routes]]
channels = ["lost"]
agents = ["dead"]
"#;

fn setup() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB)
}

/// The exit code, the JSON on stdout, and stderr of `gateway log ARGS --format json`.
fn log(setup: &Setup, arguments: &[&str]) -> (i32, Value, String) {
    let output = setup.command(&[&["log"], arguments, &["--format", "json"]].concat()).output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), json, String::from_utf8(output.stderr).unwrap())
}

/// The ids of the events that are held, oldest first.
async fn held(gateway: &TestGateway) -> Vec<String> {
    let rows = gateway.list("events?limit=500").await;
    rows.iter().rev().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// An agent that never answers keeps its own events and no others.
#[tokio::test]
async fn retention_keeps_what_is_not_delivered_and_nothing_behind_it() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .plugin(built_in::HTTP)
        .config(WITH_DEAD_AGENT)
        .env("GATEWAY__EVENTLOG__RETENTION__MAX_EVENTS", "10")
        .start()
        .await;
    let mut kept = Vec::new();
    for _ in 0..5 {
        kept.push(gateway.post("lost", "{}").await.expect_accepted());
        for _ in 0..20 {
            gateway.post("dummy", "{}").await.expect_accepted();
        }
    }

    gateway.until("10 events", async || (held(&gateway).await.len() == 10).then_some(())).await;

    assert_eq!(&held(&gateway).await[..3], &kept[..3]);
    for id in &kept {
        assert_eq!(gateway.json(&format!("/admin/events/{id}")).await["status"], "pending");
    }
    gateway
        .until("the figures", async || {
            let metrics = gateway.metrics().await;
            let removed = metrics.contains("gateway_eventlog_removed_total{reason=\"count\"} 95\n");
            (removed && metrics.contains("gateway_eventlog_events 10\n")).then_some(())
        })
        .await;
    let stats = gateway.json("/admin/stats").await;
    assert_eq!((&stats["eventlog"]["events"], &stats["eventlog"]["removed"]), (&10.into(), &95.into()), "{stats}");
    let gateway = gateway.kill().start().await;
    assert_eq!(held(&gateway).await.len(), 10);
}

/// With too little room on the disk nothing new is taken, but what was taken is still delivered.
#[tokio::test]
async fn a_disk_with_too_little_room_stops_intake_and_not_delivery() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let gateway = gateway.kill().env("GATEWAY__EVENTLOG__MIN_FREE", "900TiB").start().await;

    let refusal = gateway.post("dummy", "{}").await;
    assert!(refusal.headers.contains_key("retry-after"), "{refusal:?}");
    refusal.expect_problem(503, "store_unavailable");
    gateway.client.get("/health/ready").await.expect_status(503);
    gateway.client.post(&format!("/admin/events/{id}/replay"), &[], "").await.expect_status(202);
    gateway
        .until("the second delivery", async || {
            let event = gateway.json(&format!("/admin/events/{id}")).await;
            (event["deliveries"].as_array().unwrap().len() == 2 && event["status"] == "delivered").then_some(())
        })
        .await;
}

/// A backup that is made under load has a prefix of what was accepted, at least all that was acknowledged before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_restores_a_consistent_prefix() {
    let gateway = setup().start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop) = (gateway.client.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    ids.push(client.post("/webhooks/dummy", &[], vec![b'x'; 5_000]).await.expect_accepted());
                }
                ids
            })
        })
        .collect();
    let enough = async || (gateway.json("/admin/stats").await["head"].as_u64() > Some(300)).then_some(());
    gateway.until("300 events", enough).await;
    let before: BTreeSet<String> = held(&gateway).await.into_iter().collect();
    let file = gateway.path().join("log.backup");

    let (code, told, error) = tokio::task::block_in_place(|| gateway.cli(&["log", "backup", file.to_str().unwrap()]));

    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert_eq!(code, 0, "{error}");
    assert!(told.contains("up to position"), "{told}");
    assert!(error.contains("from the gateway at"), "{error}");
    assert!(!gateway.path().join("log.backup.part").exists());
    let (_, stopped) = gateway.stop().await;
    let copy = setup();
    fs::copy(&file, copy.path().join("log.backup")).unwrap();
    let (code, restored, error) = log(&copy, &["restore", "log.backup"]);
    assert_eq!(code, 0, "{error}");
    let (code, verified, error) = log(&copy, &["verify"]);
    assert_eq!((code, &verified["events"]), (0, &restored["events"]), "{error}");
    let gateway = copy.env("GATEWAY__LOG__LEVEL", "info").start().await;
    let head = gateway.json("/admin/stats").await["head"].as_u64().unwrap();
    assert_eq!(restored["events"], head, "no position is missing");
    let mut ids = BTreeSet::new();
    let mut next = "/admin/events?limit=500".to_owned();
    loop {
        let page = gateway.json(&next).await;
        ids.extend(page["events"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("/admin/events?limit=500&cursor={cursor}");
    }
    assert!(ids.is_superset(&before), "what was there before the backup is in it");
    assert!(ids.is_subset(&acknowledged), "nothing else is");
    gateway.post("dummy", "{}").await.expect_accepted();
    drop(stopped);
}

#[test]
fn looking_after_a_log_that_is_not_there_says_so_and_makes_none() {
    let setup = Setup::new();

    for command in [&["stats"][..], &["verify"], &["repair"], &["backup", "file"]] {
        let (code, json, error) = log(&setup, command);
        assert_eq!((code, json), (1, Value::Null), "{command:?}");
        assert!(error.contains("error: there is no event log in `"), "{error}");
    }
    let (code, _, error) = log(&setup, &["restore", "file"]);
    assert!(code == 1 && error.contains("cannot read `file`"), "{error}");
    assert!(!setup.path().join("data").exists() && !setup.path().join("file").exists());
}

/// From a damage to a gateway that serves again: what is lost is told at each step, and the damaged store stays.
#[tokio::test]
async fn a_damaged_store_is_verified_and_repaired() {
    let gateway = setup().start().await;
    for number in 0..100 {
        let byte = if number == 95 { b'y' } else { b'x' };
        let id = gateway.post("dummy", vec![byte; 20_000]).await.expect_accepted();
        gateway.event_until(&id, "delivered").await;
    }
    let file = gateway.path().join("whole.backup");
    assert_eq!(gateway.cli(&["log", "verify"]).0, 0);
    let (code, _, error) = gateway.cli(&["log", "repair"]);
    assert!(code == 1 && error.contains("hint: stop the gateway"), "{error}");
    assert_eq!(gateway.cli(&["log", "backup", file.to_str().unwrap()]).0, 0);
    let (_, setup) = gateway.stop().await;
    let (code, stats, error) = log(&setup, &["stats"]);
    assert_eq!((code, &stats["events"], &stats["head"]), (0, &100.into(), &100.into()), "{error}");
    assert!(stats["disk"]["used"].as_u64() > Some(1_000_000), "{stats}");
    damage_all(&setup.path().join("data/journal"), &[b'y'; 1000]);

    let (code, _, told) = log(&setup, &["verify"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("gateway log repair"), "{told}");
    let ended = setup.try_start().await.err().unwrap();
    assert!(ended.log.contains("gateway log repair") && ended.log.contains("gateway log restore"), "{}", ended.log);
    let setup = ended.setup;
    let (code, repaired, error) = log(&setup, &["repair"]);

    assert_eq!(code, 0, "{error}");
    let saved = repaired["events"].as_u64().unwrap();
    let lost = |loss: &Value| loss["last"].as_u64().unwrap() - loss["first"].as_u64().unwrap() + 1;
    let losses: u64 =
        repaired["lost"].as_array().unwrap().iter().filter(|loss| loss["what"] == "events").map(lost).sum();
    assert!(losses > 0 && saved > 0, "{repaired}");
    assert_eq!((saved + losses, &repaired["head"]), (100, &100.into()), "each is saved or told: {repaired}");
    assert!(Path::new(repaired["kept"].as_str().unwrap()).join("db").exists());
    let (code, verified, error) = log(&setup, &["verify"]);
    assert_eq!((code, verified["events"].as_u64()), (0, Some(saved)), "{error}");
    let gateway = setup.start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    assert_eq!(gateway.json(&format!("/admin/events/{id}")).await["seq"], 101, "no position is used again");
    let (_, setup) = gateway.stop().await;
    let (code, _, error) = log(&setup, &["restore", file.to_str().unwrap()]);
    assert!(code == 1 && error.contains("already holds an event log"), "{error}");
    fs::rename(setup.path().join("data"), setup.path().join("aside")).unwrap();
    let (code, restored, error) = log(&setup, &["restore", file.to_str().unwrap()]);
    assert_eq!((code, &restored["events"]), (0, &100.into()), "{error}");
}

/// Changes a byte of `pattern` wherever it stands in the files of a folder, old copies included.
pub(crate) fn damage_all(folder: &Path, pattern: &[u8]) {
    let mut damaged = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let mut bytes = fs::read(&path).unwrap();
        let mut at = 0;
        while let Some(found) = bytes[at..].windows(pattern.len()).position(|window| window == pattern) {
            bytes[at + found] ^= 0xff;
            at += found + pattern.len();
            damaged += 1;
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(damaged > 0, "the pattern is in no file");
}
