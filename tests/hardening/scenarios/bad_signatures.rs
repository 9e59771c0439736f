//! SIG3: a flood of bad signatures.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::door::Door;
use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::traffic::Callers;
use crate::victim::Victim;

use super::Outcome;

/// Concurrent attackers; each sends its requests in sequence.
const ATTACKERS: usize = 16;

/// The most memory for all attackers.
const MEMORY: u64 = 32 << 20;

/// A round of the long form takes a minute. Its first half has no good callers, so the store must not change by a single byte.
pub(super) async fn run(scale: Scale) -> Outcome {
    let time = scale.either(Duration::from_secs(2), Duration::from_secs(30));
    let mut report = Report::new(scale.rounds);
    let mut victim = Victim::start(&[]).await;
    let mut seconds = 0.0;
    for round in 0..scale.rounds {
        scale.progress(round);
        let before = Callers::alone(&victim, time.min(Duration::from_secs(5))).await;
        victim.calms_down().await;
        let (stored, disk) = (victim.stored().await, settled_disk(&victim).await);
        victim.watch_memory();
        report.attacks += flood(&victim.door, time).await;
        let (now, grown) = (victim.stored().await, victim.disk() - disk);
        report.expect(now == stored && grown == 0, || format!("{} events and {grown} bytes were stored", now - stored));

        let good = Callers::start(&victim);
        report.attacks += flood(&victim.door, time).await;
        report.good_callers(before, good.end().await, scale.either(0.5, 0.2));
        report.memory(victim.memory_grown(), MEMORY);
        seconds += 2.0 * time.as_secs_f64();
    }
    report.note(format!("{:.0} bad signatures a second, 0 events, 0 bytes", report.attacks as f64 / seconds));
    Ok(report)
}

/// Sends requests at full speed; each must be answered 401. Returns their number.
async fn flood(door: &Door, time: Duration) -> usize {
    let end = Instant::now() + time;
    let mut attackers = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let client = door.client();
        attackers.spawn(async move {
            let mut webhook = Webhook::issue("forged", attacker);
            webhook.signature = format!("sha256={}", "0".repeat(64));
            let mut sent = 0;
            while Instant::now() < end {
                client.post(PATH, &webhook.headers(), webhook.body.clone()).await.expect_status(401);
                sent += 1;
            }
            sent
        });
    }
    attackers.join_all().await.into_iter().sum()
}

/// The size of the store once it has applied its journal and stopped writing.
async fn settled_disk(victim: &Victim) -> u64 {
    let mut last = (Instant::now(), victim.disk());
    victim
        .gateway
        .until("the store to come to rest", async || {
            let now = victim.disk();
            if now != last.1 {
                last = (Instant::now(), now);
            }
            let is_applied = victim.metric("gateway_eventlog_journal_waiting_bytes").await == Some(0.0);
            (is_applied && last.0.elapsed() > Duration::from_secs(1)).then_some(now)
        })
        .await
}
