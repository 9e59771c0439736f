//! DUR2: power cuts.

use std::time::Duration;

use crate::disk::Disk;
use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::trial::{Trial, random, with_log_in};

use super::Outcome;

pub(super) async fn run(scale: Scale) -> Outcome {
    // Each round may write a few hundred megabytes, and nothing is removed.
    let mebibytes = scale.either(2 << 10, 24 << 10);
    let disk = Disk::ext4(mebibytes)
        .map_err(|reason| Skipped(format!("a power cut needs root and a loop device: {reason}")))?;
    let mut trial = Trial::new(Bodies::UpToOneMegabyte).await;
    let mut gateway = with_log_in(trial.setup(), &disk.path().join("data")).start().await;
    for round in 0..scale.rounds {
        scale.progress(round);
        let load = Load::start(&gateway, &trial);
        tokio::time::sleep(random(Duration::from_millis(400))).await;

        disk.cut_power();

        let setup = trial.kill(gateway).await;
        for refusal in load.end().await {
            refusal.expect_problem(503, "store_unavailable");
        }
        disk.restore_power();
        gateway = trial.recover(setup).await;
        resend_acknowledged(&gateway, &trial).await;
        if round.is_multiple_of(2) {
            resend_unanswered(&gateway, &trial).await;
        }
    }
    let mut report = Report::new(scale.rounds);
    let verdict = trial.judge(&gateway).await;
    report.add(&verdict);
    report.expect(verdict.acknowledged > scale.rounds as usize, || format!("hardly any load: {verdict}"));
    report.note(format!("bodies of 1 kB to 1 MB; {} stored without an answer", verdict.unanswered));
    report.recoveries = trial.recoveries;
    // The gateway uses the disk, so it must end first.
    drop(gateway);
    Ok(report)
}
