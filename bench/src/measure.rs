//! The rounds: each measures every row once, in the order of the table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::baseline::Baseline;
use crate::calls::{self, Calls};
use crate::channels::{self, Channel};
use crate::crowd::{self, Crowd};
use crate::delivery::{self, Delivery};
use crate::drop_in;
use crate::encrypted::{self, Encrypted};
use crate::endurance::{self, Endurance};
use crate::hostile::{self, Hostile};
use crate::load::{Load, Outcome};
use crate::machine::Machine;
use crate::many::{self, Many, Reloads};
use crate::neighbours::{self, Neighbours};
use crate::options::{Plan, Row};
use crate::overload::{self, Overload};
use crate::pending::{self, Pending};
use crate::process::{Server, Usage};
use crate::samples::Spread;
use crate::strangers::{self, Flood};
use crate::subject::{Place, Progress, REUSE, STUB, Subject};
use crate::webhook::{ISSUES, Requests};

/// Connections of the rows that measure throughput.
pub(crate) const CONNECTIONS: usize = 64;

/// Load before the load that counts.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// How long the gateway may take for the deliveries that are left.
const DRAIN: Duration = Duration::from_secs(60);

/// Memory counts as settled when it was the same for this long, and at the latest after `UNSETTLED`.
const SETTLED: Duration = Duration::from_millis(500);
const UNSETTLED: Duration = Duration::from_secs(5);

/// What all rounds brought.
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) throughput: BTreeMap<Row, Vec<Throughput>>,
    pub(crate) delivery: Vec<Delivery>,
    /// Milliseconds.
    pub(crate) drop_in: Vec<f64>,
    pub(crate) calls: Vec<Calls>,
    pub(crate) pending: Option<Pending>,
    pub(crate) neighbours: Vec<Neighbours>,
    pub(crate) overload: Vec<Overload>,
    pub(crate) endurance: Option<Endurance>,
    pub(crate) many: Vec<Many>,
    pub(crate) reloads: Option<Reloads>,
    pub(crate) hostile: Vec<Hostile>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) encrypted: Vec<Encrypted>,
    pub(crate) crowd: Vec<Crowd>,
    /// Bytes.
    pub(crate) limiter: Option<u64>,
    pub(crate) flood: Vec<Flood>,
    pub(crate) took: Duration,
}

/// What one load found with one subject.
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

/// Deliveries that were left when the load ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    pub(crate) left: u64,
    /// How long they took.
    pub(crate) drain: Duration,
    /// Those that were left even then.
    pub(crate) undelivered: u64,
    pub(crate) failed: u64,
}

/// Measures everything that `plan` asks for.
pub(crate) fn run(plan: &Plan) -> Result<Results> {
    let start = Instant::now();
    let mut place = Place::find()?;
    let machine = Machine::look(place.dir())?;
    eprint!("{machine}");
    let mut results = Results {
        machine,
        throughput: BTreeMap::new(),
        delivery: Vec::new(),
        drop_in: Vec::new(),
        calls: Vec::new(),
        pending: None,
        neighbours: Vec::new(),
        overload: Vec::new(),
        endurance: None,
        many: Vec::new(),
        reloads: None,
        hostile: Vec::new(),
        channels: Vec::new(),
        encrypted: Vec::new(),
        crowd: Vec::new(),
        limiter: None,
        flood: Vec::new(),
        took: Duration::ZERO,
    };
    let mut rows = plan.rows.clone();
    if rows.contains(&Row::Memory) {
        rows.insert(Row::Gateway);
    }
    for round in 1..=plan.rounds {
        for row in &rows {
            let name = row.name();
            let failed = || format!("row {name} of round {round}");
            match row {
                Row::Bare | Row::AppendLog | Row::EventLog | Row::Gateway | Row::Reuse | Row::AcceptOnly => {
                    let found = throughput(&mut place, *row, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: {:.0} requests/s", found.rate);
                    results.throughput.entry(*row).or_default().push(found);
                }
                Row::Delivery => {
                    let found = delivery::run(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: p95 {:.0} µs", found.latency.p95);
                    results.delivery.push(found);
                }
                Row::Memory => {}
                Row::DropIn => {
                    let found = drop_in::run(&mut place).with_context(failed)?;
                    eprintln!("round {round}, {name}: {found:.0?} ms");
                    results.drop_in.extend(found);
                }
                Row::Calls => {
                    let found = calls::run(&mut place).with_context(failed)?;
                    eprintln!(
                        "round {round}, {name}: fresh {:.1} µs, reused {:.1} µs",
                        found.github.fresh, found.github.reused
                    );
                    results.calls.push(found);
                }
                Row::Pending if round == 1 => {
                    let found = pending::run(&mut place, plan.events, plan.time).with_context(failed)?;
                    eprintln!("{name}: {found:?}");
                    results.pending = Some(found);
                }
                Row::Neighbours => {
                    let found = neighbours::run(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: p99 {:.0} µs without, {:.0} µs with", found.without, found.with);
                    results.neighbours.push(found);
                }
                Row::Overload => {
                    let found = overload::run(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: {:.0} of {:.0} requests/s", found.goodput, found.peak);
                    results.overload.push(found);
                }
                Row::Endurance if round == 1 => {
                    let found = endurance::run(&mut place, plan.events, plan.time).with_context(failed)?;
                    eprintln!("{name}: {:.0} of {:.0} requests/s", found.last, found.first);
                    results.endurance = Some(found);
                }
                Row::Many => {
                    let found = many::run(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: {found:?}");
                    results.many.push(found);
                }
                Row::Reloads if round == 1 => {
                    let found = many::reload(&mut place).with_context(failed)?;
                    eprintln!("{name}: {found:?}");
                    results.reloads = Some(found);
                }
                Row::Hostile => {
                    let found = hostile::run(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: p99 {:.0} µs without, {:.0} µs with", found.without, found.with);
                    results.hostile.push(found);
                }
                Row::Channels => {
                    let found = channels::run(&mut place, plan.time).with_context(failed)?;
                    for channel in &found {
                        eprintln!("round {round}, {name}: {} {:.0} requests/s", channel.name, channel.rate);
                    }
                    results.channels.extend(found);
                }
                Row::Encrypted => {
                    let found = encrypted::run(&mut place, plan.time).with_context(failed)?;
                    let [raw, plain, encrypted] = found.rates();
                    eprintln!("round {round}, {name}: {raw:.0}, {plain:.0} and {encrypted:.0} requests/s");
                    results.encrypted.push(found);
                }
                Row::Crowd => {
                    let found = crowd::run(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: {found:?}");
                    results.crowd.push(found);
                }
                Row::Limiter if round == 1 => {
                    let found = strangers::limiter(&mut place).with_context(failed)?;
                    eprintln!("{name}: {found} bytes");
                    results.limiter = Some(found);
                }
                Row::Flood => {
                    let found = strangers::flood(&mut place, plan.time).with_context(failed)?;
                    eprintln!("round {round}, {name}: {found:?}");
                    results.flood.push(found);
                }
                // They need so much that once is enough.
                Row::Pending | Row::Endurance | Row::Reloads | Row::Limiter => {}
            }
        }
    }
    results.took = start.elapsed();
    Ok(results)
}

fn start(place: &mut Place, row: Row) -> Result<Subject> {
    match row {
        Row::Bare => place.baseline(Baseline::Bare),
        Row::AppendLog => place.baseline(Baseline::AppendLog),
        Row::EventLog => place.baseline(Baseline::EventLog),
        Row::Reuse => place.gateway(&format!("{STUB}{REUSE}")),
        Row::AcceptOnly => place.gateway(""),
        _ => place.gateway(STUB),
    }
}

fn throughput(place: &mut Place, row: Row, time: Duration) -> Result<Throughput> {
    let subject = start(place, row)?;
    let task = if matches!(row, Row::Gateway | Row::Reuse) { Task::Deliver } else { Task::Accept };
    measure(&subject.server, task, time, plain_load)
}

/// The load of the rows a to d, connected to a server.
pub(crate) fn plain_load(server: SocketAddr) -> Result<impl FnMut(Duration) -> Result<Outcome>> {
    let mut requests = Requests::new(ISSUES);
    let mut load = Load::connect(server, CONNECTIONS)?;
    Ok(move |time| load.run(&mut requests, time))
}

/// What a server has to do before a round is over.
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
