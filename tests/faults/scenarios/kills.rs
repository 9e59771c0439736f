//! DUR1: `kill -9` under load.

use std::process::Stdio;
use std::time::Duration;

use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::Scale;
use crate::support::Setup;
use crate::trial::{Trial, random};

use super::Outcome;

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Usual).await;
    let mut gateway = trial.setup().start().await;
    for round in 0..scale.rounds {
        scale.progress(round);
        let load = Load::start(&gateway, &trial);
        tokio::time::sleep(random(Duration::from_millis(250))).await;

        let mut setup = trial.kill(gateway).await;

        let refusals = load.end().await;
        assert!(refusals.is_empty(), "{refusals:?}");
        if round.is_multiple_of(10) {
            setup = kill_while_it_starts(setup).await;
            trial.agent.next_run(false).await;
        }
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
    report.note(format!("{} stored without an answer", verdict.unanswered));
    report.recoveries = trial.recoveries;
    Ok(report)
}

/// Starts the gateway and kills it, probably before it serves.
pub(super) async fn kill_while_it_starts(setup: Setup) -> Setup {
    let mut command = setup.command(&["serve"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(random(Duration::from_millis(60))).await;
    child.kill().unwrap();
    child.wait().unwrap();
    setup
}
