//! WEB3: floods of HTTP/2 frames.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::door::{Door, Stream};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    count, frame, remembered, repeated, request,
};
use crate::report::Report;
use crate::suite::Scale;
use crate::tools;
use crate::traffic::Callers;
use crate::victim::Victim;

use super::Outcome;

/// The connections of a flood.
const CONNECTIONS: usize = 4;

/// The frames in one write.
const BURST: u32 = 100;

/// The most memory for all floods.
const MEMORY: u64 = 96 << 20;

/// One way to misuse HTTP/2.
struct Flood {
    name: &'static str,
    /// Whether the gateway must end such a connection. Otherwise the frames are allowed, but must cost little.
    is_ended: bool,
    /// Whether the attacker reads the responses.
    reads: bool,
    /// The frames that are sent once, and the frames of one burst, which starts at this stream.
    first: fn() -> Vec<u8>,
    burst: fn(u32) -> Vec<u8>,
}

const FLOODS: &[Flood] = &[
    Flood {
        name: "rapid reset",
        is_ended: true,
        reads: true,
        first: Vec::new,
        burst: |stream| {
            each(stream, |stream| [open(stream), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat())
        },
    },
    Flood {
        name: "resets by the gateway",
        is_ended: true,
        reads: true,
        first: Vec::new,
        burst: |stream| each(stream, |stream| [open(stream), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()),
    },
    Flood {
        name: "continuation",
        is_ended: true,
        reads: true,
        first: || frame(HEADERS, 0, 1, &request(true, PATH)),
        burst: |_| each(1, |_| frame(CONTINUATION, 0, 1, &remembered(1000))),
    },
    Flood {
        name: "empty continuation",
        is_ended: true,
        reads: true,
        first: || frame(HEADERS, 0, 1, &request(true, PATH)),
        burst: |_| each(1, |_| frame(CONTINUATION, 0, 1, &[])),
    },
    Flood {
        name: "header bomb",
        is_ended: false,
        reads: true,
        first: Vec::new,
        burst: |stream| {
            let block = [request(true, PATH), remembered(4000), repeated(12_000)].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
        },
    },
    Flood {
        name: "ping",
        is_ended: false,
        reads: true,
        first: Vec::new,
        burst: |_| each(1, |_| frame(PING, 0, 0, &[7; 8])),
    },
    Flood {
        name: "ping, answers unread",
        is_ended: false,
        reads: false,
        first: Vec::new,
        burst: |_| each(1, |_| frame(PING, 0, 0, &[7; 8])),
    },
    Flood {
        name: "settings, answers unread",
        is_ended: false,
        reads: false,
        first: Vec::new,
        burst: |_| each(1, |_| frame(SETTINGS, 0, 0, &[])),
    },
    Flood {
        name: "empty data",
        is_ended: false,
        reads: true,
        first: || open(1),
        burst: |_| each(1, |_| frame(DATA, 0, 1, &[])),
    },
    Flood {
        name: "priority",
        is_ended: false,
        reads: true,
        first: Vec::new,
        burst: |stream| each(stream, |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1])),
    },
    Flood {
        name: "streams that stay open",
        is_ended: false,
        reads: true,
        first: Vec::new,
        burst: |stream| each(stream, open),
    },
    Flood {
        name: "responses without a window",
        is_ended: false,
        reads: true,
        // An initial window of 0 bytes.
        first: || frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]),
        burst: |stream| {
            each(stream, |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &request(false, "/metrics")))
        },
    },
    Flood {
        name: "window overflow",
        is_ended: true,
        reads: true,
        first: Vec::new,
        burst: |_| each(1, |_| frame(WINDOW_UPDATE, 0, 0, &i32::MAX.to_be_bytes())),
    },
    Flood {
        name: "frames of an unknown type",
        is_ended: false,
        reads: true,
        first: Vec::new,
        burst: |_| each(1, |_| frame(0xfa, 0, 0, &[0; 64])),
    },
    Flood {
        name: "frames that are too large",
        is_ended: true,
        reads: true,
        first: || open(1),
        burst: |_| frame(DATA, 0, 1, &[0; 100_000]),
    },
];

const PATH: &str = "/webhooks/dummy";

/// A request whose body never comes.
fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request(true, PATH))
}

/// A frame for this stream and for each of the next ones.
fn each(stream: u32, frame: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..BURST).flat_map(|number| frame(stream + 2 * number)).collect()
}

/// In the clear with prior knowledge, and over TLS.
pub(super) async fn run(scale: Scale) -> Outcome {
    let time = scale.either(Duration::from_millis(250), Duration::from_secs(10));
    let mut report = Report::new(scale.rounds);
    let mut most = (0, "");
    for round in 0..scale.rounds {
        scale.progress(round);
        for mut victim in [Victim::start(&[]).await, Victim::start_tls().await] {
            let before = Callers::alone(&victim, Duration::from_secs(1)).await;
            victim.watch_memory();
            let good = Callers::start(&victim);
            for flood in FLOODS {
                let grown = victim.memory_grown();
                let (frames, ended) = rush(&victim.door, flood, time).await;
                most = most.max((victim.memory_grown() - grown, flood.name));
                report.attacks += frames;
                let fine = ended > 0 || !flood.is_ended;
                report.expect(fine, || format!("{}: {frames} frames, and no connection was ended", flood.name));
                victim.calms_down().await;
            }
            report.good_callers(before, good.end().await, scale.either(0.6, 0.3));
            report.memory(victim.memory_grown(), MEMORY);
        }
    }
    let (bytes, name) = most;
    report.note(format!(
        "{} floods, in the clear and over TLS; `{name}` took the most memory, {} KiB",
        FLOODS.len(),
        bytes >> 10
    ));
    match tools::find("h2load") {
        Some(program) if scale.long => h2load(&program, &mut report).await,
        Some(_) => {}
        None => report.note("h2load is not installed, and was not run"),
    }
    Ok(report)
}

/// Runs h2load, another implementation of HTTP/2, with a thousand streams at once: every request is answered and is one event.
async fn h2load(program: &Path, report: &mut Report) {
    const REQUESTS: u64 = 20_000;
    for (way, victim) in [("in the clear", Victim::start(&[]).await), ("over TLS", Victim::start_tls().await)] {
        let scheme = if victim.door.authority.is_some() { "https" } else { "http" };
        let body = victim.gateway.path().join("body.json");
        std::fs::write(&body, "{}").unwrap();
        let mut command = tools::command(program);
        command.args(["-n", &REQUESTS.to_string(), "-c", "20", "-m", "50", "-d"]).arg(body);
        command.arg(format!("{scheme}://{}{PATH}", victim.door.address));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let all = format!("{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout");
        report.expect(text.contains(&all), || format!("h2load {way}: {text}"));
        let stored = victim.stored().await;
        report.expect(stored == REQUESTS, || format!("h2load {way}: {REQUESTS} requests, {stored} events"));
        let rate = text.lines().find_map(|line| line.strip_prefix("finished in ")?.split(", ").nth(1));
        report.note(format!("h2load {way}: {}", rate.unwrap_or_default()));
    }
}

/// Floods several connections for this time and reopens ended ones. Returns the numbers of written frames and of ended connections.
async fn rush(door: &Door, flood: &'static Flood, time: Duration) -> (usize, usize) {
    let end = Instant::now() + time;
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let door = door.clone();
        connections.spawn(async move {
            let (mut frames, mut ended) = (0, 0);
            while Instant::now() < end {
                let Some(stream) = door.connect().await else { continue };
                let (written, is_over) = pour(stream, flood, end).await;
                frames += written;
                ended += usize::from(!is_over);
            }
            (frames, ended)
        });
    }
    connections.join_all().await.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

/// Floods one connection. Returns the number of written frames, and whether the connection lasted until `end`.
async fn pour(stream: Stream, flood: &Flood, end: Instant) -> (usize, bool) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut frames = 0;
    let write = async {
        let settings = frame(SETTINGS, 0, 0, &[]);
        writer.write_all(&[PREFACE, &settings, &(flood.first)()].concat()).await?;
        // Streams that a client opens have odd numbers, and 1 is for `first`.
        for stream in (3..i32::MAX as u32).step_by(2 * BURST as usize) {
            let burst = (flood.burst)(stream);
            writer.write_all(&burst).await?;
            writer.flush().await?;
            frames += count(&burst);
        }
        Ok::<_, io::Error>(())
    };
    let read = async {
        let mut ignored = vec![0; 64 << 10];
        while flood.reads && reader.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
        if !flood.reads {
            std::future::pending::<()>().await;
        }
    };
    let lasted = tokio::select! {
        _ = write => false,
        () = read => false,
        () = tokio::time::sleep_until(end.into()) => true,
    };
    (frames, lasted)
}
