//! Row o: what a plugin that spins costs the events of others.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::agent::Agent;
use crate::delivery::Probe;
use crate::subject::{Place, request};

/// Callers of the hostile plugin, each with one request at a time.
const CALLERS: usize = 8;

/// The p99 of deliveries, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hostile {
    pub(crate) without: f64,
    /// While the hostile plugin is called.
    pub(crate) with: f64,
    /// Its calls that were stopped meanwhile.
    pub(crate) stopped: u64,
    /// Events that did not arrive.
    pub(crate) lost: usize,
}

/// Measures for `time` without the calls, and for as long with them.
pub(crate) fn run(place: &mut Place, time: Duration) -> Result<Hostile> {
    let agent = Agent::start()?;
    let gateway = place.gateway(&agent.configuration("receiver"))?;
    let guest = place.guest("spin");
    fs::copy(&guest, gateway.folder.plugins().join("spin.wasm"))
        .with_context(|| format!("`{}` is missing\nhint: run `cargo xtask bench`, which builds it", guest.display()))?;
    let mut probe = Probe::start(agent, gateway.server.address, time, 2)?;
    let (without, lost) = probe.p99()?;
    let (stop, stopped) = (AtomicBool::new(false), AtomicU64::new(0));
    let (with, lost_with) = thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| call(gateway.server.address, &stop, &stopped));
        }
        let measured = probe.p99();
        stop.store(true, Ordering::Relaxed);
        measured
    })?;
    let stopped = stopped.into_inner();
    ensure!(stopped > 0, "the hostile plugin was never called\n{}", gateway.server.last_words());
    Ok(Hostile { without, with, stopped, lost: lost + lost_with })
}

/// Calls the hostile plugin again and again.
fn call(server: SocketAddr, stop: &AtomicBool, stopped: &AtomicU64) {
    let ask = "POST /webhooks/spin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    while !stop.load(Ordering::Relaxed) {
        // What is refused or takes too long is what it is: the others are measured.
        if let Ok((502, _)) = request(server, ask) {
            stopped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
