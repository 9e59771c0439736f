use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::github::{PATH, Webhook};
use crate::support::{Client, TestGateway};

/// Senders, and the time from one request of a sender to its next.
const SENDERS: usize = 4;
const PACE: Duration = Duration::from_millis(20);

/// Requests of a sender over one connection.
const REQUESTS: usize = 25;

/// What became of good requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    /// The answer to each that was taken.
    pub(crate) times: Vec<Duration>,
    /// Why others were not.
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
    pub(crate) fn start(gateway: &TestGateway) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let (address, stop) = (gateway.client.address(), CancellationToken::new());
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let stop = stop.clone();
            senders.spawn(async move {
                let mut traffic = Traffic::default();
                let mut ticks = tokio::time::interval(PACE);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
                let mut client = Arc::new(Client::new(address));
                for request in 1_usize.. {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => break,
                        _ = ticks.tick() => {}
                    }
                    if request % REQUESTS == 0 {
                        client = Arc::new(Client::new(address));
                    }
                    traffic.send(&client, NUMBER.fetch_add(1, Ordering::Relaxed)).await;
                }
                traffic
            });
        }
        Self { senders, stop, began: Instant::now() }
    }

    /// Stops them.
    pub(crate) async fn end(self) -> Traffic {
        self.stop.cancel();
        let took = self.began.elapsed();
        let mut all = Traffic { took, ..Traffic::default() };
        for traffic in self.senders.join_all().await {
            all.add(traffic);
        }
        all
    }

    /// Good callers alone, for some time.
    pub(crate) async fn alone(gateway: &TestGateway, time: Duration) -> Traffic {
        let callers = Self::start(gateway);
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

    /// Both together.
    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failed.extend(other.failed);
        self.took += other.took;
    }

    /// Requests that were taken in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}
