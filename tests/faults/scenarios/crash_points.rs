//! DUR3: crashes before each `fdatasync`, write and rename.

use tempfile::TempDir;

use crate::journal::Bodies;
use crate::load::{deliver, deliver_all, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::trace::Trace;
use crate::trial::Trial;

use super::Outcome;

/// The calls at which a crash can leave incomplete data.
const CALLS: [&str; 3] = ["fdatasync", "pwrite64", "rename"];

/// Requests of one run.
const REQUESTS: usize = 12;

/// The store at the start of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    New,
    Old,
}

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::default();
    // Plugins are compiled only once.
    let compiled = tempfile::tempdir().unwrap();
    for call in CALLS {
        for store in [Store::New, Store::Old] {
            sweep(scale, call, store, &compiled, &mut report).await?;
        }
    }
    Ok(report)
}

/// Crashes before the 1st, 2nd, 3rd ... of these calls, until a run makes fewer of them. The short form increases its steps.
async fn sweep(scale: Scale, call: &str, store: Store, compiled: &TempDir, report: &mut Report) -> Result<(), Skipped> {
    let (mut number, mut crashes, mut ended_clean) = (1, 0, false);
    for round in 0..scale.rounds {
        scale.progress(round);
        let trace = Trace::new()?;
        let mut trial = Trial::new(Bodies::Of(3000)).await;
        let mut setup = trial.setup().env("GATEWAY__PLUGINS__CACHE_DIR", compiled.path().to_str().unwrap());
        if store == Store::Old {
            let gateway = setup.start().await;
            deliver_all(&gateway, &trial, REQUESTS).await;
            setup = trial.kill(gateway).await;
        }
        let (code, log, setup) = match trace.start_to_crash(setup, call, number).await {
            Ok(gateway) => {
                for _ in 0..REQUESTS {
                    let _ = deliver(&gateway.client, &trial.journal, &trial.journal.attempt(0)).await;
                }
                let (code, setup) = gateway.stop().await;
                (code, String::new(), setup)
            }
            Err(ended) => (ended.code, ended.log, ended.setup),
        };
        let clean = code == Some(0);
        assert!(clean || code.is_none(), "{call} {number}: exit code {code:?}\n{log}");
        trial.agent.next_run(clean).await;
        let gateway = trial.recover(setup).await;
        resend_acknowledged(&gateway, &trial).await;
        resend_unanswered(&gateway, &trial).await;
        let verdict = trial.judge(&gateway).await;
        let before = report.findings.faults.len();
        report.add(&verdict);
        report.findings.faults[before..].iter_mut().for_each(|fault| *fault = format!("{call} {number}: {fault}"));
        report.findings.rounds += 1;
        report.recoveries.append(&mut trial.recoveries);
        if clean {
            ended_clean = true;
            break;
        }
        crashes += 1;
        number += scale.either(1 + number / 2, 1);
    }
    let what = if store == Store::New { "new" } else { "old" };
    let end = if ended_clean { "to the end" } else { "not to the end" };
    report.note(format!("{call} of a {what} store: {crashes} crashes, {end}"));
    Ok(())
}
