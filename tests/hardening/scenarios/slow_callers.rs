//! WEB2: callers that send slowly or not at all, and more callers than connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::report::Report;
use crate::suite::{Scale, percentiles};
use crate::tools;
use crate::traffic::Callers;
use crate::victim::Victim;

use super::Outcome;

/// The gateway's timeouts for a head, a body and an idle connection.
const LIMIT: Duration = Duration::from_secs(2);

/// Extra time, because the gateway checks connections at intervals and the machine is busy.
const SLACK: Duration = Duration::from_secs(4);

/// The time between two bytes of a slow caller.
const DRIBBLE: Duration = Duration::from_millis(100);

/// The most memory for all connections of attackers.
const MEMORY: u64 = 64 << 20;

/// The behaviour of a slow caller.
#[derive(Clone, Copy)]
enum Way {
    /// An endless head, byte by byte.
    Head,
    /// A body with a declared length, byte by byte.
    Body,
    /// A body in chunks of one byte.
    Chunks,
    /// An incomplete head, and nothing more.
    Silence,
    /// Nothing at all.
    Nothing,
    /// A good request, and then nothing.
    Idle,
}

const WAYS: [Way; 6] = [Way::Head, Way::Body, Way::Chunks, Way::Silence, Way::Nothing, Way::Idle];

pub(super) async fn run(scale: Scale) -> Outcome {
    let callers = scale.either(240, 1200);
    let time = scale.either(Duration::from_secs(3), Duration::from_secs(30));
    let mut report = Report::new(scale.rounds);
    let mut lives = Vec::new();
    for round in 0..scale.rounds {
        scale.progress(round);
        let limit = format!("{}s", LIMIT.as_secs());
        let connections = (callers + 64).to_string();
        let mut victim = Victim::start(&[
            ("header_timeout", &limit),
            ("body_timeout", &limit),
            ("idle_timeout", &limit),
            ("max_connections", &connections),
            // All callers have the same address.
            ("max_connections_per_address", "100000"),
        ])
        .await;
        let before = Callers::alone(&victim, time).await;
        victim.watch_memory();
        let good = Callers::start(&victim);
        let attack = attack(victim.gateway.client.address(), callers, time).await;
        report.good_callers(before, good.end().await, scale.either(0.5, 0.2));
        report.memory(victim.memory_grown(), MEMORY);
        report.attacks += attack.len();
        let late = attack.iter().filter(|life| **life > LIMIT + SLACK).count();
        report.expect(late == 0, || format!("{late} slow connections of {} outlived their timeout", attack.len()));
        lives.extend(attack);

        exhaust_connections(&victim, callers, &mut report).await;
    }
    if let Some([p50, p99]) = percentiles(&lives) {
        report.note(format!(
            "{callers} slow connections at once; disconnected after p50 {p50:.1?}, p99 {p99:.1?}, limit {LIMIT:?}"
        ));
    }
    match tools::find("slowhttptest") {
        Some(program) if scale.long => slowhttptest(&program, &mut report).await,
        Some(_) => {}
        None => report.note("slowhttptest is not installed, and was not run"),
    }
    Ok(report)
}

/// Keeps `callers` slow connections open for this time; a disconnected caller connects again. Returns the lifetime of each connection.
async fn attack(address: SocketAddr, callers: usize, time: Duration) -> Vec<Duration> {
    let end = Instant::now() + time;
    let mut attackers = JoinSet::new();
    for number in 0..callers {
        attackers.spawn(async move {
            let mut lives = Vec::new();
            while Instant::now() < end {
                lives.push(call(address, WAYS[number % WAYS.len()]).await);
            }
            lives
        });
    }
    attackers.join_all().await.concat()
}

/// One slow connection; returns its lifetime until the gateway ends it.
async fn call(address: SocketAddr, way: Way) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    let (first, then) = way.script();
    let _ = stream.write_all(first.as_bytes()).await;
    let (mut reader, mut writer) = stream.into_split();
    let dribble = async {
        for byte in then.bytes().cycle() {
            tokio::time::sleep(DRIBBLE).await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        std::future::pending().await
    };
    let read = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
    };
    tokio::select! {
        () = dribble => {}
        () = read => {}
    }
    began.elapsed()
}

impl Way {
    /// The text that is sent at once, and the text that is then sent byte by byte in a loop.
    fn script(self) -> (String, &'static str) {
        let post = |header: &str| format!("POST /webhooks/dummy HTTP/1.1\r\nHost: gateway\r\n{header}\r\n\r\n");
        match self {
            Self::Head => ("POST /webhooks/dummy HTTP/1.1\r\nHost: gateway\r\n".to_owned(), "x: y\r\n"),
            Self::Body => (post("Content-Length: 1000000"), "x"),
            Self::Chunks => (post("Transfer-Encoding: chunked"), "1\r\nx\r\n"),
            Self::Silence => ("POST /webhooks/dummy HTTP/1.1\r\nHo".to_owned(), ""),
            Self::Nothing => (String::new(), ""),
            Self::Idle => ("GET /health HTTP/1.1\r\nHost: gateway\r\n\r\n".to_owned(), ""),
        }
    }
}

/// Opens more connections than allowed: their number stays bounded, and after their timeout new callers are served again.
async fn exhaust_connections(victim: &Victim, callers: usize, report: &mut Report) {
    let address = victim.gateway.client.address();
    // The observer connects first and keeps its connection.
    victim.gateway.until("an observer's connection", async || victim.metric("gateway_http_connections").await).await;
    let mut connections = Vec::new();
    for _ in 0..2 * callers {
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    let refused = victim
        .gateway
        .until("refused connections", async || {
            victim.metric("gateway_http_refused_total{reason=\"connections\"}").await.filter(|refused| *refused > 0.0)
        })
        .await;
    let number = async || victim.metric("gateway_http_connections").await;
    let open = victim.gateway.until("the number of connections", number).await;
    let most = (callers + 64) as f64;
    report.expect(open <= most, || format!("{open} connections are open, the limit is {most}"));
    report.attacks += connections.len();
    let began = Instant::now();
    victim
        .gateway
        .until("a free connection", async || {
            let reply = victim.door.client().try_send("GET", "/health", &[], Vec::new()).await;
            reply.is_ok_and(|reply| reply.status == 200).then_some(())
        })
        .await;
    let blocked = began.elapsed();
    report.expect(blocked <= LIMIT + SLACK, || format!("new callers were blocked for {blocked:.1?}"));
    report.note(format!(
        "{} callers for {most} connections: {refused} refused, served again after {blocked:.1?}",
        connections.len()
    ));
}

/// Runs slowhttptest, a tool that administrators use: slow heads, bodies and readers.
async fn slowhttptest(program: &std::path::Path, report: &mut Report) {
    let victim = Victim::start(&[("header_timeout", "5s"), ("body_timeout", "5s")]).await;
    for (way, what) in [("-H", "slow heads"), ("-B", "slow bodies"), ("-X", "slow readers")] {
        let url = format!("http://{}/webhooks/dummy", victim.gateway.client.address());
        let arguments = ["-c", "500", way, "-i", "1", "-r", "250", "-l", "20", "-p", "2", "-t", "POST", "-u", &url];
        let mut command = tools::command(program);
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).replace("\u{1b}[0m", "");
        let available = text.lines().rev().find(|line| line.contains("service available"));
        report.expect(available.is_some_and(|line| line.contains("YES")), || {
            format!("slowhttptest {way}: {available:?}")
        });
        report.note(format!("slowhttptest, {what}: service available"));
    }
}
