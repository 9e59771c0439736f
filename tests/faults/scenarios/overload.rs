//! DEL5: five times the peak load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::journal::Bodies;
use crate::load::deliver;
use crate::report::Report;
use crate::suite::Scale;
use crate::support::{Client, TestGateway};
use crate::trial::Trial;

use super::Outcome;

/// The senders that measure the peak: enough to keep the disk busy.
const SENDERS: usize = 64;

/// The offered load as a multiple of the peak.
const TIMES: usize = 5;

/// The most requests that wait for a response.
const WAITING: usize = 2000;

/// The interval at which new requests are sent.
const TICK: Duration = Duration::from_millis(5);

/// First closed-loop load, to measure the peak, then open-loop load at five times the peak.
pub(super) async fn run(scale: Scale) -> Outcome {
    let time = scale.either(Duration::from_secs(2), Duration::from_secs(10));
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        let trial = Trial::new(Bodies::Of(600)).await;
        // All senders have the same address.
        let mut gateway = trial.setup().env("GATEWAY__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "4096").start().await;
        let peak = closed(&gateway, &trial, time).await;
        trial.settled(&gateway).await;
        let (offered, goodput, strange) = open(&gateway, &trial, peak * TIMES as f64, time).await;
        // The senders leave, and with them the connections that the gateway has reset or is about to: whoever reads from now on is
        // none of them, and must be answered.
        gateway.client = Client::new(gateway.client.address());
        gateway
            .until("one connection", async || {
                let metrics = gateway.client.try_send("GET", "/metrics", &[], Vec::new()).await.ok()?;
                String::from_utf8_lossy(&metrics.body).contains("\ngateway_http_connections 1\n").then_some(())
            })
            .await;
        report.add(&trial.judge(&gateway).await);
        report.expect(goodput > peak / 10.0, || format!("goodput fell from {peak:.0}/s to {goodput:.0}/s"));
        report.expect(strange == 0, || format!("{strange} answers that are neither 202 nor 503 with Retry-After"));
        let ratio = 100.0 * goodput / peak;
        report.note(format!("peak {peak:.0}/s, offered {offered:.0}/s, goodput {goodput:.0}/s: {ratio:.0} %"));
    }
    Ok(report)
}

/// Closed loop: senders wait for each response. Returns the accepted events per second.
async fn closed(gateway: &TestGateway, trial: &Trial, time: Duration) -> f64 {
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for writer in 0..SENDERS {
        let (client, journal) = (gateway.client.clone(), Arc::clone(&trial.journal));
        senders.spawn(async move {
            let mut accepted = 0_u32;
            while began.elapsed() < time {
                let letter = journal.attempt_about(format!("subject {writer}"));
                let reply = deliver(&client, &journal, &letter).await;
                accepted += u32::from(reply.is_some_and(|reply| reply.status == 202));
            }
            accepted
        });
    }
    let accepted: u32 = senders.join_all().await.into_iter().sum();
    f64::from(accepted) / began.elapsed().as_secs_f64()
}

/// Open loop: offers `rate` requests per second. Returns the offered and the accepted requests per second, and the number of
/// responses that are neither an acceptance nor a proper refusal.
async fn open(gateway: &TestGateway, trial: &Trial, rate: f64, time: Duration) -> (f64, f64, usize) {
    let (accepted, strange) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let (mut ticks, mut offered) = (tokio::time::interval(TICK), 0);
    let mut requests = JoinSet::new();
    while began.elapsed() < time {
        ticks.tick().await;
        while requests.try_join_next().is_some() {}
        let due = (rate * began.elapsed().as_secs_f64()) as usize;
        while offered < due && requests.len() < WAITING {
            offered += 1;
            let (client, journal) = (gateway.client.clone(), Arc::clone(&trial.journal));
            let (accepted, strange) = (Arc::clone(&accepted), Arc::clone(&strange));
            requests.spawn(async move {
                let letter = journal.attempt_about(format!("subject {}", offered % SENDERS));
                match deliver(&client, &journal, &letter).await {
                    Some(reply) if reply.status == 202 => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                    Some(reply) if reply.status == 503 && reply.headers.contains_key("retry-after") => {}
                    // The gateway closes excess connections.
                    None => {}
                    Some(_) => drop(strange.fetch_add(1, Ordering::Relaxed)),
                }
            });
        }
    }
    let (took, in_time) = (began.elapsed().as_secs_f64(), accepted.load(Ordering::Relaxed));
    requests.join_all().await;
    (offered as f64 / took, in_time as f64 / took, strange.load(Ordering::Relaxed))
}
