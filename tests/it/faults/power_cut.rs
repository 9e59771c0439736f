use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::journal::Journal;
use super::load::{Load, compare, resend_acknowledged, resend_unanswered};
use super::{percentiles, random, say, setup};

const ROUNDS: u32 = 30;

/// What the disk had not written is gone, and with it nothing that was acknowledged.
#[tokio::test]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let disk = match Disk::ext4(512) {
        Ok(disk) => disk,
        Err(reason) => return say(&format!("skipped: a power cut needs root and a loop device: {reason}")),
    };
    let journal = Arc::new(Journal::default());
    let dir = disk.path().join("data");
    let mut gateway = setup().env("GATEWAY__EVENTLOG__DIR", dir.to_str().unwrap()).start().await;
    let mut recoveries = Vec::new();
    for round in 0..ROUNDS {
        let load = Load::start(&gateway.client, &journal);
        tokio::time::sleep(random(Duration::from_millis(400))).await;

        disk.cut_power();

        let setup = gateway.kill();
        for refusal in load.end().await {
            refusal.expect_problem(503, "store_unavailable");
        }
        disk.restore_power();
        let restored = Instant::now();
        gateway = setup.start().await;
        recoveries.push(restored.elapsed());
        resend_acknowledged(&gateway.client, &journal).await;
        if round.is_multiple_of(2) {
            resend_unanswered(&gateway.client, &journal).await;
        }
    }

    let figures = compare(&gateway, &journal).await;

    say(&format!("{ROUNDS} power cuts: {figures}; from the start to serving: {}", percentiles(recoveries)));
    figures.expect_nothing_lost();
    assert!(figures.acknowledged > ROUNDS as usize, "{figures}");
}
