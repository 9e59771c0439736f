//! Row o: what a plugin that spins costs the events of others.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::agent::Agent;
use crate::probe::Probe;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::subject::{Place, request};

pub(crate) static NOISY_PLUGIN: Row = Row {
    name: "noisy_plugin",
    letter: "o",
    about: "p99 of deliveries beside a plugin that spins, and without it",
    goals: &[Goal {
        figure: "spinning/not",
        wanted: Wanted::Below(1.2),
        unit: "",
        found: |results| results.median(&NOISY_PLUGIN, |round: &Noise| round.with / round.without),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("p99 {:.0} µs without, {:.0} µs with", found.without, found.with), found))
    }),
    print,
};

/// Callers of the hostile plugin, each with one request at a time.
const CALLERS: usize = 8;

/// The p99 of deliveries, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Noise {
    without: f64,
    /// While the hostile plugin is called.
    with: f64,
    /// Its calls that were stopped meanwhile.
    stopped: u64,
    /// Events that did not arrive.
    lost: usize,
}

/// Measures for `time` without the calls, and for as long with them.
fn run(place: &mut Place, time: Duration) -> Result<Noise> {
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
    Ok(Noise { without, with, stopped, lost: lost + lost_with })
}

/// Calls the hostile plugin again and again.
fn call(server: SocketAddr, stop: &AtomicBool, stopped: &AtomicU64) {
    let ask = "POST /webhooks/spin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    while !stop.load(Ordering::Relaxed) {
        // Other answers do not matter here: the other plugins are measured.
        if let Ok((502, _)) = request(server, ask) {
            stopped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn print(results: &Results) {
    let of = |pick: fn(&Noise) -> f64| results.median(&NOISY_PLUGIN, pick).unwrap_or_default();
    let lost: usize = results.of(&NOISY_PLUGIN).map(|round: &Noise| round.lost).sum();
    let text = format!(
        "p99 of deliveries, 1,000 requests/s: {:.2} ms, {:.2} ms beside a spinning plugin ({:.0} calls stopped); {lost} events did not arrive",
        of(|round| round.without / 1000.0),
        of(|round| round.with / 1000.0),
        of(|round| round.stopped as f64),
    );
    results.print(&NOISY_PLUGIN, &text);
}
