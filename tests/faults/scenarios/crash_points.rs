//! DUR3: crashes before each `fdatasync`, write and rename.

use std::fs::{self, File};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::journal::Bodies;
use crate::load::{deliver, deliver_all, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::trace::Trace;
use crate::trial::{Trial, plugins};

use super::Outcome;

/// The calls at which a crash can leave incomplete data.
const CALLS: [&str; 3] = ["fdatasync", "pwrite64", "rename"];

/// The same of the thread that prepares, applies and frees segments.
const CALLS_OF_SEGMENTS: [&str; 6] = ["fdatasync", "pwrite64", "rename", "fallocate", "fsync", "unlink"];

/// The earlier formats of a log.
const OLD_FORMATS: [u8; 2] = [1, 2];

/// The events of a log of an earlier format.
const HELD: u64 = 220;

/// Requests of one run.
const REQUESTS: usize = 12;

/// The store at the start of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    New,
    Old,
    /// One whose segments are filled and freed all the time.
    Busy,
}

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::default();
    // Plugins are compiled only once.
    let compiled = tempfile::tempdir().unwrap();
    for call in CALLS {
        for store in [Store::New, Store::Old] {
            sweep(scale, call, store, &compiled, &mut report).await?;
        }
        for format in OLD_FORMATS {
            take_over(scale, call, format, &compiled, &mut report).await?;
        }
    }
    for call in CALLS_OF_SEGMENTS {
        sweep(scale, call, Store::Busy, &compiled, &mut report).await?;
    }
    Ok(report)
}

/// Crashes before the 1st, 2nd, 3rd ... of these calls, until a run makes fewer of them. The short form increases its steps.
async fn sweep(scale: Scale, call: &str, store: Store, compiled: &TempDir, report: &mut Report) -> Result<(), Skipped> {
    let (mut number, mut crashes, mut ended_clean) = (1, 0, false);
    for round in 0..scale.rounds {
        scale.progress(round);
        let trace = Trace::new()?;
        let size = if store == Store::Busy { 1_000_000 } else { 3000 };
        let mut trial = Trial::new(Bodies::Of(size)).await;
        let mut setup = trial.setup().env("GATEWAY__PLUGINS__CACHE_DIR", compiled.path().to_str().unwrap());
        if store == Store::Busy {
            setup = setup.env("GATEWAY__EVENTLOG__RETENTION__MAX_EVENTS", "3");
        }
        if store != Store::New {
            let gateway = setup.start().await;
            deliver_all(&gateway, &trial, REQUESTS).await;
            setup = trial.kill(gateway).await;
        }
        let (code, log, setup) = match trace.start_to_crash(setup, call, number).await {
            Ok(gateway) => {
                for _ in 0..if store == Store::Busy { 2 * REQUESTS } else { REQUESTS } {
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
        let verdict = if store == Store::Busy {
            trial.settled(&gateway).await;
            trial.judge_deliveries()
        } else {
            trial.judge(&gateway).await
        };
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
    let what = match store {
        Store::New => "a new store",
        Store::Old => "an old store",
        Store::Busy => "a busy store",
    };
    let end = if ended_clean { "to the end" } else { "not to the end" };
    report.note(format!("{call} of {what}: {crashes} crashes, {end}"));
    Ok(())
}

/// Crashes while a log of an earlier format is taken over. It must have all of its events afterwards.
async fn take_over(
    scale: Scale,
    call: &str,
    format: u8,
    compiled: &TempDir,
    report: &mut Report,
) -> Result<(), Skipped> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/it/fixtures/format-{format}"));
    for number in 1..=scale.rounds {
        scale.progress(number);
        let trace = Trace::new()?;
        let setup = plugins().config("[channels.dummy]\n");
        let setup = setup.env("GATEWAY__PLUGINS__CACHE_DIR", compiled.path().to_str().unwrap());
        let setup = setup.env("GATEWAY__EVENTLOG__RETENTION__MAX_AGE", "876000h");
        fs::create_dir(setup.path().join("data")).unwrap();
        for file in fs::read_dir(&fixture).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "gz") {
                let mut unpacked = File::create(setup.path().join("data").join(file.file_stem().unwrap())).unwrap();
                std::io::copy(&mut GzDecoder::new(File::open(file).unwrap()), &mut unpacked).unwrap();
            }
        }
        let (code, setup) = match trace.start_to_crash(setup, call, number).await {
            Ok(gateway) => gateway.stop().await,
            Err(ended) => (ended.code, ended.setup),
        };
        let verified = setup.command(&["log", "verify", "--format", "json"]).output().unwrap();
        let json: Value = serde_json::from_slice(&verified.stdout).unwrap_or_default();
        report.expect(verified.status.success() && json["events"] == HELD, || {
            format!(
                "{call} {number} of a store of format {format}: {json} {}",
                String::from_utf8_lossy(&verified.stderr)
            )
        });
        report.findings.rounds += 1;
        if code == Some(0) {
            report.note(format!("{call} of a store of format {format}: {} crashes, to the end", number - 1));
            break;
        }
    }
    Ok(())
}
