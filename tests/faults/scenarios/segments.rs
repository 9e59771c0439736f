//! DUR12: kills while the journal's segments are prepared, applied, freed and emptied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::churn::used;
use crate::journal::{Bodies, Journal};
use crate::load::{Load, deliver, resend_acknowledged, resend_unanswered};
use crate::recorder::{Answer, Recorder};
use crate::report::Report;
use crate::suite::Scale;
use crate::trial::{Trial, metric, random};

use super::Outcome;

/// The events that retention keeps besides those that are open: less than a segment holds.
const KEPT: usize = 50;

/// The events of a round that stay open until the end. Each keeps the segment that it is in, until that is emptied.
const OPEN: usize = 3;

/// The allowed size of the folder beyond three times the live data.
const CONSTANT: u64 = 192 << 20;

pub(super) async fn run(scale: Scale) -> Outcome {
    let journal = Arc::new(Journal::new(Bodies::Of(100_000)));
    let holding = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&holding);
    let agent = Recorder::answering(&journal, move |record| {
        let is_open = record.arrival.subject.starts_with("open") && held.load(Ordering::Relaxed);
        Answer::Status(if is_open { 500 } else { 200 })
    });
    let mut trial = Trial { agent: agent.await, journal, recoveries: Vec::new() };
    let setup = trial.setup_with("retry = { max_age = \"24h\", first_wait = \"1s\", max_wait = \"2s\" }");
    let setup = setup.config(&format!("\n[eventlog.retention]\nmax_events = {KEPT}\n"));
    let data = setup.path().join("data");
    let mut gateway = setup.start().await;
    let mut report = Report::new(scale.rounds);
    let (mut most, mut segments) = (0, 0);
    for round in 0..scale.rounds {
        scale.progress(round);
        for number in 0..OPEN {
            let letter = trial.journal.attempt_about(format!("open {round} {number}"));
            deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
        }
        let load = Load::start(&gateway, &trial);
        tokio::time::sleep(random(Duration::from_millis(1500))).await;
        segments = segments.max(metric(&gateway, "gateway_eventlog_journal_segments").await);

        let setup = trial.kill(gateway).await;

        let refusals = load.end().await;
        assert!(refusals.is_empty(), "{refusals:?}");
        gateway = trial.recover(setup).await;
        resend_acknowledged(&gateway, &trial).await;
        if round.is_multiple_of(2) {
            resend_unanswered(&gateway, &trial).await;
        }
        let live = metric(&gateway, "gateway_eventlog_bytes").await;
        let disk = used(&data);
        most = most.max(disk);
        report.expect(disk <= 3 * live + CONSTANT, || format!("{disk} bytes on the disk, {live} of them live"));
    }
    holding.store(false, Ordering::Relaxed);
    trial.settled(&gateway).await;
    let verdict = trial.judge_deliveries();
    report.add(&verdict);
    report.expect(verdict.acknowledged > 20 * scale.rounds as usize, || format!("hardly any load: {verdict}"));
    let setup = trial.stop(gateway).await;
    let verified = setup.command(&["log", "verify"]).output().unwrap();
    report.expect(verified.status.success(), || String::from_utf8_lossy(&verified.stdout).into_owned());
    report.note(format!(
        "{} MB went through, at most {} MiB on the disk and {segments} segments",
        verdict.acknowledged / 10,
        most >> 20
    ));
    report.recoveries = trial.recoveries;
    Ok(report)
}
