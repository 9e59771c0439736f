//! Row q: HTTP/2 over TLS beside HTTP/1 in the clear.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::load::Outcome;
use crate::measure::{CONNECTIONS, Task, Throughput, measure, plain_load};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::thousands;
use crate::subject::{Place, Subject};

pub(crate) static TLS: Row = Row {
    name: "tls",
    letter: "q",
    about: "HTTP/2 over TLS beside HTTP/1 in the clear, with the same client",
    goals: &[Goal {
        figure: "TLS and h2/plain",
        wanted: Wanted::AtLeast(0.6),
        unit: "",
        found: |results| ratio(results, 2, 1),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        let [raw, plain, encrypted] = found.rates();
        Ok(Found::new(format!("{raw:.0}, {plain:.0} and {encrypted:.0} requests/s"), found))
    }),
    print,
};

/// How requests come, in the order of the table. The second is what the third is compared with, because the same client
/// sends them; the first shows the cost of that client.
const WAYS: [&str; 3] =
    ["HTTP/1 in the clear, the load of a to d", "HTTP/1 in the clear, hyper", "HTTP/2 over TLS, hyper"];

/// One round.
#[derive(Debug)]
struct Ways {
    /// In the order of [`WAYS`].
    ways: [Throughput; 3],
}

impl Ways {
    /// Requests in a second.
    fn rates(&self) -> [f64; 3] {
        self.ways.each_ref().map(|way| way.rate)
    }
}

/// Measures each way for `time`, on a gateway of its own. Nothing is routed. Connections are opened before.
fn run(place: &mut Place, time: Duration) -> Result<Ways> {
    let raw = accepted(place.gateway("")?, time, plain_load)?;
    let plain = accepted(place.gateway("")?, time, |server| Ok(load(Client::plain(server)?)))?;
    let (gateway, callers) = place.gateway_behind_tls("")?;
    let encrypted = accepted(gateway, time, |server| Ok(load(Client::encrypted(server, callers)?)))?;
    let ways = [raw, plain, encrypted];
    for (way, name) in ways.iter().zip(WAYS) {
        ensure!(way.bad.is_empty(), "answers to `{name}` by status: {:?}", way.bad);
    }
    Ok(Ways { ways })
}

fn accepted<L: FnMut(Duration) -> Result<Outcome>>(
    gateway: Subject,
    time: Duration,
    connect: impl FnOnce(SocketAddr) -> Result<L>,
) -> Result<Throughput> {
    measure(&gateway.server, Task::Accept, time, connect)
}

fn load(mut client: Client) -> impl FnMut(Duration) -> Result<Outcome> {
    move |time| client.run(time)
}

/// One line for each way.
fn print(results: &Results) {
    let title = format!(
        "HTTP/2 over TLS, {CONNECTIONS} requests at a time, accepted only; `of 1` and `of 2` are the lines above"
    );
    let mut text = format!(
        "{title}\n{:<50}{:>11}{:>9}{:>9}{:>9}{:>7}{:>7}",
        "", "requests/s", "p99 ms", "CPU µs", "load µs", "of 1", "of 2"
    );
    for (way, name) in WAYS.iter().enumerate() {
        let of = |pick: fn(&Throughput) -> f64| {
            results.median(&TLS, |round: &Ways| pick(&round.ways[way])).unwrap_or_default()
        };
        let ratio = |base| ratio(results, way, base).unwrap_or_default();
        text += &format!(
            "\n{}  {name:<47}{:>11}{:>9.2}{:>9.1}{:>9.1}{:>7.2}{:>7.2}",
            way + 1,
            thousands(of(|way| way.rate)),
            of(|way| way.latency.p99) / 1000.0,
            of(|way| way.cpu),
            of(|way| way.load_cpu),
            ratio(0),
            ratio(1),
        );
    }
    results.print(&TLS, &text);
}

/// How fast one way is compared with another.
fn ratio(results: &Results, way: usize, base: usize) -> Option<f64> {
    results.median(&TLS, |round: &Ways| round.rates()[way] / round.rates()[base])
}
