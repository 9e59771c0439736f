//! SUB5: one subscriber that reads 1 KB/s among many that keep up.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::report::Report;
use crate::subscriber::Subscriber;
use crate::suite::{Scale, percentiles};
use crate::support::Client;
use crate::victim::Victim;

use super::Outcome;

/// What the slow subscriber reads in a second.
const RATE: usize = 1024;

/// Events that all subscribers together get in a second.
const DELIVERIES: u32 = 5000;

/// Large events that only the slow subscriber asks for: more than the system's buffers take.
const BACKLOG: u64 = 250;
const LARGE: usize = 32 << 10;
/// The size of the other events.
const SMALL: usize = 1000;

/// The largest factor between the times of deliveries with and without a slow subscriber. Times below the floor are noise.
const FACTOR: u32 = 5;
const FLOOR: Duration = Duration::from_millis(10);

/// The most that may wait in the gateway's part of the system's buffers: little more than what the system may take before it can
/// send it.
const UNSENT: u64 = 256 << 10;

/// The most memory that the slow subscriber may cost.
const MEMORY: u64 = 32 << 20;

pub(super) async fn run(scale: Scale) -> Outcome {
    let others = scale.either(100, 1000);
    let time = scale.either(Duration::from_secs(4), Duration::from_secs(60));
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        let mut victim = Victim::start_with_subscriber(scale.either("write_timeout = \"1s\"", "")).await;
        let address = victim.gateway.client.address();
        let mut source = Source { client: victim.door.client(), began: Instant::now(), sent: 0 };
        for _ in 0..BACKLOG {
            source.send(LARGE, false).await;
        }
        let mut readers = Readers::connect(address, others, &source).await;

        let before = readers.follow(&mut source, time).await;
        victim.watch_memory();
        let mut slow = SlowOne::connect(address).await;
        let (during, held) = tokio::join!(readers.follow(&mut source, time), slow.read_slowly(Instant::now() + time));
        report.memory(victim.memory_grown(), MEMORY);
        report.expect(held.unsent <= UNSENT, || format!("{} KiB waited in the system to be sent", held.unsent >> 10));
        slow.catch_up(source.sent).await;
        let (as_slow, as_silent) = (victim.closed("slow").await, victim.closed("silent").await);
        let after = readers.follow(&mut source, time).await;

        let p99 = |times: &[Duration]| percentiles(times).unwrap()[1];
        let (with, without) = (p99(&during), p99(&before).max(p99(&after)));
        report.expect(with <= FACTOR * without.max(FLOOR), || {
            format!("p99 was {without:.1?} without the slow subscriber and {with:.1?} with it")
        });
        let all: Vec<_> = (1..=slow.numbers.len() as u64).collect();
        report.expect(slow.numbers == all, || "the slow subscriber has missed or repeated events".to_owned());
        let (ended, returns) = (as_slow + as_silent, slow.returns);
        report.expect(ended == f64::from(returns), || format!("{ended} connections ended, {returns} returns"));
        report.attacks += 1;
        if round == 0 {
            report.note(format!(
                "{others} others, p99 afterwards {:.1?}; at most {} KiB waited in the system to be sent to the slow one, \
                 and {} KiB to be read by it; it was ended {as_slow} times as slow and {as_silent} times as silent, and got all {} events",
                p99(&after),
                held.unsent >> 10,
                held.unread >> 10,
                slow.numbers.len(),
            ));
        }
        report.times(before, during);
    }
    Ok(report)
}

/// Sends numbered events that say when they were sent.
struct Source {
    client: Client,
    began: Instant,
    sent: u64,
}

impl Source {
    async fn send(&mut self, bytes: usize, is_last: bool) {
        self.sent += 1;
        let (number, at, padding) = (self.sent, self.began.elapsed().as_micros(), "x".repeat(bytes));
        let body = format!(r#"{{"number":{number},"at":{at},"last":{is_last},"padding":"{padding}"}}"#);
        self.client.post("/webhooks/dummy", &[("content-type", "application/json")], body).await.expect_status(202);
    }

    /// Sends this many events a second for this time. The last one is marked.
    async fn flow(&mut self, rate: u32, time: Duration) {
        let end = Instant::now() + time;
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while Instant::now() < end {
            ticks.tick().await;
            self.send(SMALL, false).await;
        }
        self.send(SMALL, true).await;
    }
}

/// The number of an event.
fn number(event: &Value) -> u64 {
    event["event"]["data"]["number"].as_u64().unwrap()
}

/// The subscribers that keep up.
struct Readers {
    all: Vec<Subscriber>,
    began: Instant,
    /// The number of the last event.
    last: u64,
}

impl Readers {
    async fn connect(address: SocketAddr, number: usize, source: &Source) -> Self {
        let mut all = Vec::new();
        for _ in 0..number {
            all.push(Subscriber::connect(address, "").await);
        }
        Self { all, began: source.began, last: source.sent }
    }

    /// Reads what the source sends in this time. Returns how long each delivery took.
    async fn follow(&mut self, source: &mut Source, time: Duration) -> Vec<Duration> {
        let rate = DELIVERIES / u32::try_from(self.all.len()).unwrap();
        let mut reading = JoinSet::new();
        for mut subscriber in self.all.drain(..) {
            let (began, mut last) = (self.began, self.last);
            reading.spawn(async move {
                let mut times = Vec::new();
                loop {
                    let event = subscriber.event().await.expect("the connection of a subscriber that keeps up");
                    last += 1;
                    assert_eq!(number(&event), last, "each event once and in order");
                    let data = &event["event"]["data"];
                    times.push(began.elapsed().saturating_sub(Duration::from_micros(data["at"].as_u64().unwrap())));
                    if data["last"] == true {
                        return (subscriber, times);
                    }
                }
            });
        }
        source.flow(rate, time).await;
        self.last = source.sent;
        let (all, times): (Vec<_>, Vec<_>) = reading.join_all().await.into_iter().unzip();
        self.all = all;
        times.concat()
    }
}

/// The subscriber that reads slowly, and wants everything.
struct SlowOne {
    address: SocketAddr,
    subscriber: Subscriber,
    numbers: Vec<u64>,
    cursor: String,
    returns: u32,
}

impl SlowOne {
    async fn connect(address: SocketAddr) -> Self {
        let subscriber = Subscriber::connect(address, "?since=earliest").await;
        Self { address, subscriber, numbers: Vec::new(), cursor: String::new(), returns: 0 }
    }

    fn take(&mut self, event: &Value) {
        self.numbers.push(number(event));
        event["cursor"].as_str().unwrap().clone_into(&mut self.cursor);
    }

    /// Reads slowly until then. Returns the most that waited for it in the system's buffers.
    async fn read_slowly(&mut self, until: Instant) -> Waiting {
        let mut most = Waiting::default();
        while Instant::now() < until {
            for event in self.subscriber.read_slowly(RATE).await {
                self.take(&event);
            }
            let now = Waiting::at(self.address);
            most = Waiting { unsent: most.unsent.max(now.unsent), unread: most.unread.max(now.unread) };
        }
        most
    }

    /// Reads everything up to this event, and comes back when it is ended.
    async fn catch_up(&mut self, last: u64) {
        while self.numbers.last() != Some(&last) {
            match self.subscriber.event().await {
                Some(event) => self.take(&event),
                None => {
                    self.returns += 1;
                    let query = format!("?since={}", self.cursor);
                    self.subscriber = Subscriber::connect(self.address, &query).await;
                }
            }
        }
    }
}

/// Bytes in the system's buffers of the connections that the gateway has accepted.
#[derive(Default)]
struct Waiting {
    /// On the side of the gateway.
    unsent: u64,
    /// On the side of the subscribers.
    unread: u64,
}

impl Waiting {
    fn at(address: SocketAddr) -> Self {
        let port = format!(":{:04X}", address.port());
        let connections = fs::read_to_string("/proc/net/tcp").unwrap();
        let mut waiting = Self::default();
        for line in connections.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [Some(here), Some(there), Some(queues)] = [1, 2, 4].map(|field| fields.get(field)) else { continue };
            let Some((unsent, unread)) = queues.split_once(':') else { continue };
            let bytes = |queue| u64::from_str_radix(queue, 16).unwrap();
            if here.ends_with(&port) {
                waiting.unsent += bytes(unsent);
            }
            if there.ends_with(&port) {
                waiting.unread += bytes(unread);
            }
        }
        waiting
    }
}
