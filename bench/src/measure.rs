//! Measuring a server: warming it up, loading it, and waiting until it has done everything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::load::{Load, Outcome};
use crate::process::{Server, Usage};
use crate::row::{Results, Row};
use crate::samples::{Spread, median};
use crate::subject::Progress;
use crate::webhook::{ISSUES, Requests};

/// Connections of the rows that measure throughput.
pub(crate) const CONNECTIONS: usize = 64;

/// Load before the load that counts.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// How long the gateway may take for the remaining deliveries.
const DRAIN: Duration = Duration::from_secs(60);

/// Memory counts as settled when it was the same for this long, and at the latest after `UNSETTLED`.
const SETTLED: Duration = Duration::from_millis(500);
const UNSETTLED: Duration = Duration::from_secs(5);

/// The figures of one load on one subject.
#[derive(Debug)]
pub(crate) struct Throughput {
    /// Good answers in a second.
    pub(crate) rate: f64,
    pub(crate) latency: Spread,
    /// Processor time of the subject per request until everything was delivered, in microseconds.
    pub(crate) cpu: f64,
    /// The same of the load.
    pub(crate) load_cpu: f64,
    /// Resident bytes before the load.
    pub(crate) idle: u64,
    /// The most resident bytes.
    pub(crate) peak: u64,
    /// Answers that were not 2xx, by status.
    pub(crate) bad: BTreeMap<u16, u64>,
    pub(crate) backlog: Option<Backlog>,
}

/// Deliveries that were open when the load ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    pub(crate) left: u64,
    /// How long they took.
    pub(crate) drain: Duration,
    /// Those that were still open then.
    pub(crate) undelivered: u64,
    pub(crate) failed: u64,
}

/// The load of the rows a to d, connected to a server.
pub(crate) fn plain_load(server: SocketAddr) -> Result<impl FnMut(Duration) -> Result<Outcome>> {
    let mut requests = Requests::new(ISSUES);
    let mut load = Load::connect(server, CONNECTIONS)?;
    Ok(move |time| load.run(&mut requests, time))
}

/// What a server must finish before a round is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Accept,
    Deliver,
}

/// Warms a server up and then measures it for `time`, with the load that `connect` makes.
pub(crate) fn measure<L: FnMut(Duration) -> Result<Outcome>>(
    server: &Server,
    task: Task,
    time: Duration,
    connect: impl FnOnce(SocketAddr) -> Result<L>,
) -> Result<Throughput> {
    let idle = settled(server)?;
    let mut load = connect(server.address)?;
    load(WARM_UP)?;
    if task == Task::Deliver {
        drain(server)?;
    }
    let before = (server.usage()?, Usage::own()?);
    let Outcome { good, bad, answered, latency } = load(time)?;
    let load_cpu = Usage::own()?.cpu - before.1.cpu;
    let backlog = if task == Task::Deliver { Some(drain(server)?) } else { None };
    let after = server.usage()?;
    let per_request = |used: Duration| used.as_secs_f64() * 1e6 / answered as f64;
    Ok(Throughput {
        rate: good as f64 / time.as_secs_f64(),
        latency,
        cpu: per_request(after.cpu - before.0.cpu),
        load_cpu: per_request(load_cpu),
        idle,
        peak: after.peak,
        bad,
        backlog,
    })
}

/// How fast one row is compared with another: the median of the ratios of each round, because both rows of a round met the
/// same state of the machine.
pub(crate) fn ratio(results: &Results, row: &Row, base: &Row) -> Option<f64> {
    let rounds = results.of::<Throughput>(row).zip(results.of::<Throughput>(base));
    median(rounds.map(|(row, base)| row.rate / base.rate))
}

/// Resident bytes when they do not change any more.
pub(crate) fn settled(server: &Server) -> Result<u64> {
    let start = Instant::now();
    let (mut resident, mut since) = (server.usage()?.resident, Instant::now());
    while since.elapsed() < SETTLED && start.elapsed() < UNSETTLED {
        thread::park_timeout(SETTLED / 10);
        let now = server.usage()?.resident;
        if now != resident {
            (resident, since) = (now, Instant::now());
        }
    }
    Ok(resident)
}

/// Waits until everything that was accepted is delivered.
pub(crate) fn drain(server: &Server) -> Result<Backlog> {
    let start = Instant::now();
    let mut progress = Progress::of(server.address)?;
    let left = progress.backlog();
    while progress.backlog() > 0 && start.elapsed() < DRAIN {
        thread::park_timeout(Duration::from_millis(50));
        progress = Progress::of(server.address)?;
    }
    Ok(Backlog { left, drain: start.elapsed(), undelivered: progress.backlog(), failed: progress.failed })
}
