//! SUB3: `kill -9` while a consumer settles events.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::journal::{Bodies, Journal};
use crate::load::{Load, WRITERS, deliver_to};
use crate::receipts::{Receipts, Stored};
use crate::receiver::Receiver;
use crate::report::Report;
use crate::suite::Scale;
use crate::support::{Client, KEY, Setup, TestGateway};
use crate::trial::{Trial, all_events, plugins, random};

use super::Outcome;
use super::kills::kill_while_it_starts;

/// The consumer begins at the latest event, so that one that is made again would miss something.
const CONFIG: &str = r#"
[channels.dummy]
[channels.other]
plugin = "dummy"
[callers.edge]
kind = "bearer"
secret = { env = "EDGE_KEY" }
[subscribe]
attempts = { rate = "1000/s", burst = 1000 }
messages = { rate = "100000/s", burst = 100000 }
[subscribers.edge]
callers = ["edge"]
consumers = ["audit"]
[consumers.audit]
channels = ["dummy"]
window = 100
max_attempts = 1000
"#;

/// In each round the receiver settles what it gets in random portions, over WebSocket or by pulling.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Usual).await;
    let mut gateway = setup().start().await;
    let mut receipts = Receipts::default();
    let mut replayed = 0;
    for round in 0..scale.rounds {
        scale.progress(round);
        if round % 4 == 3 {
            let reply = gateway.client.post("/admin/consumers/audit/parked/replay", &[], "").await;
            replayed += reply.expect_status(202).json()["replayed"].as_u64().unwrap();
        }
        let load = Load::start(&gateway, &trial);
        let client = gateway.client.clone();
        let receiver = Receiver::new(&client, &trial.journal, &mut receipts);
        let receiving = async { if round % 3 == 2 { receiver.pull().await } else { receiver.connect().await } };
        let killing = async {
            tokio::time::sleep(random(Duration::from_millis(400))).await;
            trial.kill(gateway).await
        };

        let ((), (), mut setup) = tokio::join!(receiving, send_others(&client, &trial.journal), killing);

        load.end().await;
        if round.is_multiple_of(10) {
            setup = kill_while_it_starts(setup).await;
        }
        gateway = trial.recover(setup).await;
    }
    receive_the_rest(&gateway, &trial, &mut receipts).await;

    let mut report = judge(&gateway, &trial, &receipts, scale.rounds).await;
    report.note(format!(
        "{} events sent to the consumer, of {} it was confirmed that they are settled; {replayed} replays of parked ones",
        receipts.count(),
        receipts.settled()
    ));
    report.recoveries = trial.recoveries;
    Ok(report)
}

fn setup() -> Setup {
    plugins().config(CONFIG).env("EDGE_KEY", KEY).env("GATEWAY__LOG__LEVEL", "info")
}

/// Sends events that are not for the consumer, until the gateway is gone.
async fn send_others(client: &Client, journal: &Journal) {
    while let Some(reply) = deliver_to(client, journal, &journal.attempt(WRITERS), "other").await {
        reply.expect_accepted();
    }
}

async fn receive_the_rest(gateway: &TestGateway, trial: &Trial, receipts: &mut Receipts) {
    let mut receiver = Receiver::new(&gateway.client, &trial.journal, receipts);
    receiver.is_thorough = true;
    let at_the_end = async || (gateway.json("/admin/consumers/audit").await["lag"] == 0).then_some(());
    tokio::select! {
        () = receiver.connect() => panic!("the connection ends; the gateway's log:\n{}", gateway.log()),
        () = gateway.until("the consumer is at the end", at_the_end) => {}
    }
}

async fn judge(gateway: &TestGateway, trial: &Trial, receipts: &Receipts, rounds: u32) -> Report {
    let rows = all_events(gateway).await;
    let stored: Vec<_> = rows.iter().map(stored).collect();
    let known: BTreeSet<&str> = stored.iter().map(|stored| stored.event.as_str()).collect();
    let sent = trial.journal.sent();
    let answered = sent.iter().filter_map(|sent| Some((&sent.id, &sent.acknowledged.as_ref()?.1)));
    let lost = answered.filter(|(_, event)| !known.contains(event.as_str()));
    let lost = lost.map(|(id, event)| format!("{id} as event {event}: not stored"));
    let mut skipped = receipts.skipped(&stored, &parked(gateway).await);
    skipped.extend(lost);

    let mut report = Report::new(rounds);
    report.acknowledged = trial.journal.counts().1;
    (report.lost, report.duplicated) = (skipped.len(), receipts.again.len());
    (report.repeated, report.disordered) = (receipts.repeated, receipts.disordered.len());
    let kinds = [
        ("skipped", &skipped),
        ("sent again after they were confirmed", &receipts.again),
        ("out of order", &receipts.disordered),
        ("wrong", &receipts.wrong),
    ];
    for (what, found) in kinds {
        let some = || found.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("; ");
        report.expect(found.is_empty(), || format!("{} {what}: {}", found.len(), some()));
    }
    report.expect(receipts.settled() > rounds as usize, || format!("hardly anything settled: {}", receipts.settled()));
    report
}

fn stored(row: &Value) -> Stored {
    Stored {
        seq: row["seq"].as_u64().unwrap(),
        event: row["id"].as_str().unwrap().to_owned(),
        is_for_it: row["channel"] == "dummy",
    }
}

/// The positions of parked events.
async fn parked(gateway: &TestGateway) -> BTreeSet<u64> {
    let (mut parked, mut after) = (BTreeSet::new(), 0);
    loop {
        let page = gateway.json(&format!("/admin/consumers/audit/parked?limit=500&after={after}")).await;
        parked.extend(page["parked"].as_array().unwrap().iter().map(|parked| parked["seq"].as_u64().unwrap()));
        let Some(next) = page["next"].as_u64() else { return parked };
        after = next;
    }
}
