//! Row r: what idle connections cost.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::certificate;
use crate::load::Load;
use crate::measure::{CONNECTIONS, WARM_UP, settled};
use crate::process::Server;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::thousands;
use crate::subject::{Place, wait_for_metric};
use crate::webhook::{ISSUES, Requests};

pub(crate) static IDLE_CONNECTIONS: Row = Row {
    name: "idle_connections",
    letter: "r",
    about: "memory and p99 with 1,000 and 10,000 idle connections",
    goals: &[Goal {
        figure: "memory of one",
        wanted: Wanted::Below(16.0),
        unit: " KiB",
        found: |results| results.median(&IDLE_CONNECTIONS, |round: &Crowd| round.used / 1024.0),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// How many are open.
const CROWDS: [usize; 2] = [1_000, 10_000];

/// How many send a request at once.
const WAVE: usize = 500;

/// How long the gateway may take to accept them, or to notice that they are gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accepts that many connections, all from one address, and never closes one.
const HTTP: &str = "max_connections = 20000\nmax_connections_per_address = 20000\n\
                    idle_timeout = \"1h\"\nheader_timeout = \"1h\"\n";

/// One round.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// Bytes of the gateway for one of each of [`CROWDS`].
    plain: [f64; 2],
    /// The same for one of the larger crowd, in which each has sent a request.
    used: f64,
    /// As `plain` over TLS, after the handshake.
    encrypted: [f64; 2],
    /// The p99 of good answers in milliseconds, without idle connections.
    alone: f64,
    /// With each of [`CROWDS`].
    beside: [f64; 2],
}

/// Measures memory before any load, and then answers beside each number of idle connections and without any, for `time` each.
fn run(place: &mut Place, time: Duration) -> Result<Crowd> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let gateway = place.gateway_with(HTTP, "")?;
    let server = &gateway.server;
    let (plain, mut idle) = open(server, || connect(server.address))?;
    let mut requests = Requests::new(ISSUES);
    let mut load = Load::connect(server.address, CONNECTIONS)?;
    load.run(&mut requests, WARM_UP)?;
    let mut p99_beside = |count| {
        idle.truncate(count);
        wait_for(server, CONNECTIONS + count)?;
        Ok::<_, anyhow::Error>(load.run(&mut requests, time)?.latency.p99 / 1000.0)
    };
    let many = p99_beside(CROWDS[1])?;
    let few = p99_beside(CROWDS[0])?;
    let alone = p99_beside(0)?;
    drop(gateway);
    let used = after_a_request(&place.gateway_with(HTTP, "")?.server)?;
    let (gateway, callers) = place.gateway_behind_tls(HTTP)?;
    let callers = Arc::new(callers);
    let (encrypted, _idle) = open(&gateway.server, || shake_hands(gateway.server.address, &callers))?;
    Ok(Crowd { plain, used, encrypted, alone, beside: [few, many] })
}

/// Opens each of [`CROWDS`]. Returns the gateway's memory per connection, and the open connections.
fn open(server: &Server, connect: impl Fn() -> Result<TcpStream>) -> Result<([f64; 2], Vec<TcpStream>)> {
    // The first answer takes memory too.
    wait_for(server, 0)?;
    let before = settled(server)?;
    let mut open = Vec::new();
    let mut bytes = [0.0; 2];
    for (bytes, count) in bytes.iter_mut().zip(CROWDS) {
        while open.len() < count {
            open.push(connect()?);
        }
        wait_for(server, count)?;
        *bytes = settled(server)?.saturating_sub(before) as f64 / count as f64;
    }
    Ok((bytes, open))
}

/// Opens the larger crowd, whose requests leave no events behind. Returns the gateway's memory per connection.
fn after_a_request(server: &Server) -> Result<f64> {
    let mut requests = Requests::forged();
    let mut wave = || {
        let mut wave = Load::connect(server.address, WAVE)?;
        let refused = wave.run(&mut requests, Duration::ZERO)?.bad;
        ensure!(refused.get(&401) == Some(&(WAVE as u64)), "forged webhooks were answered {refused:?}");
        Ok(wave)
    };
    // What so many requests at once need.
    drop(wave()?);
    wait_for(server, 0)?;
    let before = settled(server)?;
    let _idle: Vec<_> = (0..CROWDS[1] / WAVE).map(|_| wave()).collect::<Result<_>>()?;
    wait_for(server, CROWDS[1])?;
    Ok(settled(server)?.saturating_sub(before) as f64 / CROWDS[1] as f64)
}

/// Waits until the gateway has accepted `count` connections, beside the one that asks: the system accepts them earlier.
fn wait_for(server: &Server, count: usize) -> Result<()> {
    wait_for_metric(server, &format!("gateway_http_connections {}", count + 1), PATIENCE)
        .with_context(|| format!("the gateway does not come to {count} connections"))
}

fn connect(server: SocketAddr) -> Result<TcpStream> {
    TcpStream::connect(server).context("cannot open so many connections")
}

fn shake_hands(server: SocketAddr, config: &Arc<ClientConfig>) -> Result<TcpStream> {
    let mut stream = connect(server)?;
    let mut tls = ClientConnection::new(Arc::clone(config), ServerName::try_from(certificate::NAME)?)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).context("the gateway does not speak TLS")?;
    }
    Ok(stream)
}

fn print(results: &Results) {
    let of = |pick: fn(&Crowd) -> f64| results.median(&IDLE_CONNECTIONS, pick).unwrap_or_default();
    let text = format!(
        "{} idle connections take {:.1} kB each, {} take {:.1} kB, after a request {:.1} kB; over TLS {:.1} kB and {:.1} kB;\n\
         p99 of others {:.2} ms without them, {:.2} ms and {:.2} ms with them",
        thousands(CROWDS[0] as f64),
        of(|round| round.plain[0] / 1000.0),
        thousands(CROWDS[1] as f64),
        of(|round| round.plain[1] / 1000.0),
        of(|round| round.used / 1000.0),
        of(|round| round.encrypted[0] / 1000.0),
        of(|round| round.encrypted[1] / 1000.0),
        of(|round| round.alone),
        of(|round| round.beside[0]),
        of(|round| round.beside[1]),
    );
    results.print(&IDLE_CONNECTIONS, &text);
}
