//! DEL4: jumps of the wall clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::load::deliver;
use crate::recorder::Answer;
use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::support::{Setup, TestGateway};
use crate::trial::Trial;

use super::Outcome;

/// The path of the library on Debian; it replaces the C library's clock.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

const WAIT: Duration = Duration::from_secs(2);

/// The subjects whose events fail, so that retries are scheduled.
const SUBJECTS: usize = 8;

/// The wall clock jumps while retries are scheduled: forward, back, and across a restart.
pub(super) async fn run(scale: Scale) -> Outcome {
    let library = library().ok_or_else(|| Skipped("needs libfaketime (Debian: faketime)".to_owned()))?;
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        for (first, second) in [("+1d", "+0d"), ("-1d", "+0d"), ("+1d", "-1d")] {
            jump(&library, first, second, &mut report).await;
        }
    }
    report.note("a day forward, back, and across a restart; repeated attempts kept their waits");
    Ok(report)
}

async fn jump(library: &Path, first: &str, second: &str, report: &mut Report) {
    let good = Arc::new(AtomicBool::new(false));
    let is_good = Arc::clone(&good);
    let mut trial =
        Trial::answering(move |_| Answer::Status(if is_good.load(Ordering::Relaxed) { 200 } else { 500 })).await;
    let wait = WAIT.as_millis();
    let agent = format!(
        "breaker = {{ failures = 0 }}\n\
         retry = {{ attempts = 50, first_wait = \"{wait}ms\", max_wait = \"{wait}ms\", jitter = 0.0 }}"
    );
    let clock = trial_clock(trial.setup_with(&agent), library);
    let gateway = clock.setup.start().await;
    for number in 0..SUBJECTS {
        let letter = trial.journal.attempt_about(format!("subject {number}"));
        deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
    }
    gateway.until("first attempts", async || (trial.agent.count() >= SUBJECTS).then_some(())).await;
    let before = received_at(&gateway).await;

    fs::write(&clock.file, first).unwrap();

    let letter = trial.journal.attempt_about("after the jump");
    deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
    let after = received_at(&gateway).await;
    assert_ne!(before, after, "the clock did not jump");
    gateway.until("repeated attempts", async || (trial.agent.count() > 3 * SUBJECTS).then_some(())).await;
    expect_waits(&trial, &format!("{first} jump"), report);

    // The same for deliveries that a start reads from the log: none may wait for a day.
    let setup = trial.kill(gateway).await;
    fs::write(&clock.file, second).unwrap();
    good.store(true, Ordering::Relaxed);
    let gateway = trial.recover(setup).await;
    report.add(&trial.judge(&gateway).await);
    let stats = gateway.json("/admin/stats").await;
    report.expect(stats["events"]["dead"] == 0, || format!("given up because of the clock: {}", stats["events"]));
    report.recoveries.append(&mut trial.recoveries);
}

/// A gateway with the clock of a file.
struct Clock {
    setup: Setup,
    file: PathBuf,
}

fn trial_clock(setup: Setup, library: &Path) -> Clock {
    let file = setup.path().join("clock");
    fs::write(&file, "+0d").unwrap();
    let setup = setup
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Clock { setup, file }
}

/// The day on which the gateway received its newest event.
async fn received_at(gateway: &TestGateway) -> String {
    let row = gateway.list("events?limit=1").await.remove(0);
    row["received_at"].as_str().unwrap()[..10].to_owned()
}

/// Checks that no retry came early.
fn expect_waits(trial: &Trial, what: &str, report: &mut Report) {
    let records = trial.agent.records();
    for (index, record) in records.iter().enumerate() {
        let same = |other: &&crate::recorder::Record| other.arrival.event == record.arrival.event;
        let Some(before) = records[..index].iter().rev().find(same) else { continue };
        let waited = record.at.saturating_duration_since(before.answered.unwrap_or(before.at));
        report.expect(waited + Duration::from_millis(5) >= WAIT, || {
            format!("{what}: {} came again after {waited:?}, not {WAIT:?}", record.arrival.id)
        });
    }
}

/// The library, if it is installed.
fn library() -> Option<PathBuf> {
    let multiarch = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    multiarch.map(|dir| dir.join(LIBRARY)).find(|path| path.is_file())
}
