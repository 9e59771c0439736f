//! Row k: throughput under far too many callers.

use std::time::Duration;

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::Load;
use crate::measure::{CONNECTIONS, WARM_UP, drain};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::thousands;
use crate::subject::{Place, STUB};
use crate::webhook::{ISSUES, Requests};

pub(crate) static OVERLOAD: Row = Row {
    name: "overload",
    letter: "k",
    about: "good answers under five times as many callers as can be served",
    goals: &[Goal {
        figure: "goodput/peak",
        wanted: Wanted::AtLeast(0.8),
        unit: "",
        found: |results| results.median(&OVERLOAD, |round: &Overload| round.goodput / round.peak),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("{:.0} of {:.0} requests/s", found.goodput, found.peak), found))
    }),
    print,
};

/// Five times as many as the gateway works for at once (`http.max_requests`), and more than it lets wait in line.
const CALLERS: usize = 5 * 1024;

/// One round.
#[derive(Clone, Copy, Debug)]
struct Overload {
    /// Good answers in a second with as many callers as in the other rows.
    peak: f64,
    /// The same with far too many callers, each of which asks again at once.
    goodput: f64,
    /// Refusals in a second.
    refused: f64,
    /// Of good answers under overload, in milliseconds.
    p99: f64,
}

/// Measures both for `time`, one after the other on the same gateway.
fn run(place: &mut Place, time: Duration) -> Result<Overload> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let most = 2 * CALLERS;
    let http = format!("max_connections = {most}\nmax_connections_per_address = {most}\nheader_timeout = \"60s\"\n");
    let gateway = place.gateway_with(&http, STUB)?;
    let server = &gateway.server;
    let mut requests = Requests::new(ISSUES);
    let mut load = Load::connect(server.address, CONNECTIONS)?;
    load.run(&mut requests, WARM_UP)?;
    drain(server)?;
    let peak = load.run(&mut requests, time)?;
    drain(server)?;
    drop(load);
    let mut crowd = Load::connect(server.address, CALLERS)?;
    let crowded = crowd.run(&mut requests, time)?;
    let per_second = |count: u64| count as f64 / time.as_secs_f64();
    Ok(Overload {
        peak: per_second(peak.good),
        goodput: per_second(crowded.good),
        refused: per_second(crowded.bad.values().sum()),
        p99: crowded.latency.p99 / 1000.0,
    })
}

fn print(results: &Results) {
    let of = |pick: fn(&Overload) -> f64| results.median(&OVERLOAD, pick).unwrap_or_default();
    let text = format!(
        "5,120 callers, five times as many as are served at once: {} of {} good answers in a second, p99 {:.0} ms, {} refusals",
        thousands(of(|round| round.goodput)),
        thousands(of(|round| round.peak)),
        of(|round| round.p99),
        thousands(of(|round| round.refused)),
    );
    results.print(&OVERLOAD, &text);
}
