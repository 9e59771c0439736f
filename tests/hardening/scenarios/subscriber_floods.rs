//! SUB8: subscribers that flood, fall silent, or never finish what they begin.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::raw::statuses;
use crate::report::Report;
use crate::subscriber::Subscriber;
use crate::suite::{Scale, percentiles};
use crate::support::{Frame, ws};
use crate::traffic::Callers;
use crate::victim::Victim;

use super::Outcome;

/// How long a subscriber may be silent, and a head may take.
const LIMIT: Duration = Duration::from_secs(2);

/// How long the gateway waits for the answer to its close frame.
const FAREWELL: Duration = Duration::from_secs(5);

/// Extra time, because the machine is busy.
const SLACK: Duration = Duration::from_secs(4);

/// The most memory for all attackers.
const MEMORY: u64 = 48 << 20;

/// The frames in one write.
const BURST: usize = 500;

/// The time between two lines of an endless head.
const DRIBBLE: Duration = Duration::from_millis(100);

/// The behaviour of an attacker. None reads anything before the gateway has ended the connection.
#[derive(Clone, Copy)]
struct Attack {
    name: &'static str,
    /// What is sent once and then again and again, in frames.
    first: fn() -> Vec<u8>,
    again: fn() -> Vec<u8>,
    /// The code in the close frame.
    code: u16,
    /// How long it may last.
    most: Duration,
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "pings",
        first: Vec::new,
        again: || ws::frame(ws::FIN | ws::PING, &[7; 125]),
        code: 1008,
        most: FAREWELL,
    },
    Attack {
        name: "pongs",
        first: Vec::new,
        again: || ws::frame(ws::FIN | ws::PONG, &[7; 125]),
        code: 1008,
        most: FAREWELL,
    },
    Attack {
        name: "messages",
        first: Vec::new,
        again: || ws::frame(ws::FIN | ws::TEXT, br#"{"type":"x","ref":"unread"}"#),
        code: 1008,
        most: FAREWELL,
    },
    Attack {
        name: "parts of one byte",
        first: || ws::frame(ws::TEXT, b"{"),
        again: || ws::frame(0, b" "),
        code: 1009,
        most: FAREWELL,
    },
    Attack {
        name: "empty parts",
        first: || ws::frame(ws::TEXT, b"{"),
        again: || ws::frame(0, b""),
        code: 4000,
        // It is not noticed before it has been silent for too long: no part is a message.
        most: LIMIT.saturating_add(FAREWELL),
    },
    Attack { name: "silence", first: Vec::new, again: Vec::new, code: 4000, most: LIMIT.saturating_add(FAREWELL) },
];

/// The end of an attacker.
struct Ended {
    frames: usize,
    life: Duration,
    /// The code of the close frame, or the status of an answer to the handshake.
    code: Option<u16>,
}

pub(super) async fn run(scale: Scale) -> Outcome {
    // Of each kind.
    let attackers = scale.either(5, 40);
    let mut report = Report::new(scale.rounds);
    let mut lives: Vec<(&str, Vec<Duration>)> = Vec::new();
    for round in 0..scale.rounds {
        scale.progress(round);
        let mut victim = Victim::start_with_subscriber("ping = \"1s\"\ntimeout = \"2s\"").await;
        let address = victim.gateway.client.address();
        let good = GoodOne::start(address).await;
        let before = Callers::alone(&victim, Duration::from_secs(1)).await;
        victim.watch_memory();
        let callers = Callers::start(&victim);

        let mut running = JoinSet::new();
        for number in 0..attackers {
            for attack in ATTACKS {
                running.spawn(async move { (attack.name, Some(attack.code), attack.most, attack.run(address).await) });
            }
            // Ten times as many, because each costs little.
            for _ in 0..10 {
                running.spawn(async move { ("endless handshakes", None, LIMIT, shake_hands(address, number).await) });
            }
        }
        for (name, code, most, ended) in running.join_all().await {
            report.attacks += ended.frames;
            let Ended { life, code: found, .. } = ended;
            report.expect(found == code, || format!("{name}: ended with {found:?}, expected {code:?}"));
            report.expect(life <= most + SLACK, || format!("{name}: ended after {life:.1?}, limit {most:?}"));
            match lives.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.push(life),
                None => lives.push((name, vec![life])),
            }
        }
        report.good_callers(before, callers.end().await, scale.either(0.6, 0.5));
        report.memory(victim.memory_grown(), MEMORY);
        let stored = victim.stored().await;
        let has_all = async || (good.received.load(Ordering::Relaxed) >= stored).then_some(());
        victim.gateway.until("all events at the good subscriber", has_all).await;
        let left = async || (victim.subscribers().await == 1).then_some(());
        victim.gateway.until("the places of the attackers", left).await;
        victim.calms_down().await;
    }
    let lives = lives.iter().map(|(name, lives)| format!("{name} {:.1?}", percentiles(lives).unwrap()[1]));
    report.note(format!(
        "ended after (p99): {}; the good subscriber got every event",
        lives.collect::<Vec<_>>().join(", ")
    ));
    Ok(report)
}

impl Attack {
    async fn run(&self, address: SocketAddr) -> Ended {
        // Events that it does not read would hide the end of the connection, which comes after them.
        let mut subscriber = Subscriber::connect_unread(address, "?kind=nothing").await;
        let began = Instant::now();
        let end = began + self.most + SLACK;
        let again = (self.again)();
        let burst = again.repeat(BURST);
        let mut frames = usize::from(subscriber.write(&(self.first)()).await);
        if again.is_empty() {
            subscriber.until_ended(end).await;
        } else {
            let flood = async {
                while subscriber.write(&burst).await {
                    frames += BURST;
                }
            };
            // A connection that is still there by then has outlived its limit.
            let _ = tokio::time::timeout_at((end + SLACK).into(), flood).await;
        }
        let life = began.elapsed();
        let mut code = None;
        loop {
            match subscriber.frame().await {
                Frame::Close(reason) => code = reason.map(|(code, _)| code),
                Frame::End => return Ended { frames, life, code },
                _ => {}
            }
        }
    }
}

/// A handshake that never ends: the head of the request goes on and on, or stops in the middle.
async fn shake_hands(address: SocketAddr, number: usize) -> Ended {
    const HEAD: &[u8] =
        b"GET /api/subscribe HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let began = Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let dribble = async {
        let _ = writer.write_all(HEAD).await;
        while number.is_multiple_of(2) && writer.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(DRIBBLE).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = dribble => {}
        _ = reader.read_to_end(&mut answer) => {}
    }
    Ended { frames: 1, life: began.elapsed(), code: statuses(&answer).first().copied() }
}

/// A subscriber that reads everything and answers pings.
struct GoodOne {
    received: Arc<AtomicU64>,
    _reading: JoinSet<()>,
}

impl GoodOne {
    async fn start(address: SocketAddr) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let (mut subscriber, counter) = (Subscriber::connect(address, "").await, Arc::clone(&received));
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while subscriber.event().await.is_some() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            panic!("the good subscriber was ended");
        });
        Self { received, _reading: reading }
    }
}
