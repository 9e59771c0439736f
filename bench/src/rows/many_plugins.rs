//! Row m: what many plugins cost, and what replacing one of them costs the others.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::agent::Agent;
use crate::measure::settled;
use crate::probe::Probe;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::megabytes;
use crate::subject::Place;
use crate::versions::{replace, version_of, wait_for_generation};

pub(crate) static MANY_PLUGINS: Row = Row {
    name: "many_plugins",
    letter: "m",
    about: "500 plugins: start, idle memory, p99 while one is replaced",
    goals: &[
        Goal {
            figure: "start",
            wanted: Wanted::Below(2.0),
            unit: " s",
            found: |results| results.median(&MANY_PLUGINS, |round: &Many| round.start),
        },
        Goal {
            figure: "idle",
            wanted: Wanted::Below(256.0),
            unit: " MB",
            found: |results| results.median(&MANY_PLUGINS, |round: &Many| megabytes(round.idle)),
        },
        Goal {
            figure: "replacing/not",
            wanted: Wanted::Below(1.2),
            unit: "",
            found: |results| results.median(&MANY_PLUGINS, |round: &Many| round.with / round.without),
        },
    ],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// Plugins beside the usual ones.
const PLUGINS: u32 = 500;

/// How often one of them is replaced while the others are measured.
const SWAP_EVERY: Duration = Duration::from_millis(200);

/// What many plugins cost.
#[derive(Clone, Copy, Debug)]
struct Many {
    /// From the start of the process until it serves, with all of them compiled before, in seconds.
    start: f64,
    /// Resident bytes when nothing is asked of it.
    idle: u64,
    /// The p99 of deliveries, in microseconds.
    without: f64,
    /// The same while one plugin is replaced again and again.
    with: f64,
    /// How often it was.
    swaps: u32,
}

/// Measures for `time` without swaps, and for as long with them.
fn run(place: &mut Place, time: Duration) -> Result<Many> {
    let agent = Agent::start()?;
    let gateway = place.gateway(&agent.configuration("receiver"))?;
    let component = fs::read(gateway.folder.plugins().join("dummy.wasm"))?;
    for number in 0..PLUGINS {
        let file = gateway.folder.plugins().join(format!("many-{number:03}.wasm"));
        fs::write(file, version_of(&component, number))?;
    }
    wait_for_generation(&gateway, &format!("many-{:03}", PLUGINS - 1), 1)?;
    let began = Instant::now();
    // The first restart includes the time to stop.
    let (gateway, start) = {
        let gateway = place.restart(gateway)?;
        let whole = began.elapsed();
        let began = Instant::now();
        let gateway = place.restart(gateway)?;
        (gateway, began.elapsed().min(whole).as_secs_f64())
    };
    let idle = settled(&gateway.server)?;

    let mut probe = Probe::start(agent, gateway.server.address, time, 2)?;
    let mut p99 = || {
        let (p99, lost) = probe.p99()?;
        ensure!(lost == 0, "{lost} events did not arrive");
        Ok(p99)
    };
    let without = p99()?;
    let (stop, swaps) = (AtomicBool::new(false), AtomicU32::new(0));
    let with = thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = swaps.fetch_add(1, Ordering::Relaxed);
                replace(&gateway.folder, "many-000", &version_of(&component, PLUGINS + number))?;
                thread::park_timeout(SWAP_EVERY);
            }
            Ok::<_, anyhow::Error>(())
        });
        let with = p99();
        stop.store(true, Ordering::Relaxed);
        swapping.join().map_err(|_| anyhow!("swapping panicked"))??;
        with
    })?;
    Ok(Many { start, idle, without, with, swaps: swaps.into_inner() })
}

fn print(results: &Results) {
    let of = |pick: fn(&Many) -> f64| results.median(&MANY_PLUGINS, pick).unwrap_or_default();
    let text = format!(
        "500 plugins: serves after {:.2} s, idle {:.0} MB; p99 of deliveries {:.2} ms, {:.2} ms while one is replaced ({:.0} times)",
        of(|round| round.start),
        of(|round| megabytes(round.idle)),
        of(|round| round.without / 1000.0),
        of(|round| round.with / 1000.0),
        of(|round| round.swaps.into()),
    );
    results.print(&MANY_PLUGINS, &text);
}
