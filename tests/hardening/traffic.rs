//! Good callers: signed webhooks at a steady pace, whose success is measured during an attack.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::github::{PATH, Webhook};
use crate::support::Client;
use crate::victim::Victim;

/// The number of senders. There are many at a slow pace, because real callers do not wait for each other.
const SENDERS: usize = 20;
/// The time between two requests of a sender.
const PACE: Duration = Duration::from_millis(100);

/// The requests that a sender sends over one connection.
const REQUESTS: usize = 10;

/// The results of good requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    /// The response time of each accepted request.
    pub(crate) times: Vec<Duration>,
    /// The reason for each failed request.
    pub(crate) failed: Vec<String>,
    took: Duration,
}

/// Callers that send signed webhooks at a steady pace, over old connections and new ones.
pub(crate) struct Callers {
    senders: JoinSet<Traffic>,
    stop: CancellationToken,
    began: Instant,
}

impl Callers {
    pub(crate) fn start(victim: &Victim) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let (door, stop) = (victim.door.clone(), stop.clone());
            senders.spawn(async move {
                let mut traffic = Traffic::default();
                let mut ticks = tokio::time::interval(PACE);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
                let mut client = door.client();
                for request in 1_usize.. {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => break,
                        _ = ticks.tick() => {}
                    }
                    if request % REQUESTS == 0 {
                        client = door.client();
                    }
                    traffic.send(&client, NUMBER.fetch_add(1, Ordering::Relaxed)).await;
                }
                traffic
            });
        }
        Self { senders, stop, began: Instant::now() }
    }

    /// Stops the callers and returns their results.
    pub(crate) async fn end(self) -> Traffic {
        self.stop.cancel();
        let took = self.began.elapsed();
        let mut all = Traffic { took, ..Traffic::default() };
        for traffic in self.senders.join_all().await {
            all.add(traffic);
        }
        all
    }

    /// Runs good callers without an attack for this time.
    pub(crate) async fn alone(victim: &Victim, time: Duration) -> Traffic {
        let callers = Self::start(victim);
        tokio::time::sleep(time).await;
        callers.end().await
    }
}

impl Traffic {
    async fn send(&mut self, client: &Client, number: usize) {
        let webhook = Webhook::issue(&format!("good-{number}"), number);
        let sent = Instant::now();
        match client.try_send("POST", PATH, &webhook.headers(), webhook.body.clone()).await {
            Ok(reply) if reply.status == 202 => self.times.push(sent.elapsed()),
            Ok(reply) => self.failed.push(format!("{reply:?}")),
            Err(error) => self.failed.push(format!("{error:?}")),
        }
    }

    /// Adds the results of another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failed.extend(other.failed);
        self.took += other.took;
    }

    /// Accepted requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}
