//! Gaps: every position is covered by one event or one gap, and a gap says why.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;

use serde_json::{Value, json};

use crate::log::damage_all;
use crate::subscriptions::setup;
use crate::support::{EventStream, KEY, Setup, TestGateway, WebSocket, built_in};

/// What channel `lost` receives goes to an agent that is not there, so retention leaves it.
const LOST: &str = r#"
[channels.dummy]
[channels.lost]
plugin = "dummy"
[agents.dead]
plugin = "http"
config = { url = "http://127.0.0.1:1/" }
allow_hosts = ["127.0.0.1:1"]
[[routes]]
channels = ["lost"]
agents = ["dead"]
"#;

/// One event or gap: its first and last position, and what it is.
type Entry = (u64, u64, String);

fn seq_of(cursor: &Value) -> u64 {
    cursor.as_str().unwrap().split_once('.').unwrap().1.parse().unwrap()
}

fn gap(first: u64, last: u64, reason: &str) -> Entry {
    (first, last, reason.to_owned())
}

fn event(seq: u64) -> Entry {
    gap(seq, seq, "event")
}

/// A gap or an event of a message, of a page or of a connection.
fn entry(message: &Value) -> Entry {
    let last = seq_of(&message["cursor"]);
    if message["type"] == "event" {
        return event(last);
    }
    let first = seq_of(&message["from"]) + 1;
    assert_eq!(message["missing_at_most"], last + 1 - first, "{message}");
    gap(first, last, message["reason"].as_str().unwrap())
}

/// What a subscription over WebSocket gets up to `head`; each position once, unless the filter lets it not through.
async fn subscribed(gateway: &TestGateway, query: &str, head: u64) -> Vec<Entry> {
    let mut socket = WebSocket::connect(gateway.client.address(), &format!("/api/subscribe?{query}")).await;
    let mut entries = Vec::new();
    socket.message_of("connection.ack").await;
    while entries.last().is_none_or(|(_, last, _)| *last < head) {
        entries.push(entry(&socket.message().await));
    }
    entries
}

/// The same over server-sent events.
async fn streamed(gateway: &TestGateway, query: &str, head: u64) -> Vec<Entry> {
    let path = format!("/api/subscribe?{query}");
    let mut stream = EventStream::open(gateway.client.address(), &path, &[("api-key", KEY)]).await;
    let mut entries = Vec::new();
    while entries.last().is_none_or(|(_, last, _)| *last < head) {
        let block = stream.next().await.unwrap();
        if ["event", "gap"].contains(&block.event.as_str()) {
            entries.push(entry(&block.json()));
        }
    }
    entries
}

/// The gaps of pages, from `since` to the end, and the number of events.
async fn paged(gateway: &TestGateway, since: &str) -> (Vec<Entry>, usize) {
    let (mut since, mut gaps, mut events) = (since.to_owned(), Vec::new(), 0);
    loop {
        let page = get(gateway, &format!("/api/events?limit=3&since={since}")).await;
        events += page["events"].as_array().unwrap().len();
        gaps.extend(page["gap"].as_object().map(|_| entry(&page["gap"])));
        since = page["cursor"].as_str().unwrap().to_owned();
        if page["more"] == false {
            return (gaps, events);
        }
    }
}

async fn get(gateway: &TestGateway, path: &str) -> Value {
    gateway.client.send("GET", path, &[("api-key", KEY)], Vec::new()).await.expect_status(200).json()
}

async fn epoch(gateway: &TestGateway) -> String {
    let page = get(gateway, "/api/events?since=latest").await;
    page["cursor"].as_str().unwrap().split_once('.').unwrap().0.to_owned()
}

async fn post(gateway: &TestGateway, channel: &str, count: usize) {
    for _ in 0..count {
        gateway.post(channel, "1").await.expect_accepted();
    }
}

/// Waits until the log holds as many events.
async fn held(gateway: &TestGateway, count: usize) {
    let held = async || (gateway.list("events?limit=500").await.len() == count).then_some(());
    gateway.until("retention", held).await;
}

/// A gateway that holds 4, 10 and 27 to 30; 4 and 10 are of channel `lost`.
pub(crate) async fn with_holes() -> (TestGateway, String) {
    let setup = setup().plugin(built_in::HTTP).config(LOST).env("GATEWAY__EVENTLOG__RETENTION__MAX_EVENTS", "6");
    let gateway = setup.start().await;
    for (channel, count) in [("dummy", 3), ("lost", 1), ("dummy", 5), ("lost", 1), ("dummy", 20)] {
        post(&gateway, channel, count).await;
    }
    held(&gateway, 6).await;
    let epoch = epoch(&gateway).await;
    (gateway, epoch)
}

#[tokio::test]
async fn what_retention_has_removed_is_told_before_the_first_event_and_in_the_middle() {
    let (gateway, epoch) = with_holes().await;
    let holes = [gap(1, 3, "retention"), gap(5, 9, "retention"), gap(11, 26, "retention")];
    let all =
        [&holes[..1], &[event(4)], &holes[1..2], &[event(10)], &holes[2..], &[27, 28, 29, 30].map(event)].concat();

    assert_eq!(subscribed(&gateway, &format!("since={epoch}.0"), 30).await, all);
    assert_eq!(streamed(&gateway, &format!("since={epoch}.0"), 30).await, all);
    assert_eq!(subscribed(&gateway, "since=earliest", 30).await, all[1..], "who asks for the oldest misses nothing");
    let within = [&[gap(3, 3, "retention")], &all[1..]].concat();
    assert_eq!(subscribed(&gateway, &format!("since={epoch}.2"), 30).await, within, "the rest of a gap");
    assert_eq!(subscribed(&gateway, &format!("since={epoch}.10"), 30).await, all[4..]);
    assert_eq!(subscribed(&gateway, &format!("since={epoch}.26"), 30).await, all[5..]);
    let dummies = [&holes[..], &[27, 28, 29, 30].map(event)].concat();
    assert_eq!(subscribed(&gateway, &format!("since={epoch}.0&channel=dummy"), 30).await, dummies);
    assert_eq!(paged(&gateway, &format!("{epoch}.0")).await, (holes.to_vec(), 6));

    let gateway = gateway.kill().start().await;
    assert_eq!(subscribed(&gateway, &format!("since={epoch}.0"), 30).await, all);
    let spec = json!({"start": format!("{epoch}.0")}).to_string();
    gateway.client.send("PUT", "/admin/consumers/audit", &[], spec.into()).await.expect_status(201);
    let pulled = get(&gateway, "/api/consumers/audit/events").await;
    assert_eq!(pulled["messages"].as_array().unwrap().iter().map(entry).collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn who_asks_for_what_is_all_gone_is_told_so_and_gets_what_comes() {
    let gateway = setup().env("GATEWAY__EVENTLOG__RETENTION__MAX_AGE", "1s").start().await;
    post(&gateway, "dummy", 5).await;
    held(&gateway, 0).await;
    let since = format!("since={}.1", epoch(&gateway).await);
    let (late, ()) = tokio::join!(subscribed(&gateway, &since, 6), async {
        gateway
            .until("a subscriber", async || (gateway.json("/admin/subscribers").await["active"] == 1).then_some(()))
            .await;
        post(&gateway, "dummy", 1).await;
    });

    assert_eq!(late, [gap(2, 5, "retention"), event(6)]);
}

#[tokio::test]
async fn a_subscriber_that_closes_for_a_gap_hears_of_one_before_the_first_event() {
    let (gateway, epoch) = with_holes().await;
    let path = format!("/api/subscribe?since={epoch}.0&on_gap=close");
    let mut socket = WebSocket::connect(gateway.client.address(), &path).await;

    assert_eq!(entry(&socket.message_of("gap").await), gap(1, 3, "retention"));
    assert_eq!(socket.closed().await.map(|(code, _)| code), Some(4502));
}

#[tokio::test]
async fn after_a_restore_everything_is_sent_again_behind_a_gap() {
    let gateway = setup().start().await;
    post(&gateway, "dummy", 8).await;
    let before = epoch(&gateway).await;
    let file = gateway.path().join("log.backup");
    assert_eq!(gateway.cli(&["log", "backup", file.to_str().unwrap()]).0, 0);
    post(&gateway, "dummy", 4).await;
    let copy = setup();
    fs::copy(&file, copy.path().join("log.backup")).unwrap();
    assert!(copy.command(&["log", "restore", "log.backup"]).output().unwrap().status.success());
    let restored = copy.start().await;
    post(&restored, "dummy", 2).await;

    let mut socket = WebSocket::connect(restored.client.address(), &format!("/api/subscribe?since={before}.12")).await;

    let told = socket.message_of("gap").await;
    let now = epoch(&restored).await;
    assert_ne!(now, before);
    let expected = json!({
        "type": "gap", "from": format!("{before}.12"), "cursor": format!("{now}.0"), "missing_at_most": null,
        "reason": "epoch",
    });
    assert_eq!(told, expected);
    for seq in 1..=10 {
        assert_eq!(entry(&socket.message().await), event(seq));
    }
    let after = subscribed(&restored, &format!("since={now}.8"), 10).await;
    assert_eq!(after, [event(9), event(10)], "a cursor of the restored log goes on");
}

#[tokio::test]
async fn a_cursor_ahead_of_the_log_goes_on_with_what_comes() {
    let gateway = setup().start().await;
    post(&gateway, "dummy", 3).await;
    let epoch = epoch(&gateway).await;
    let mut socket = WebSocket::connect(gateway.client.address(), &format!("/api/subscribe?since={epoch}.9")).await;

    let told = socket.message_of("gap").await;
    post(&gateway, "dummy", 1).await;

    let expected = json!({
        "type": "gap", "from": format!("{epoch}.9"), "cursor": format!("{epoch}.3"), "missing_at_most": 0, "reason": "ahead",
    });
    assert_eq!(told, expected);
    assert_eq!(entry(&socket.message().await), event(4));
}

#[tokio::test]
async fn what_a_repair_has_left_out_is_told_as_damage() {
    let gateway = setup().start().await;
    for number in 0..100 {
        let byte = if number == 0 || number == 50 { b'y' } else { b'x' };
        gateway.post("dummy", vec![byte; 20_000]).await.expect_accepted();
    }
    let (_, setup) = gateway.stop().await;
    damage_all(&setup.path().join("data/journal"), &[b'y'; 1000]);
    let repair = |setup: &Setup| setup.command(&["log", "repair", "--format", "json"]).output().unwrap();
    let repaired: Value = serde_json::from_slice(&repair(&setup).stdout).unwrap();
    let gateway = setup.start().await;

    let now = epoch(&gateway).await;
    let entries = subscribed(&gateway, &format!("since={now}.0"), 100).await;

    let lost = repaired["lost"].as_array().unwrap().iter().filter(|loss| loss["what"] == "events");
    let lost = lost.map(|loss| gap(loss["first"].as_u64().unwrap(), loss["last"].as_u64().unwrap(), "damage"));
    let told = entries.iter().filter(|(.., what)| what != "event").cloned();
    assert_eq!(told.collect::<Vec<_>>(), lost.collect::<Vec<_>>());
    assert_eq!((entries[0].0, entries[0].2.as_str()), (1, "damage"), "also before the first event");
    for pair in entries.windows(2) {
        assert_eq!(pair[1].0, pair[0].1 + 1, "each position once: {pair:?}");
    }
}
