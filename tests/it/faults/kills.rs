use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal::Journal;
use super::load::{Load, compare, resend_acknowledged, resend_unanswered};
use super::{percentiles, random, say, setup};
use crate::support::Setup;

const ROUNDS: u32 = 100;

/// `kill -9` at any time, also in the middle of recovering from the last one: every acknowledged event is there.
#[tokio::test]
async fn a_hundred_kills_of_a_loaded_gateway_lose_nothing() {
    let journal = Arc::new(Journal::default());
    let mut gateway = setup().start().await;
    let mut recoveries = Vec::new();
    for round in 0..ROUNDS {
        let load = Load::start(&gateway.client, &journal);
        tokio::time::sleep(random(Duration::from_millis(250))).await;

        let mut setup = gateway.kill();
        let mut killed = Instant::now();

        let refusals = load.end().await;
        assert!(refusals.is_empty(), "{refusals:?}");
        if round.is_multiple_of(10) {
            setup = kill_while_it_starts(setup).await;
            killed = Instant::now();
        }
        gateway = setup.start().await;
        recoveries.push(killed.elapsed());
        resend_acknowledged(&gateway.client, &journal).await;
        if round.is_multiple_of(2) {
            resend_unanswered(&gateway.client, &journal).await;
        }
    }

    let figures = compare(&gateway, &journal).await;

    say(&format!("{ROUNDS} kills: {figures}; from the kill to serving: {}", percentiles(recoveries)));
    figures.expect_nothing_lost();
    assert!(figures.acknowledged > ROUNDS as usize, "{figures}");
}

/// Nobody waits until it serves.
async fn kill_while_it_starts(setup: Setup) -> Setup {
    let mut command = setup.command(&["serve"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(random(Duration::from_millis(60))).await;
    child.kill().unwrap();
    child.wait().unwrap();
    setup
}
