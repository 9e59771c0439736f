//! Deliveries at a constant rate: requests sent at fixed times, and the latency until each reaches the agent.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::agent::Agent;
use crate::load;
use crate::process::wait_until;
use crate::samples::{nanos, percentile};
use crate::webhook::Requests;

/// Requests in a second.
pub(crate) const RATE: u32 = 1000;

/// Connections that the requests are distributed over.
const CONNECTIONS: usize = 64;

/// Requests before the first one that counts.
pub(crate) const WARM_UP: u32 = RATE;

/// How long each of the next `count` events takes to its agent, in nanoseconds, without those that do not arrive; and how many
/// requests were late. `before` requests have been sent already.
pub(crate) fn latencies(
    agent: &Agent,
    sender: &mut Sender,
    requests: &mut Requests,
    before: u32,
    count: u32,
) -> Result<(Vec<u32>, usize)> {
    let (sent, late) = sender.send(requests, count)?;
    wait_for(agent, count as usize);
    let arrivals = agent.take();
    let took = |(issue, sent): (u32, &Instant)| Some(nanos(arrivals.get(&issue)?.saturating_duration_since(*sent)));
    Ok(((before + 1..).zip(&sent).filter_map(took).collect(), late))
}

/// Measures the p99 of deliveries repeatedly, each time for the same duration.
pub(crate) struct Probe {
    agent: Agent,
    sender: Sender,
    requests: Requests,
    sent: u32,
    count: u32,
}

impl Probe {
    /// Warms up for measurements of `time` each, `most` of them.
    pub(crate) fn start(agent: Agent, gateway: SocketAddr, time: Duration, most: u32) -> Result<Self> {
        let count = RATE * u32::try_from(time.as_secs())?;
        let mut requests = Requests::new(WARM_UP + most * count);
        let mut sender = Sender::connect(gateway)?;
        sender.send(&mut requests, WARM_UP)?;
        wait_for(&agent, WARM_UP as usize);
        agent.take();
        Ok(Self { agent, sender, requests, sent: WARM_UP, count })
    }

    /// The p99 in microseconds, and how many events did not arrive.
    pub(crate) fn p99(&mut self) -> Result<(f64, usize)> {
        let Self { agent, sender, requests, sent, count } = self;
        let (mut found, _) = latencies(agent, sender, requests, *sent, *count)?;
        *sent += *count;
        Ok((f64::from(percentile(&mut found, 99)) / 1000.0, *count as usize - found.len()))
    }
}

pub(crate) fn wait_for(agent: &Agent, count: usize) {
    // Events that are missing after that count as lost.
    wait_until(Duration::from_secs(10), Duration::from_millis(5), || agent.count() >= count);
}

/// Sends at fixed times, however long earlier requests take.
pub(crate) struct Sender {
    /// The one that was used longest ago is first.
    connections: VecDeque<Connection>,
}

struct Connection {
    stream: TcpStream,
    waits: bool,
}

impl Sender {
    pub(crate) fn connect(server: SocketAddr) -> Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            Ok(Connection { stream, waits: false })
        };
        Ok(Self { connections: (0..CONNECTIONS).map(connect).collect::<Result<_>>()? })
    }

    /// When each of `count` requests was sent, and how many of them late.
    pub(crate) fn send(&mut self, requests: &mut Requests, count: u32) -> Result<(Vec<Instant>, usize)> {
        let step = Duration::from_secs(1) / RATE;
        let start = Instant::now() + step;
        let mut sent = Vec::with_capacity(count as usize);
        let mut late = 0;
        for index in 0..count {
            let due = start + step * index;
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                thread::park_timeout(left);
            }
            // Before the wait for a connection: that is the gateway's time too.
            let now = Instant::now();
            late += usize::from(now - due > Duration::from_millis(1));
            let mut connection = self.connections.pop_front().context("there is no connection")?;
            connection.rest()?;
            connection.stream.write_all(requests.next())?;
            connection.waits = true;
            self.connections.push_back(connection);
            sent.push(now);
        }
        self.connections.iter_mut().try_for_each(Connection::rest)?;
        Ok((sent, late))
    }
}

impl Connection {
    /// Reads the answer that it waits for, which has usually arrived.
    fn rest(&mut self) -> Result<()> {
        let mut answer = [0; 4096];
        let mut filled = 0;
        while self.waits {
            let read = self.stream.read(&mut answer[filled..]).context("the gateway does not answer")?;
            ensure!(read > 0, "the gateway has closed the connection");
            filled += read;
            if let Some((status, length)) = load::parse(&answer[..filled])? {
                ensure!(status == 202, "the gateway answers {}", String::from_utf8_lossy(&answer[..filled]));
                self.waits = filled < length;
            }
        }
        Ok(())
    }
}
