//! DUR10: a backup under load, and its restore.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::suite::Scale;
use crate::support::TestGateway;
use crate::trial::{Trial, all_events, random};

use super::Outcome;

/// Makes a backup during requests and deliveries, and restores it into an empty folder.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Usual).await;
    let mut gateway = trial.setup().start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut report = Report::new(scale.rounds);
    let mut behind = 0;
    for round in 0..scale.rounds {
        scale.progress(round);
        let load = Load::start(&gateway, &trial);
        tokio::time::sleep(Duration::from_millis(100) + random(Duration::from_millis(300))).await;
        let file = folder.path().join(format!("backup-{round}"));
        let before = trial.journal.sent();
        let (code, _, problem) = gateway.cli(&["log", "backup", file.to_str().unwrap()]);
        assert_eq!(code, 0, "{problem}");
        // The backup must be usable without the gateway that made it.
        let setup = trial.kill(gateway).await;
        load.end().await;
        gateway = trial.recover(setup).await;
        let rows = all_events(&gateway).await;

        let other = Trial {
            agent: Recorder::start(&trial.journal).await,
            journal: trial.journal.clone(),
            recoveries: Vec::new(),
        };
        let setup = other.setup();
        succeed(setup.command(&["log", "restore", file.to_str().unwrap()]));
        let restored = setup.start().await;
        let kept = all_events(&restored).await;
        report.expect(is_prefix(&kept, &rows), || {
            format!("{} restored events are not a prefix of {}", kept.len(), rows.len())
        });
        let has = |event: &str| kept.iter().any(|row| row["id"] == event);
        let missing: Vec<_> = before
            .iter()
            .filter(|sent| sent.acknowledged.as_ref().is_some_and(|(_, event)| !has(event)))
            .map(|sent| sent.id.as_str())
            .collect();
        report.lost += missing.len();
        report.expect(missing.is_empty(), || format!("acknowledged before the backup, and not in it: {missing:?}"));
        // Open deliveries in the backup are made after the restore, complete and in order.
        other.settled(&restored).await;
        read_all(&restored, &other, &kept, &mut report).await;
        behind += rows.len() - kept.len();
    }
    resend_acknowledged(&gateway, &trial).await;
    report.add(&trial.judge(&gateway).await);
    report.note(format!("each restored to a prefix of the log, {behind} events came after their backup began"));
    report.recoveries = trial.recoveries;
    Ok(report)
}

fn succeed(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whether `kept` is a prefix of `rows`: the same events at the same positions. Both are newest first.
fn is_prefix(kept: &[Value], rows: &[Value]) -> bool {
    let same = |pair: (&Value, &Value)| pair.0["id"] == pair.1["id"] && pair.0["seq"] == pair.1["seq"];
    kept.len() <= rows.len() && kept.iter().rev().zip(rows.iter().rev()).all(same)
}

/// Compares every event of the restored log with its request.
async fn read_all(gateway: &TestGateway, trial: &Trial, rows: &[Value], report: &mut Report) {
    for row in rows {
        let event = gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
        let id = event["headers"][0][1].as_str().unwrap();
        report.expect(event["data"].as_str() == Some(&trial.journal.body(id)), || format!("{id} has other bytes"));
    }
}
