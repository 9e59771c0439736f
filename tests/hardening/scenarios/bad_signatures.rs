use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::door::Door;
use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::traffic::Callers;
use crate::victim::Victim;

use super::Outcome;

/// Attackers that send one request after the other.
const ATTACKERS: usize = 16;

/// The most that they may take of memory.
const MEMORY: u64 = 32 << 20;

/// A round of the long form is a minute: first without good callers, so that the store has to stay as it is to the byte.
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

/// As many requests as there can be; each is answered 401.
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

/// The size of the store when it writes nothing any more.
async fn settled_disk(victim: &Victim) -> u64 {
    let mut last = (Instant::now(), victim.disk());
    victim
        .gateway
        .until("the store to come to rest", async || {
            let now = victim.disk();
            if now != last.1 {
                last = (Instant::now(), now);
            }
            // Longer than the store waits with what it writes in the background.
            (last.0.elapsed() > Duration::from_secs(1)).then_some(now)
        })
        .await
}
