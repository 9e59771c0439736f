use std::time::Duration;

use super::kills::kill_while_it_starts;
use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::scenario::{Outcome, Scale, random};
use crate::support::Setup;
use crate::trace::Trace;
use crate::trial::Trial;

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
            // Also at a certain write, where it has come so far.
            let call = ["pwrite64", "fdatasync", "rename"][again % 3];
            match crash_at(&trial, setup, call, 1 + round as usize % 12).await? {
                (true, after) => {
                    at_writes += 1;
                    setup = after;
                }
                (false, after) => setup = after,
            }
        }

        gateway = trial.recover(setup).await;
        resend_acknowledged(&gateway, &trial).await;
        if round.is_multiple_of(2) {
            resend_unanswered(&gateway, &trial).await;
        }
    }
    let mut report = Report { rounds: scale.rounds, ..Report::default() };
    report.add(&trial.judge(&gateway).await);
    report.note(format!("{killed} recoveries were killed within 60 ms, {at_writes} at a write, fdatasync or rename"));
    report.recoveries = trial.recoveries;
    Ok(report)
}

/// Lets the gateway recover, deliver what is open, and die before the `number`th of these calls. It is killed when it
/// makes fewer; the answer says whether it did not.
async fn crash_at(
    trial: &Trial,
    setup: Setup,
    call: &str,
    number: usize,
) -> Result<(bool, Setup), crate::scenario::Skipped> {
    let trace = Trace::new()?;
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let (crashed, setup) = match trace.try_start(setup, call, &["-e", &inject]).await {
        Ok(gateway) => (false, gateway.kill()),
        Err(ended) => {
            assert_eq!(ended.code, None, "{call} {number}: {}", ended.log);
            (true, ended.setup)
        }
    };
    trial.agent.next_run(false).await;
    Ok((crashed, setup))
}
