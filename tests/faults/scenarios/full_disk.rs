//! DUR6: a full disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::disk::Disk;
use crate::journal::Bodies;
use crate::load::{Load, deliver, resend_acknowledged};
use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::support::Reply;
use crate::trial::{Trial, with_log_in};

use super::Outcome;

/// Requests are refused before the disk is full, everything else goes on, and intake resumes when there is space.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::default();
    for round in 0..scale.rounds {
        scale.progress(round);
        let disks = [("tmpfs", Disk::tmpfs(64), 20), ("ext4", Disk::ext4(96), 48)];
        for (name, disk, taken) in disks {
            let disk = disk.map_err(|reason| {
                Skipped(format!("a full disk needs root, to mount one of its own ({name}): {reason}"))
            })?;
            fill_twice(&disk, taken, &mut report).await;
            report.findings.rounds += 1;
        }
    }
    report.note("tmpfs and ext4, filled by the log itself and by somebody else");
    Ok(report)
}

/// `taken` is how many MiB of the disk somebody else has at first.
async fn fill_twice(disk: &Disk, taken: usize, report: &mut Report) {
    let dir = disk.path().join("data");
    let filler = disk.path().join("filler");
    let mut trial = Trial::new(Bodies::Usual).await;
    let setup = with_log_in(trial.setup(), &dir)
        .env("GATEWAY__EVENTLOG__BALLAST", "4MiB")
        .env("GATEWAY__EVENTLOG__MIN_FREE", "0B");
    fs::write(&filler, vec![1; taken << 20]).unwrap();
    let gateway = setup.start().await;

    // First the log itself fills the disk, then another file.
    for fill in [None, Some(&filler)] {
        if let Some(filler) = fill {
            fill_up(filler);
        }
        let refusals = Load::start(&gateway, &trial).end().await;

        refusals.into_iter().for_each(expect_no_room);
        let ready = gateway.client.get("/health/ready").await.expect_status(503).json();
        assert_eq!(ready["failing"][0]["part"], "eventlog", "{ready}");
        let letter = trial.journal.acknowledged(1, 0).remove(0);
        gateway.json(&format!("/admin/events/{}", trial.journal.event(&letter).unwrap())).await;
        if fill.is_none() {
            // Outcomes of deliveries are recorded even now.
            trial.settled(&gateway).await;
        }

        fs::remove_file(&filler).unwrap();

        gateway.until("room", async || (gateway.client.get("/health/ready").await.status == 200).then_some(())).await;
        deliver(&gateway.client, &trial.journal, &trial.journal.attempt(0)).await.unwrap().expect_accepted();
    }
    trial.settled(&gateway).await;
    let setup = trial.kill(gateway).await;
    let gateway = trial.recover(setup).await;
    resend_acknowledged(&gateway, &trial).await;
    report.add(&trial.judge(&gateway).await);
    report.recoveries.append(&mut trial.recoveries);
}

fn expect_no_room(refusal: Reply) {
    assert!(refusal.headers.contains_key("retry-after"), "{refusal:?}");
    refusal.expect_problem(503, "store_unavailable");
}

/// Writes until the disk is full.
fn fill_up(path: &Path) {
    let mut file = File::create(path).unwrap();
    let zeros = vec![0; 4096];
    loop {
        match file.write_all(&zeros) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}
