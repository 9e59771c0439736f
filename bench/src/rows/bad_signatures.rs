//! Rows s and t: callers that are not who they say.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::delivery::{RATE, Sender, WARM_UP};
use crate::load::Load;
use crate::rounds::{CONNECTIONS, settled};
use crate::subject::{Place, Subject};
use crate::webhook::{ISSUES, Requests};

/// Addresses of row s.
pub(crate) const ADDRESSES: u64 = 1_000_000;

/// How much of the flood is sent before another look.
const STEP: Duration = Duration::from_millis(500);

/// How long the store of row t may take to come to rest.
const REST: Duration = Duration::from_secs(2);

/// What row s found: bytes of memory that a limit for each of [`ADDRESSES`] takes, beside a gateway without one.
pub(crate) fn limiter(place: &mut Place) -> Result<u64> {
    let without = resident(place, "", 1)?;
    let with = resident(place, "[http.address_limit]\nrate = \"1/s\"\naddresses = 1000000\n", ADDRESSES)?;
    Ok(with.saturating_sub(without))
}

/// Resident bytes of a gateway after requests from so many addresses, none of which is limited.
fn resident(place: &mut Place, limit: &str, addresses: u64) -> Result<u64> {
    // An admin API of its own, because it does not answer on an address that trusts proxies.
    let http = format!("trusted_proxies = [\"127.0.0.1\"]\n{limit}[admin]\nlisten = \"127.0.0.1:0\"\n");
    let gateway = place.gateway_with(&http, "")?;
    let mut load = Load::connect(gateway.server.address, CONNECTIONS)?;
    let mut requests = Requests::forged_everywhere();
    let mut answered = 0;
    while answered < addresses {
        let found = load.run(&mut requests, STEP)?;
        ensure!(found.bad.keys().all(|status| *status == 401), "a new address was limited: {:?}", found.bad);
        answered += found.answered;
    }
    settled(&gateway.server)
}

/// What row t found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    /// Good requests in a second, of [`RATE`] that come.
    pub(crate) without: f64,
    /// While there is a flood.
    pub(crate) with: f64,
    /// Bad signatures in a second meanwhile.
    pub(crate) forged: f64,
    /// Bytes that the store grows by while there is nothing but the flood.
    pub(crate) stored: u64,
}

/// Good requests at a fixed rate for `time`, without a flood of bad signatures and with it; and the flood alone.
pub(crate) fn flood(place: &mut Place, time: Duration) -> Result<Flood> {
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
        ensure!(found.good == 0, "{} bad signatures were taken", found.good);
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
