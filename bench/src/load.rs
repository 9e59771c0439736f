//! The load: a number of connections that each send their next request when the last one is answered.
//!
//! It runs on the cores that it measures, so it is made to cost little: one thread and one epoll (through `mio`); requests
//! lie ready in memory; a request is one `write` and an answer one `read`, with one `epoll_wait` for all that happened
//! meanwhile; of an answer only status and length are read; one reading of the clock ends one request and begins the next.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::samples::{Spread, nanos};
use crate::webhook::Requests;

/// How long an answer may take after the end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Open connections to one server.
pub(crate) struct Load {
    poll: Poll,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    /// The part of the answer that has arrived.
    answer: Vec<u8>,
    filled: usize,
    /// When the request was sent; `None` while the connection is idle.
    sent: Option<Instant>,
}

/// The results of the requests of one period.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests answered 2xx within the time.
    pub(crate) good: u64,
    /// Requests answered otherwise, by status.
    pub(crate) bad: BTreeMap<u16, u64>,
    /// All requests that were answered, also after the time.
    pub(crate) answered: u64,
    pub(crate) latency: Spread,
}

/// An outcome that answers are still added to.
pub(crate) struct Tally {
    outcome: Outcome,
    /// Of the good answers, in nanoseconds.
    latencies: Vec<u32>,
}

impl Load {
    pub(crate) fn connect(server: SocketAddr, connections: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let connect = |token| {
            let stream = std::net::TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
            Ok(Connection { stream, answer: vec![0; 16 * 1024], filled: 0, sent: None })
        };
        let connections = (0..connections).map(connect).collect::<Result<_>>()?;
        Ok(Self { poll, connections })
    }

    /// Sends `requests` for `time`, then waits for the last answers.
    pub(crate) fn run(&mut self, requests: &mut Requests, time: Duration) -> Result<Outcome> {
        let Self { poll, connections } = self;
        let mut tally = Tally::new();
        let mut events = Events::with_capacity(connections.len());
        let start = Instant::now();
        let end = start + time;
        for connection in &mut *connections {
            connection.send(requests.next(), Instant::now())?;
        }
        let mut busy = connections.len();
        while busy > 0 {
            poll.poll(&mut events, Some(PATIENCE))?;
            ensure!(!events.is_empty() && end.elapsed() < PATIENCE, "{busy} requests were not answered");
            for event in &events {
                let connection = &mut connections[event.token().0];
                let Some(status) = connection.receive()? else { continue };
                let now = Instant::now();
                let Some(sent) = connection.sent.take() else { bail!("an answer without a request") };
                tally.count(status, now - sent, now < end);
                if now < end {
                    connection.send(requests.next(), now)?;
                } else {
                    busy -= 1;
                }
            }
        }
        Ok(tally.finish())
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { outcome: Outcome::default(), latencies: Vec::with_capacity(1 << 20) }
    }

    /// Counts an answer that came after `latency`; one that came too late is neither good nor bad.
    pub(crate) fn count(&mut self, status: u16, latency: Duration, is_in_time: bool) {
        let Self { outcome, latencies } = self;
        outcome.answered += 1;
        if !(200..300).contains(&status) {
            *outcome.bad.entry(status).or_default() += 1;
        } else if is_in_time {
            outcome.good += 1;
            latencies.push(nanos(latency));
        }
    }

    pub(crate) fn finish(mut self) -> Outcome {
        self.outcome.latency = Spread::of(&mut self.latencies);
        self.outcome
    }
}

impl Connection {
    fn send(&mut self, request: &[u8], now: Instant) -> Result<()> {
        // Nothing else is in the socket's buffer, so the request fits.
        let written = self.stream.write(request).context("cannot send a request")?;
        ensure!(written == request.len(), "the socket takes only {written} bytes of a request");
        self.sent = Some(now);
        Ok(())
    }

    /// The status of the answer when it is complete.
    fn receive(&mut self) -> Result<Option<u16>> {
        // A read that does not fill the buffer has emptied the socket, so epoll reports the next byte.
        match self.stream.read(&mut self.answer[self.filled..]) {
            Ok(0) => bail!("the server has closed the connection"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("cannot read an answer"),
        }
        let Some((status, length)) = parse(&self.answer[..self.filled])? else {
            ensure!(self.filled < self.answer.len(), "an answer is larger than {} bytes", self.filled);
            return Ok(None);
        };
        ensure!(self.filled <= length, "more than one answer");
        if self.filled < length {
            return Ok(None);
        }
        self.filled = 0;
        Ok(Some(status))
    }
}

/// Status and length of an answer; `None` while its headers are incomplete.
pub(crate) fn parse(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(head) = memchr::memmem::find(answer, b"\r\n\r\n") else { return Ok(None) };
    let head = &answer[..head];
    let status = head.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let Some(status) = status else { bail!("no HTTP answer: {}", String::from_utf8_lossy(head)) };
    // As hyper and as Go write it; one search is cheaper than a comparison that ignores the case.
    let names = [b"content-length: ", b"Content-Length: "];
    let Some(found) = names.iter().find_map(|name| memchr::memmem::find(head, *name)) else {
        bail!("an answer without `content-length`: {}", String::from_utf8_lossy(head))
    };
    let digits = head[found + names[0].len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(Some((status, head.len() + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        for (answer, expected) in [
            ("HTTP/1.1 202 Accepted\r\ncontent-le", None),
            ("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}", Some((202, 46))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n", Some((200, 41))),
            ("HTTP/1.1 503 Busy\r\nx: y\r\ncontent-length: 10\r\ndate: now\r\n\r\n", Some((503, 68))),
        ] {
            assert_eq!(parse(answer.as_bytes()).unwrap(), expected, "{answer}");
        }
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"hello\r\n\r\n").is_err());
    }
}
