//! SUB7: the connection that holds a consumer falls silent.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::journal::Bodies;
use crate::load::deliver_all;
use crate::receipts::Receipts;
use crate::receiver::{received, seq_of};
use crate::report::Report;
use crate::suite::{Scale, percentiles};
use crate::support::{Frame, KEY, TestGateway, WebSocket, ws};
use crate::trial::{Trial, plugins};

use super::Outcome;

const CONFIG: &str = r#"
[channels.dummy]
[callers.edge]
kind = "bearer"
secret = { env = "EDGE_KEY" }
[subscribe]
attempts = { rate = "1000/s", burst = 1000 }
ping = "100ms"
timeout = "500ms"
write_timeout = "500ms"
[subscribers.edge]
callers = ["edge"]
consumers = ["audit"]
[consumers.audit]
ack_timeout = "2s"
max_attempts = 1000
"#;

/// The longest time from the last sign of the first connection to the turn of the standby. A farewell takes longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Events that the first connection reads, and how many of them it acknowledges in time.
const READ: usize = 10;
const SETTLED: usize = 5;

/// Events of 100 kB in a round: as many fit into the buffers of a connection, or not.
const EVENTS: [usize; 2] = [20, 200];

/// The first connection neither reads nor answers. In every other round what it does not read fills its socket.
pub(super) async fn run(scale: Scale) -> Outcome {
    let trial = Trial::new(Bodies::Of(100_000)).await;
    let gateway = plugins().config(CONFIG).env("EDGE_KEY", KEY).env("GATEWAY__LOG__LEVEL", "info").start().await;
    let mut report = Report::new(scale.rounds);
    let mut receipts = Receipts::default();
    let mut waits = Vec::new();
    for round in 0..scale.rounds {
        scale.progress(round);
        let is_full = round % 2 == 1;
        deliver_all(&gateway, &trial, EVENTS[usize::from(is_full)]).await;
        let head = gateway.json("/admin/stats").await["head"].as_u64().unwrap();
        let (mut first, lease, mut confirmed) = connect(&gateway, &mut receipts).await;
        let cursors = read_some(&mut first, &mut receipts).await;
        if !is_full {
            confirmed.clone_from(&cursors[SETTLED - 1]);
            acknowledge(&mut first, &mut receipts, &confirmed).await;
        }
        let mut standby = WebSocket::connect(gateway.client.address(), PATH).await;
        let role = standby.message().await["consumer"]["role"].clone();
        report.expect(role == "standby", || format!("the second connection is {role}"));
        let silent = Instant::now();

        let turn = standby.message_of("consumer").await;

        waits.push(silent.elapsed());
        report
            .expect(turn["role"] == "active" && turn["lease"] != lease, || format!("the turn of the standby: {turn}"));
        report.expect(silent.elapsed() < PATIENCE, || format!("the standby waited {:?}", silent.elapsed()));
        let last = format!("{}.{head}", confirmed.split_once('.').unwrap().0);
        let late = json!({"type": "ack", "cursor": last, "lease": lease}).to_string();
        let posted = gateway.client.send("POST", ACK, &[("api-key", KEY)], late.clone().into()).await;
        let refusal = (posted.status.as_u16(), posted.json()["code"].clone());
        report.expect(refusal == (409, json!("stale_lease")), || format!("a late POST was answered {posted:?}"));
        first.try_send(&ws::frame(ws::FIN | ws::TEXT, late.as_bytes())).await;

        let next = seq_of(&json!(confirmed)) + 1;
        take_the_rest(&mut standby, &mut receipts, next..=head, &mut report).await;
        let said = rest_of(&mut first).await;
        report.expect(!said.iter().any(|message| message["type"] == "acked"), || "a late ack was confirmed".to_owned());
        let reason = said.last().map_or(Value::Null, |message| message["reason"].clone());
        let expected = if is_full { "slow" } else { "silent" };
        report.expect(reason == expected, || format!("the first connection was closed for {reason}, not {expected}"));
    }
    report.acknowledged = trial.journal.counts().1;
    (report.duplicated, report.repeated) = (receipts.again.len(), receipts.repeated);
    (report.lost, report.disordered) =
        (report.acknowledged.saturating_sub(receipts.count()), receipts.disordered.len());
    let faults = [&receipts.again, &receipts.disordered, &receipts.wrong].map(|found| found.iter().take(5));
    report.findings.faults.extend(faults.into_iter().flatten().cloned());
    report.expect(report.lost == 0, || format!("{} were sent", receipts.count()));
    let [p50, p99] = percentiles(&waits).unwrap();
    report.note(format!("the standby took over p50 {p50:.0?}, p99 {p99:.0?} after the last sign of the first"));
    Ok(report)
}

const PATH: &str = "/api/subscribe?consumer=audit";
const ACK: &str = "/api/consumers/audit/ack";

/// A connection whose turn it is, its lease, and the cursor up to which everything is settled.
async fn connect(gateway: &TestGateway, receipts: &mut Receipts) -> (WebSocket, Value, String) {
    let mut socket = WebSocket::connect(gateway.client.address(), PATH).await;
    let ack = socket.message().await;
    receipts.begins(seq_of(&ack["cursor"]));
    // The gateway may not have noticed yet that the one before is gone.
    let role =
        if ack["consumer"]["role"] == "active" { ack["consumer"].clone() } else { socket.message_of("consumer").await };
    (socket, role["lease"].clone(), ack["cursor"].as_str().unwrap().to_owned())
}

/// Reads a few events; returns their cursors.
async fn read_some(socket: &mut WebSocket, receipts: &mut Receipts) -> Vec<String> {
    let mut cursors = Vec::new();
    while cursors.len() < READ {
        let message = socket.message_of("event").await;
        receipts.sent(&received(&message));
        cursors.push(message["cursor"].as_str().unwrap().to_owned());
    }
    cursors
}

/// Acknowledges everything up to a cursor, and waits until that is confirmed.
async fn acknowledge(socket: &mut WebSocket, receipts: &mut Receipts, cursor: &str) {
    receipts.acks_upto(seq_of(&json!(cursor)));
    socket.say(&json!({"type": "ack", "cursor": cursor})).await;
    loop {
        let message = socket.message().await;
        match message["type"].as_str() {
            Some("event") => receipts.sent(&received(&message)),
            Some("acked") => {
                receipts.confirmed_upto(seq_of(&message["cursor"]));
                if message["cursor"] == cursor {
                    return;
                }
            }
            _ => receipts.wrong.push(message.to_string()),
        }
    }
}

/// Takes what the first connection has left, and acknowledges all of it.
async fn take_the_rest(
    standby: &mut WebSocket,
    receipts: &mut Receipts,
    positions: RangeInclusive<u64>,
    report: &mut Report,
) {
    let mut next = *positions.start();
    loop {
        let message = standby.message_of("event").await;
        let event = received(&message);
        receipts.sent(&event);
        // What takes longer than `ack_timeout` comes again meanwhile.
        report.expect(event.seq <= next, || format!("{} came instead of {next}", event.seq));
        next = next.max(event.seq + 1);
        if next > *positions.end() {
            return acknowledge(standby, receipts, message["cursor"].as_str().unwrap()).await;
        }
    }
}

/// What a connection was told before it was closed.
async fn rest_of(socket: &mut WebSocket) -> Vec<Value> {
    let mut said = Vec::new();
    loop {
        match socket.frame().await {
            Frame::Text(text) => said.push(serde_json::from_str(&text).unwrap()),
            Frame::Close(_) | Frame::End => return said,
            _ => {}
        }
    }
}
