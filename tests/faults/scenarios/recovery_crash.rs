//! DUR4: crashes during the recovery from a crash.

use std::time::Duration;

use super::kills::kill_while_it_starts;
use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::support::Setup;
use crate::trace::Trace;
use crate::trial::{Trial, random};

use super::Outcome;

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Usual).await;
    let mut gateway = trial.setup().start().await;
    let (mut killed, mut at_writes) = (0, 0);
    for round in 0..scale.rounds {
        scale.progress(round);
        let load = Load::start(&gateway, &trial);
        tokio::time::sleep(random(Duration::from_millis(200))).await;
        let mut setup = trial.kill(gateway).await;
        let refusals = load.end().await;
        assert!(refusals.is_empty(), "{refusals:?}");

        for again in 0..3 {
            setup = kill_while_it_starts(setup).await;
            killed += 1;
            trial.agent.next_run(false).await;
            // Also at a given call, if the gateway gets that far.
            let call = ["pwrite64", "fdatasync", "rename"][again % 3];
            let (crashed, after) = crash_at(&trial, setup, call, 1 + round % 12).await?;
            at_writes += u32::from(crashed);
            setup = after;
        }

        gateway = trial.recover(setup).await;
        resend_acknowledged(&gateway, &trial).await;
        if round.is_multiple_of(2) {
            resend_unanswered(&gateway, &trial).await;
        }
    }
    let mut report = Report::new(scale.rounds);
    report.add(&trial.judge(&gateway).await);
    report.note(format!("{killed} recoveries were killed within 60 ms, {at_writes} at a write, fdatasync or rename"));
    report.recoveries = trial.recoveries;
    Ok(report)
}

/// Lets the gateway recover and deliver open events until it crashes before the `number`th of these calls. If it makes fewer
/// calls, it is stopped. Returns whether it crashed.
async fn crash_at(trial: &Trial, setup: Setup, call: &str, number: u32) -> Result<(bool, Setup), Skipped> {
    let trace = Trace::new()?;
    let (code, setup) = match trace.start_to_crash(setup, call, number).await {
        Ok(gateway) => {
            while let Ok(stats) = gateway.client.try_send("GET", "/admin/stats", &[], Vec::new()).await {
                if stats.json()["events"]["pending"] == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            gateway.stop().await
        }
        Err(ended) => (ended.code, ended.setup),
    };
    assert!(code.is_none() || code == Some(0), "{call} {number}: exit code {code:?}");
    trial.agent.next_run(code.is_some()).await;
    Ok((code.is_none(), setup))
}
