//! Row k: what is left of the throughput when far more is asked for.

use std::time::Duration;

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::Load;
use crate::rounds::{CONNECTIONS, WARM_UP, drain};
use crate::subject::{Place, STUB};
use crate::webhook::{ISSUES, Requests};

/// Five times as many as the gateway works for at once (`http.max_requests`), and more than it lets wait in line.
const CALLERS: usize = 5 * 1024;

/// One round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overload {
    /// Good answers in a second with as many callers as in the other rows.
    pub(crate) peak: f64,
    /// The same with far too many callers, none of whom waits before it asks again.
    pub(crate) goodput: f64,
    /// Refusals in a second.
    pub(crate) refused: f64,
    /// Of good answers under overload, in milliseconds.
    pub(crate) p99: f64,
}

/// Measures both for `time`, one after the other on the same gateway.
pub(crate) fn run(place: &mut Place, time: Duration) -> Result<Overload> {
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
