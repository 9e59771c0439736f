//! Row t: good requests beside a flood of bad signatures.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::Load;
use crate::measure::CONNECTIONS;
use crate::probe::{RATE, Sender, WARM_UP};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::thousands;
use crate::subject::{Place, Subject};
use crate::webhook::{ISSUES, Requests};

pub(crate) static BAD_SIGNATURES: Row = Row {
    name: "bad_signatures",
    letter: "t",
    about: "good requests at 1,000/s beside bad signatures at full speed",
    goals: &[Goal {
        figure: "flood/none",
        wanted: Wanted::AtLeast(0.8),
        unit: "",
        found: |results| results.median(&BAD_SIGNATURES, |round: &Flood| round.with / round.without),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// How long the flood runs before it checks whether to stop.
const STEP: Duration = Duration::from_millis(500);

/// How long the store must stay the same size to be at rest.
const REST: Duration = Duration::from_secs(2);

/// One round.
#[derive(Clone, Copy, Debug)]
struct Flood {
    /// Good requests in a second, of [`RATE`] that come.
    without: f64,
    /// While there is a flood.
    with: f64,
    /// Bad signatures in a second meanwhile.
    forged: f64,
    /// Bytes that the store grows by while there is nothing but the flood.
    stored: u64,
}

/// Good requests at a fixed rate for `time`, without a flood of bad signatures and with it; and the flood alone.
fn run(place: &mut Place, time: Duration) -> Result<Flood> {
    let gateway = place.gateway("")?;
    let address = gateway.server.address;
    let mut requests = Requests::new(ISSUES);
    let mut sender = Sender::connect(address)?;
    sender.send(&mut requests, WARM_UP)?;
    let count = RATE * u32::try_from(time.as_secs())?;
    let mut rate = |requests: &mut Requests| {
        let start = Instant::now();
        sender.send(requests, count)?;
        Ok::<_, anyhow::Error>(f64::from(count) / start.elapsed().as_secs_f64())
    };
    let without = rate(&mut requests)?;
    let before = rested(&gateway)?;
    forge(address, &AtomicBool::new(true))?;
    let stored = rested(&gateway)? - before;
    let stop = AtomicBool::new(false);
    let (with, forged) = thread::scope(|scope| {
        let forger = scope.spawn(|| forge(address, &stop));
        let start = Instant::now();
        let with = rate(&mut requests);
        let took = start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let forged = forger.join().expect("the thread does not panic")?;
        Ok::<_, anyhow::Error>((with?, forged as f64 / took))
    })?;
    Ok(Flood { without, with, forged, stored })
}

/// Bad signatures as fast as they are refused, at least for one step; how many.
fn forge(server: SocketAddr, stop: &AtomicBool) -> Result<u64> {
    let mut load = Load::connect(server, CONNECTIONS)?;
    let mut requests = Requests::forged();
    let mut refused = 0;
    loop {
        let found = load.run(&mut requests, STEP)?;
        ensure!(found.good == 0, "{} bad signatures were accepted", found.good);
        refused += found.answered;
        if stop.load(Ordering::Relaxed) {
            return Ok(refused);
        }
    }
}

/// Bytes of the event log when it has written everything.
fn rested(gateway: &Subject) -> Result<u64> {
    let log = gateway.folder.path().join("data");
    let (mut bytes, mut since) = (size(&log)?, Instant::now());
    while since.elapsed() < REST {
        thread::park_timeout(REST / 10);
        let now = size(&log)?;
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(bytes)
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

fn print(results: &Results) {
    let of = |pick: fn(&Flood) -> f64| results.median(&BAD_SIGNATURES, pick).unwrap_or_default();
    let stored: u64 = results.of(&BAD_SIGNATURES).map(|round: &Flood| round.stored).sum();
    let text = format!(
        "good requests in a second, of 1,000: {} alone, {} beside {} bad signatures in a second, which store {stored} bytes",
        thousands(of(|round| round.without)),
        thousands(of(|round| round.with)),
        thousands(of(|round| round.forged)),
    );
    results.print(&BAD_SIGNATURES, &text);
}
