//! Row r2: what subscribers cost, and how fast they are told.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::Load;
use crate::measure::{CONNECTIONS, WARM_UP, settled};
use crate::process::Server;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{Spread, nanos, thousands};
use crate::secrets;
use crate::subject::{Place, request, wait_for_metric};
use crate::webhook::{ISSUES, Requests};

pub(crate) static SUBSCRIBERS: Row = Row {
    name: "subscribers",
    letter: "r2",
    about: "memory of 10,000 WebSockets, messages to 1,000, catching up",
    goals: &[
        Goal {
            figure: "memory of one",
            wanted: Wanted::Below(16.0),
            unit: " KiB",
            found: |results| results.median(&SUBSCRIBERS, |round: &Round| round.bytes / 1024.0),
        },
        Goal {
            figure: "messages of 100,000/s",
            wanted: Wanted::AtLeast(0.99),
            unit: "",
            found: |results| results.median(&SUBSCRIBERS, |round: &Round| round.messages / round.wanted),
        },
        Goal {
            figure: "p99 of a message",
            wanted: Wanted::Below(50.0),
            unit: " ms",
            found: |results| results.median(&SUBSCRIBERS, |round: &Round| round.latency.p99 / 1000.0),
        },
        Goal {
            figure: "webhooks beside idle ones",
            wanted: Wanted::AtLeast(0.9),
            unit: "",
            found: |results| results.median(&SUBSCRIBERS, |round: &Round| round.beside / round.alone),
        },
        Goal {
            figure: "catching up",
            wanted: Wanted::AtLeast(50_000.0),
            unit: " events/s",
            found: |results| results.median(&SUBSCRIBERS, |round: &Round| round.catch_up),
        },
    ],
    run: Run::Once(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// Idle ones, and those that are told of every event.
const CROWD: usize = 10_000;
const AUDIENCE: usize = 1000;
/// Events in a second that are told to all of [`AUDIENCE`].
const EVENTS: u32 = 100;
/// Events that one subscriber catches up with.
const BEHIND: u32 = 100_000;
/// How long the gateway may take to notice who is there.
const PATIENCE: Duration = Duration::from_secs(30);

const HTTP: &str = "max_connections = 20000\nmax_connections_per_address = 20000\n";
const MORE: &str = "[callers.bench]\nkind = \"bearer\"\nsecret = { env = \"BENCH_CHANNEL_SECRET\" }\n\
                    [subscribe]\nmax_connections = 20000\nmax_connections_per_subscriber = 20000\n\
                    attempts = { rate = \"1000000/s\", burst = 1000000 }\n[subscribers.bench]\ncallers = [\"bench\"]\n\
                    [channels.bench]\nemit = true\ncallers = [\"bench\"]\n";

#[derive(Clone, Copy, Debug)]
struct Round {
    /// Of the gateway for all of [`AUDIENCE`], and for each of [`CROWD`]: sockets, tasks, buffers and their places in the registry.
    audience: f64,
    bytes: f64,
    /// To all of [`AUDIENCE`] in a second, and how many there should have been.
    messages: f64,
    wanted: f64,
    latency: Spread,
    /// Webhooks in a second without subscribers, and beside [`AUDIENCE`] whose filters match nothing.
    alone: f64,
    beside: f64,
    /// Events in a second.
    catch_up: f64,
}

fn run(place: &mut Place, time: Duration) -> Result<Round> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let gateway = place.gateway_with(HTTP, MORE)?;
    let server = &gateway.server;
    // The first answer takes memory too.
    Readers::connect(server, 1, |_| String::new())?;
    let before = settled(server)?;
    let mut crowd = Readers::connect(server, AUDIENCE, |_| String::new())?;
    let together = settled(server)?.saturating_sub(before) as f64;
    crowd.grow(server, CROWD, |_| String::new())?;
    let bytes = settled(server)?.saturating_sub(before) as f64 / CROWD as f64;
    drop(crowd);
    wait_for(server, 0)?;

    let mut load = Load::connect(server.address, CONNECTIONS)?;
    let mut requests = Requests::new(ISSUES);
    load.run(&mut requests, WARM_UP)?;
    let rate = |outcome: crate::load::Outcome| outcome.good as f64 / time.as_secs_f64();
    let mut alone = rate(load.run(&mut requests, time)?);
    let idle = Readers::connect(server, AUDIENCE, |number| format!("&kind=never{number}.*"))?;
    let beside = rate(load.run(&mut requests, time)?);
    drop(idle);
    wait_for(server, 0)?;
    // Before and after, because the log has grown meanwhile.
    alone = (alone + rate(load.run(&mut requests, time)?)) / 2.0;

    let mut audience = Readers::connect(server, AUDIENCE, |_| "&kind=bench.*".to_owned())?;
    let (messages, wanted, latency) = audience.listen(server.address, time)?;
    drop(audience);
    for _ in 0..BEHIND / 500 {
        emit(server.address, &vec![0; 500])?;
    }
    let mut late = Readers::connect(server, 1, |_| "&since=earliest&kind=bench.*".to_owned())?;
    let catch_up = late.catch_up(BEHIND)?;
    Ok(Round { audience: together, bytes, messages, wanted, latency, alone, beside, catch_up })
}

fn wait_for(server: &Server, count: usize) -> Result<()> {
    let line = format!("gateway_subscriber_connections{{transport=\"websocket\"}} {count}");
    wait_for_metric(server, &line, PATIENCE)
}

/// Subscribers that read whatever comes.
struct Readers {
    poll: Poll,
    streams: Vec<TcpStream>,
    /// The last bytes of each, in which a message may begin.
    ends: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Readers {
    /// Connects `count` subscribers, each with the rest of its query.
    fn connect(server: &Server, count: usize, query: impl Fn(usize) -> String) -> Result<Self> {
        let mut readers = Self { poll: Poll::new()?, streams: Vec::new(), ends: Vec::new(), buffer: vec![0; 1 << 20] };
        readers.grow(server, count, query)?;
        Ok(readers)
    }

    /// Connects more, until there are `count`.
    fn grow(&mut self, server: &Server, count: usize, query: impl Fn(usize) -> String) -> Result<()> {
        for number in self.streams.len()..count {
            let mut stream = std::net::TcpStream::connect(server.address).context("cannot open so many connections")?;
            let head = format!(
                "GET /api/subscribe?on_gap=continue{} HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\n\
                 connection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\
                 api-key: {}\r\n\r\n",
                query(number),
                secrets::CHANNEL
            );
            stream.write_all(head.as_bytes())?;
            let mut status = [0; 12];
            stream.read_exact(&mut status)?;
            ensure!(status.ends_with(b"101"), "a subscriber was answered {}", String::from_utf8_lossy(&status));
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            self.poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            self.streams.push(stream);
            self.ends.push(Vec::new());
        }
        wait_for(server, count)
    }

    /// Reads what there is, and hands it to `take`.
    fn read(&mut self, take: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        self.poll.poll(&mut events, Some(Duration::from_millis(50)))?;
        for event in &events {
            let number = event.token().0;
            loop {
                let end = &mut self.ends[number];
                self.buffer[..end.len()].copy_from_slice(end);
                match self.streams[number].read(&mut self.buffer[end.len()..]) {
                    Ok(0) => anyhow::bail!("the gateway has closed a subscriber"),
                    Ok(read) => {
                        let bytes = &self.buffer[..end.len() + read];
                        take(number, bytes);
                        *end = bytes[bytes.len().saturating_sub(BEGINNING.len() - 1)..].to_vec();
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Has [`EVENTS`] a second emitted for `time`. Returns the messages in a second, those that should have come, and how long a
    /// sample of them took.
    fn listen(&mut self, server: SocketAddr, time: Duration) -> Result<(f64, f64, Spread)> {
        let start = Instant::now();
        let (sent, ends) = (AtomicU32::new(0), AtomicBool::new(false));
        let (mut got, mut latencies, mut last) = (0_u64, Vec::new(), start);
        let emitted = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                while start.elapsed() < time {
                    emit(server, &[u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)])?;
                    let count = sent.fetch_add(1, Ordering::Relaxed) + 1;
                    let next = start + Duration::from_secs(1) * count / EVENTS;
                    thread::park_timeout(next.saturating_duration_since(Instant::now()));
                }
                ends.store(true, Ordering::Relaxed);
                Ok::<_, anyhow::Error>(())
            });
            while !ends.load(Ordering::Relaxed) || last.elapsed() < Duration::from_secs(1) {
                if sender.is_finished() && last.elapsed() > PATIENCE {
                    break;
                }
                self.read(&mut |number, bytes| {
                    let count = messages(bytes);
                    got += count as u64;
                    if count > 0 {
                        last = Instant::now();
                    }
                    if number % 97 == 0 {
                        let now = start.elapsed();
                        latencies
                            .extend(times(bytes).map(|sent| nanos(now.saturating_sub(Duration::from_nanos(sent)))));
                    }
                })?;
            }
            sender.join().map_err(|_| anyhow::anyhow!("the sender has panicked"))?
        });
        emitted?;
        let took = (last - start).as_secs_f64();
        let wanted = f64::from(sent.load(Ordering::Relaxed)) * AUDIENCE as f64;
        ensure!(got as f64 >= wanted, "{got} messages of {wanted}");
        Ok((got as f64 / took, wanted / time.as_secs_f64(), Spread::of(&mut latencies)))
    }

    /// Reads `count` events. Returns how many in a second.
    fn catch_up(&mut self, count: u32) -> Result<f64> {
        let (start, mut got) = (Instant::now(), 0);
        while got < count as usize {
            ensure!(start.elapsed() < PATIENCE * 2, "{got} events of {count}");
            self.read(&mut |_, bytes| got += messages(bytes))?;
        }
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    }
}

/// The beginning of an event.
const BEGINNING: &[u8] = b"\"specversion\":";

/// Events that begin in these bytes.
fn messages(bytes: &[u8]) -> usize {
    memchr::memmem::find_iter(bytes, BEGINNING).count()
}

/// The times of events in these bytes.
fn times(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memchr::memmem::find_iter(bytes, b"\"sent\":").filter_map(|at| {
        let digits = &bytes[at + 7..];
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    })
}

/// Emits an event for each of these times.
fn emit(server: SocketAddr, times: &[u64]) -> Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let event = |sent: &u64| {
        let id = NUMBER.fetch_add(1, Ordering::Relaxed);
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":"told","data":{{"sent":{sent}}}}}"#)
    };
    let body = format!("[{}]", times.iter().map(event).collect::<Vec<_>>().join(","));
    let head = format!(
        "POST /api/events HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\napi-key: {}\r\n\
         content-type: application/cloudevents-batch+json\r\ncontent-length: {}\r\n\r\n",
        secrets::CHANNEL,
        body.len()
    );
    let (status, answer) = request(server, head + &body)?;
    ensure!(status == 202, "emitting was answered {status}: {answer}");
    Ok(())
}

fn print(results: &Results) {
    let of = |pick: fn(&Round) -> f64| results.median(&SUBSCRIBERS, pick).unwrap_or_default();
    let text = format!(
        "each of {} WebSockets takes {:.1} KiB, {} take {:.1} MB;\n\
         {} get {} messages/s of {}, p50 {:.1} ms, p99 {:.1} ms;\n\
         {} webhooks/s beside {} that match nothing, {} without; catching up with {} events/s",
        thousands(CROWD as f64),
        of(|round| round.bytes / 1024.0),
        thousands(AUDIENCE as f64),
        of(|round| round.audience / 1e6),
        thousands(AUDIENCE as f64),
        thousands(of(|round| round.messages)),
        thousands(of(|round| round.wanted)),
        of(|round| round.latency.p50 / 1000.0),
        of(|round| round.latency.p99 / 1000.0),
        thousands(of(|round| round.beside)),
        thousands(AUDIENCE as f64),
        thousands(of(|round| round.alone)),
        thousands(of(|round| round.catch_up)),
    );
    results.print(&SUBSCRIBERS, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_times_are_found() {
        let bytes = br#"{"specversion":"1.0","data":{"sent":7}}{"specversion":"1.0","data":{"sent":12}}{"specv"#;
        assert_eq!((messages(bytes), times(bytes).collect::<Vec<_>>()), (2, vec![7, 12]));
    }
}
