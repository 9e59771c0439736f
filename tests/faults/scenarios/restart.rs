//! DEL3: restarts under load.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper_util::client::legacy;
use tokio::task::JoinSet;

use crate::journal::{Bodies, Journal, Letter};
use crate::load::{WRITERS, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::{Scale, percentiles};
use crate::support::{Client, Setup, TestGateway};
use crate::trial::{Trial, random};

use super::Outcome;

/// The owner of the socket during a restart.
enum Socket {
    /// The gateway: callers are refused during a restart.
    Own,
    /// A service manager: callers wait in the backlog.
    Held(TcpListener),
}

/// The observations of one sender.
#[derive(Default)]
struct Met {
    /// The times from a request that was not accepted until its acceptance.
    gaps: Vec<Duration>,
    /// Refused connections.
    refused: usize,
    /// Responses other than 202 and 503, and waits that were too long.
    strange: Vec<String>,
}

/// SIGTERM under load and a start at the same address, first with the gateway's own socket, then with a held one.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(2 * scale.rounds);
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    restarts(scale, Socket::Own, &own.to_string(), &mut report).await;
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    restarts(scale, Socket::Held(held), &address, &mut report).await;
    Ok(report)
}

async fn restarts(scale: Scale, socket: Socket, address: &str, report: &mut Report) {
    let mut trial = Trial::new(Bodies::Usual).await;
    let mut gateway = start(trial.setup().env("GATEWAY__HTTP__LISTEN", address), &socket).await;
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
        let stopped = Instant::now();
        gateway = start(setup, &socket).await;
        trial.recoveries.push(stopped.elapsed());
        restarts.push(began.elapsed());
    }
    // Every sender gets a response from the last gateway.
    let (_, before) = trial.journal.counts();
    let answered = || trial.journal.counts().1 > before + 10 * WRITERS;
    gateway.until("answers after the last restart", async || answered().then_some(())).await;
    over.store(true, Ordering::Relaxed);
    let met = senders.join_all().await;
    resend_acknowledged(&gateway, &trial).await;
    resend_unanswered(&gateway, &trial).await;

    let verdict = trial.judge(&gateway).await;
    report.add(&verdict);
    report.expect(verdict.repeated == 0, || format!("made again after a clean stop: {verdict}"));
    let strange: Vec<_> = met.iter().flat_map(|met| &met.strange).collect();
    report.expect(strange.is_empty(), || format!("{} answers: {strange:?}", strange.len()));
    let refused: usize = met.iter().map(|met| met.refused).sum();
    let gaps: Vec<_> = met.iter().flat_map(|met| met.gaps.iter().copied()).collect();
    let [_, longest] = percentiles(&gaps).unwrap_or_default();
    let [_, restart] = percentiles(&restarts).unwrap_or_default();
    let who = match socket {
        Socket::Own => "own socket",
        Socket::Held(_) => {
            report.expect(refused == 0, || format!("{refused} connections refused while the socket was held"));
            "held socket"
        }
    };
    report
        .note(format!("{who}: {refused} connections refused, restart p99 {restart:.0?}, senders waited {longest:.0?}"));
    report.recoveries.append(&mut trial.recoveries);
}

async fn start(setup: Setup, socket: &Socket) -> TestGateway {
    match socket {
        Socket::Own => setup.start().await,
        Socket::Held(socket) => match setup.try_start_on(socket).await {
            Ok(gateway) => gateway,
            Err(ended) => panic!("the gateway ended:\n{}", ended.log),
        },
    }
}

/// Sends requests in sequence, and retries each that is refused or not answered, as real senders do.
async fn send(client: Client, journal: Arc<Journal>, writer: usize, over: Arc<AtomicBool>) -> Met {
    let mut met = Met::default();
    while !over.load(Ordering::Relaxed) {
        let letter = journal.attempt(writer);
        let began = Instant::now();
        let mut again = false;
        while !accepted(&client, &journal, &letter, &mut met).await {
            again = true;
            if began.elapsed() > Duration::from_secs(60) {
                met.strange.push(format!("{} was not accepted for a minute", letter.id));
                return met;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if again {
            met.gaps.push(began.elapsed());
        }
    }
    met
}

/// Sends a request once; returns whether no retry is needed.
async fn accepted(client: &Client, journal: &Journal, letter: &Letter, met: &mut Met) -> bool {
    let headers = [("x-delivery-id", letter.id.as_str())];
    let path = letter.path("dummy");
    match client.try_send("POST", &path, &headers, journal.body(&letter.id).into()).await {
        Ok(reply) if reply.status.is_success() => {
            journal.acknowledge(letter, reply.json()["events"][0]["id"].as_str().unwrap());
            true
        }
        Ok(reply) => {
            if reply.status != 503 {
                met.strange.push(format!("{reply:?}"));
            }
            reply.status != 503
        }
        Err(error) => {
            let refused = error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect);
            met.refused += usize::from(refused);
            false
        }
    }
}
