//! DUR8: disk usage under retention.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::journal::Bodies;
use crate::load::deliver;
use crate::report::Report;
use crate::suite::Scale;
use crate::support::TestGateway;
use crate::trial::{Trial, metric};

use super::Outcome;

/// Events of one round.
const ROUND: usize = 10_000;

/// Concurrent senders.
const SENDERS: usize = 256;

/// The events that retention keeps.
const KEPT: usize = 10_000;

/// The allowed size of the folder beyond three times the live data: the ballast, snapshots, identities of the last minute,
/// and partly filled segments.
const CONSTANT_MIB: u64 = 192;

/// In each round ten thousand events arrive, are delivered and are removed. Disk usage must not depend on the total.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Of(1000)).await;
    let setup = trial
        .setup()
        .config(&format!("\n[eventlog.retention]\nmax_events = {KEPT}\n"))
        .env("GATEWAY__EVENTLOG__DEDUP_WINDOW", "1m");
    let data = setup.path().join("data");
    let gateway = setup.start().await;
    let mut report = Report::new(scale.rounds);
    let (mut worst, mut live, mut disk) = (0.0_f64, 0, 0);
    for round in 0..scale.rounds {
        scale.progress(round);
        send(&gateway, &trial).await;
        trial.settled(&gateway).await;
        report.add(&trial.judge_deliveries());
        trial.journal.forget();
        trial.agent.forget();
        live = metric(&gateway, "gateway_eventlog_bytes").await;
        disk = used(&data);
        worst = worst.max(disk.saturating_sub(CONSTANT_MIB << 20) as f64 / live as f64);
        report.expect(disk <= 3 * live + (CONSTANT_MIB << 20), || {
            format!("after {} events {disk} bytes on the disk, {live} of them live", (round as usize + 1) * ROUND)
        });
    }
    let setup = trial.kill(gateway).await;
    let gateway = trial.recover(setup).await;
    trial.settled(&gateway).await;
    report.note(format!(
        "{} events in and out; at the end {} MiB live, {} MiB on the disk; never above {worst:.1} times the live data \
         plus {CONSTANT_MIB} MiB",
        scale.rounds as usize * ROUND,
        live >> 20,
        disk >> 20
    ));
    report.recoveries = trial.recoveries;
    Ok(report)
}

async fn send(gateway: &TestGateway, trial: &Trial) {
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (client, journal) = (gateway.client.clone(), Arc::clone(&trial.journal));
        senders.spawn(async move {
            for _ in (sender..ROUND).step_by(SENDERS) {
                let letter = journal.attempt_about(format!("subject {sender}"));
                deliver(&client, &journal, &letter).await.unwrap().expect_accepted();
            }
        });
    }
    senders.join_all().await;
}

/// The disk usage of the files in `dir`, in bytes.
pub(super) fn used(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        // Files may disappear meanwhile.
        let Ok(metadata) = path.metadata() else { continue };
        let compiled = path.file_name().is_some_and(|name| name == "compiled");
        bytes += match metadata.is_dir() {
            true if compiled => 0,
            true => used(&path),
            false => metadata.blocks() * 512,
        };
    }
    bytes
}
