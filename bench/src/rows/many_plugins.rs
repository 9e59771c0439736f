//! Rows m and n: what many plugins cost, and what reloading one of them costs the others and in memory.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::agent::Agent;
use crate::delivery::Probe;
use crate::drop_in::version_of;
use crate::rounds::settled;
use crate::subject::{Folder, Place, Subject, wait_for_metric};

/// Plugins beside the usual ones.
const PLUGINS: u32 = 500;

/// How often one of them is replaced while the others are measured.
const SWAP_EVERY: Duration = Duration::from_millis(200);

/// How often one is reloaded for row n, and after how many times memory is looked at first.
const RELOADS: u32 = 10_000;
const WARM_RELOADS: u32 = 1_000;

/// How long one reload may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What many plugins cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    /// From the start of the process until it serves, with all of them compiled before, in seconds.
    pub(crate) start: f64,
    /// Resident bytes when nothing is asked of it.
    pub(crate) idle: u64,
    /// The p99 of deliveries, in microseconds.
    pub(crate) without: f64,
    /// The same while one plugin is replaced again and again.
    pub(crate) with: f64,
    /// How often it was.
    pub(crate) swaps: u32,
}

/// Resident bytes of a gateway that reloads one plugin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reloads {
    pub(crate) early: u64,
    pub(crate) late: u64,
    /// Milliseconds of one, from the rename until it serves.
    pub(crate) took: f64,
}

/// Measures for `time` without swaps, and for as long with them.
pub(crate) fn run(place: &mut Place, time: Duration) -> Result<Many> {
    let agent = Agent::start()?;
    let gateway = place.gateway(&agent.configuration("receiver"))?;
    let component = fs::read(gateway.folder.plugins().join("dummy.wasm"))?;
    for number in 0..PLUGINS {
        let file = gateway.folder.plugins().join(format!("many-{number:03}.wasm"));
        fs::write(file, version_of(&component, number))?;
    }
    wait_for_generation(&gateway, &format!("many-{:03}", PLUGINS - 1), 1)?;
    let began = Instant::now();
    // The time of its end is not that of the start.
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

/// Reloads one plugin, from two versions in turn.
pub(crate) fn reload(place: &mut Place) -> Result<Reloads> {
    let gateway = place.gateway("")?;
    let component = fs::read(gateway.folder.plugins().join("dummy.wasm"))?;
    let versions = [version_of(&component, 1), version_of(&component, 2)];
    let resident = || Ok::<_, anyhow::Error>(gateway.server.usage()?.resident);
    let (mut early, mut began) = (0, Instant::now());
    for number in 1..=RELOADS {
        replace(&gateway.folder, "again", &versions[number as usize % 2])?;
        wait_for_generation(&gateway, "again", number)?;
        if number == WARM_RELOADS {
            early = resident()?;
            began = Instant::now();
        }
    }
    let took = began.elapsed().as_secs_f64() * 1000.0 / f64::from(RELOADS - WARM_RELOADS);
    Ok(Reloads { early, late: resident()?, took })
}

/// Puts a version into the place of the one before, in one step.
fn replace(folder: &Folder, name: &str, component: &[u8]) -> Result<()> {
    let new = folder.path().join("new.part");
    fs::write(&new, component)?;
    Ok(fs::rename(new, folder.plugins().join(name).with_extension("wasm"))?)
}

fn wait_for_generation(gateway: &Subject, plugin: &str, number: u32) -> Result<()> {
    let wanted = format!("gateway_plugin_generation{{plugin=\"{plugin}\"}} {number}");
    let patience = if number == 1 { 10 * PATIENCE } else { PATIENCE };
    wait_for_metric(&gateway.server, &wanted, patience)
        .with_context(|| format!("version {number} of `{plugin}` does not serve"))
}
