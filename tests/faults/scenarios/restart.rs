use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::journal::{Bodies, Journal};
use crate::load::{WRITERS, deliver, resend_acknowledged, resend_unanswered};
use crate::report::{Report, percentiles};
use crate::scenario::{Outcome, Scale, random};
use crate::support::Client;
use crate::trial::Trial;

/// What one sender met.
#[derive(Default)]
struct Met {
    /// The longest times without an answer, each with the next answer at its end.
    gaps: Vec<Duration>,
    /// Answers that are neither 202 nor 503.
    strange: Vec<String>,
}

/// SIGTERM under load, and a start at the same address.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Usual).await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = trial.setup().env("GATEWAY__HTTP__LISTEN", &address.to_string());
    let mut gateway = setup.start().await;
    let over = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for writer in 0..WRITERS {
        senders.spawn(send(gateway.client.clone(), Arc::clone(&trial.journal), writer, Arc::clone(&over)));
    }
    let mut restarts = Vec::new();
    for round in 0..scale.rounds {
        scale.progress(round);
        tokio::time::sleep(Duration::from_millis(100) + random(Duration::from_millis(300))).await;
        let began = Instant::now();
        let setup = trial.stop(gateway).await;
        gateway = trial.recover(setup).await;
        restarts.push(began.elapsed());
    }
    // Every sender gets an answer from the last one.
    let (_, before) = trial.journal.counts();
    gateway
        .until("answers after the last restart", async || {
            (trial.journal.counts().1 > before + 10 * WRITERS).then_some(())
        })
        .await;
    over.store(true, Ordering::Relaxed);
    let met = senders.join_all().await;
    resend_acknowledged(&gateway, &trial).await;
    resend_unanswered(&gateway, &trial).await;

    let mut report = Report { rounds: scale.rounds, ..Report::default() };
    let verdict = trial.judge(&gateway).await;
    report.add(&verdict);
    report.expect(verdict.repeated == 0, || format!("made again after a clean stop: {verdict}"));
    let strange: Vec<_> = met.iter().flat_map(|met| &met.strange).collect();
    report.expect(strange.is_empty(), || format!("{} answers: {strange:?}", strange.len()));
    let gaps: Vec<_> = met.iter().flat_map(|met| met.gaps.iter().copied()).collect();
    let [_, longest] = percentiles(&gaps).unwrap_or_default();
    let [_, restart] = percentiles(&restarts).unwrap_or_default();
    report.note(format!("a restart takes {restart:.0?} (p99), senders wait {longest:.0?} (p99) for their next answer"));
    report.recoveries = trial.recoveries;
    Ok(report)
}

/// Sends one request after the other, and again what was refused or not answered, as senders do.
async fn send(client: Client, journal: Arc<Journal>, writer: usize, over: Arc<AtomicBool>) -> Met {
    let mut met = Met::default();
    while !over.load(Ordering::Relaxed) {
        let letter = journal.attempt(writer);
        let began = Instant::now();
        let mut refused = false;
        loop {
            match deliver(&client, &journal, &letter).await {
                Some(reply) if reply.status.is_success() => break,
                Some(reply) if reply.status != 503 => {
                    met.strange.push(format!("{reply:?}"));
                    break;
                }
                _ => {}
            }
            refused = true;
            if began.elapsed() > Duration::from_secs(60) {
                met.strange.push(format!("{} was refused for a minute", letter.id));
                return met;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if refused {
            met.gaps.push(began.elapsed());
        }
    }
    met
}
