//! Row r: what connections cost that are open and say nothing.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::Load;
use crate::rounds::{CONNECTIONS, WARM_UP, settled};
use crate::subject::Place;
use crate::webhook::{ISSUES, Requests};

/// How many are open.
pub(crate) const CROWDS: [usize; 2] = [1_000, 10_000];

/// One round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// The p99 of good answers in milliseconds, with none of them.
    pub(crate) alone: f64,
    /// With each of [`CROWDS`]: bytes of the gateway for one of them, and the p99.
    pub(crate) beside: [(f64, f64); 2],
}

/// Measures for `time` with no idle connection, and with each number of them.
pub(crate) fn run(place: &mut Place, time: Duration) -> Result<Crowd> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let gateway =
        place.gateway_with("max_connections = 20000\nidle_timeout = \"1h\"\nheader_timeout = \"1h\"\n", "")?;
    let server = &gateway.server;
    let mut requests = Requests::new(ISSUES);
    let mut load = Load::connect(server.address, CONNECTIONS)?;
    load.run(&mut requests, WARM_UP)?;
    let alone = load.run(&mut requests, time)?.latency.p99 / 1000.0;
    let mut idle: Vec<TcpStream> = Vec::new();
    let mut beside = [(0.0, 0.0); 2];
    let before = settled(server)?;
    for (found, count) in beside.iter_mut().zip(CROWDS) {
        while idle.len() < count {
            idle.push(TcpStream::connect(server.address).context("cannot open so many connections")?);
        }
        let bytes = settled(server)?.saturating_sub(before) as f64 / count as f64;
        *found = (bytes, load.run(&mut requests, time)?.latency.p99 / 1000.0);
    }
    Ok(Crowd { alone, beside })
}
