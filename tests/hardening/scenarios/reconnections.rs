//! SUB4: ten thousand subscribers over TLS, which all come back at once after the gateway was killed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use rustls::client::Resumption;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::door::{Door, Stream};
use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::{Scale, memory, percentiles};
use crate::support::{Frame, KEY, WebSocket, ws};
use crate::victim::Victim;

use super::Outcome;

/// Subscribers of the long form.
const CROWD: usize = 10_000;

/// Handshakes at once while the crowd is made.
const AT_ONCE: usize = 64;

/// Events before the kill, and after it.
const EVENTS: usize = 5;

/// What one of them may cost when all are connected, TLS and buffers of the handshake included.
const EACH: u64 = 64 << 10;
/// What may be needed beside that, as long as they come in.
const BASE: u64 = 64 << 20;

/// When all must be back.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pauses of a subscriber that is refused: the first one, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

pub(super) async fn run(scale: Scale) -> Outcome {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    // The gateway has the same limit, and needs files beside its connections.
    let most = usize::try_from(limit.maximum.unwrap_or(u64::MAX)).unwrap_or(usize::MAX).saturating_sub(500);
    let count = scale.either(200, CROWD).min(most);
    let mut report = Report::new(scale.rounds);
    let (mut back, mut refused) = (Vec::new(), BTreeMap::new());
    let mut each = 0;
    for round in 0..scale.rounds {
        scale.progress(round);
        let mut victim = Victim::start_tls_with_subscriber().await;
        let way = Way::to(&victim.door);
        // The first connection takes memory that the others do not.
        drop(way.connect("").await.unwrap());
        victim.watch_memory();
        let before = memory(victim.gateway.pid(), "VmRSS:");
        let mut crowd = Vec::new();
        while crowd.len() < count {
            let more = (0..AT_ONCE.min(count - crowd.len())).map(|_| way.connect(""));
            crowd.extend(futures_util::future::try_join_all(more).await.unwrap());
        }
        victim.calms_down().await;
        each = each.max(memory(victim.gateway.pid(), "VmRSS:").saturating_sub(before) / count as u64);
        report.memory(victim.memory_grown(), BASE + EACH * count as u64);
        emit(&victim, 0).await;
        // Whoever has heard the kill is on the way back before the gateway is.
        let mut returning = JoinSet::new();
        for member in crowd {
            returning.spawn(member.over_a_kill());
        }
        let has_read = async || (victim.metric(SENT).await? >= (EVENTS * count) as f64).then_some(());
        victim.gateway.until("the first events", has_read).await;

        let mut victim = victim.restart().await;
        let serves = Instant::now();
        victim.watch_memory();
        emit(&victim, EVENTS).await;
        for member in returning.join_all().await {
            back.push(member.back.saturating_duration_since(serves));
            report.expect(member.numbers == (0..2 * EVENTS).collect::<Vec<_>>(), || {
                format!("a subscriber got {:?}", member.numbers)
            });
            for (reason, times) in member.refused {
                *refused.entry(reason).or_insert(0) += times;
            }
        }
        report.memory(victim.memory_grown(), BASE + EACH * count as u64);
        report.attacks += count;
        let left = async || (victim.subscribers().await == 0).then_some(());
        victim.gateway.until("the places of the crowd", left).await;
        victim.calms_down().await;
    }
    let slowest = back.iter().max().copied().unwrap_or_default();
    report.expect(slowest < PATIENCE, || format!("the last one was back after {slowest:.1?}"));
    let [p50, p99] = percentiles(&back).unwrap();
    let refused: Vec<_> = refused.iter().map(|(reason, times)| format!("{times} {reason}")).collect();
    report.note(format!(
        "{count} over TLS, {:.1} KiB each; back p50 {p50:.1?}, p99 {p99:.1?}, the last one {slowest:.1?} after the start; \
         attempts that failed: {}; every event once and in order",
        each as f64 / 1024.0,
        if refused.is_empty() { "none".to_owned() } else { refused.join(", ") }
    ));
    Ok(report)
}

/// A counter of `/metrics`.
const SENT: &str = "gateway_subscriber_events_sent_total";

/// Stores events with their numbers from `first` on, as a provider that sends a webhook again when it is not answered in time.
async fn emit(victim: &Victim, first: usize) {
    let client = victim.door.client();
    for number in first..first + EVENTS {
        let webhook = Webhook::issue(&format!("event-{number}"), number);
        let stored = async || {
            let reply = client.try_send("POST", PATH, &webhook.headers(), webhook.body.clone()).await.ok()?;
            reply.status.is_success().then_some(())
        };
        victim.gateway.until("an event to be stored", stored).await;
    }
}

/// How to get to the gateway.
#[derive(Clone)]
struct Way {
    door: Door,
    tls: Option<Arc<ClientConfig>>,
}

impl Way {
    /// Each connection with a whole handshake, because a gateway that was killed knows no session.
    fn to(door: &Door) -> Self {
        let tls = door.authority.as_ref().map(|authority| {
            let mut config = authority.client_config(None);
            config.resumption = Resumption::disabled();
            Arc::new(config)
        });
        Self { door: door.clone(), tls }
    }

    /// Connects as `edge`. The error says why it was not let in.
    async fn connect(&self, query: &str) -> io::Result<Member> {
        let stream = self.door.connect_with(self.tls.clone()).await?;
        let path = format!("/api/subscribe{query}");
        let mut socket = WebSocket::open(stream, self.door.address, &path, &[("api-key", KEY)]).await?;
        let status = socket.head.split(' ').nth(1).unwrap_or_default();
        if status != "101" {
            return Err(io::Error::other(format!("answered {status}")));
        }
        let ack = socket.message().await;
        let cursor = ack["cursor"].as_str().unwrap().to_owned();
        Ok(Member { way: self.clone(), socket, cursor, numbers: Vec::new() })
    }
}

/// A subscriber.
struct Member {
    way: Way,
    socket: WebSocket<Stream>,
    cursor: String,
    numbers: Vec<usize>,
}

/// A subscriber that came back.
struct Returned {
    back: Instant,
    numbers: Vec<usize>,
    /// Why it was not let in, and how often.
    refused: BTreeMap<String, usize>,
}

impl Member {
    /// Reads until the gateway is gone, comes back, and reads the rest.
    async fn over_a_kill(mut self) -> Returned {
        while self.read().await {}
        // Its file is needed for the next connection.
        drop(self.socket);
        let (mut refused, mut pause) = (BTreeMap::new(), PAUSES[0]);
        let query = format!("?since={}", self.cursor);
        let mut returned = loop {
            match self.way.connect(&query).await {
                Ok(member) => break member,
                Err(error) => *refused.entry(reason(&error)).or_insert(0) += 1,
            }
            let jitter = 0.5 + f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX) / 2.0;
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause = (2 * pause).min(PAUSES[1]);
        };
        let back = Instant::now();
        returned.numbers = self.numbers;
        while returned.numbers.len() < 2 * EVENTS && returned.read().await {}
        Returned { back, numbers: returned.numbers, refused }
    }

    /// Reads an event; returns false at the end of the connection.
    async fn read(&mut self) -> bool {
        loop {
            match self.socket.frame().await {
                Frame::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "event" {
                        message["cursor"].as_str().unwrap().clone_into(&mut self.cursor);
                        let number = message["event"]["data"]["issue"]["number"].as_u64().unwrap();
                        self.numbers.push(usize::try_from(number).unwrap());
                        return true;
                    }
                }
                Frame::Ping(payload) => drop(self.socket.try_send(&ws::frame(ws::FIN | ws::PONG, &payload)).await),
                Frame::End => return false,
                _ => {}
            }
        }
    }
}

/// The kind of a failure, without what is different each time.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}
