//! Row l: whether the gateway is as fast with a large log as with an empty one.

use std::time::Duration;

use anyhow::Result;

use crate::load::Load;
use crate::rounds::{CONNECTIONS, WARM_UP};
use crate::samples::median;
use crate::subject::{Place, Progress};
use crate::webhook::{ISSUES, Requests};

/// Measurements at each end; the median counts, because the disk has moods.
const WINDOWS: u32 = 3;

/// Good answers in a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endurance {
    pub(crate) events: u64,
    pub(crate) first: f64,
    /// After so many events.
    pub(crate) last: f64,
    /// The most resident bytes.
    pub(crate) peak: u64,
}

/// Sends until `events` are accepted, and measures for some `time` before and after.
pub(crate) fn run(place: &mut Place, events: u32, time: Duration) -> Result<Endurance> {
    let gateway = place.gateway("")?;
    let mut requests = Requests::new(ISSUES);
    let mut load = Load::connect(gateway.server.address, CONNECTIONS)?;
    load.run(&mut requests, WARM_UP)?;
    let mut measure = |load: &mut Load| {
        let rates = (0..WINDOWS).map(|_| Ok(load.run(&mut requests, time)?.good as f64 / time.as_secs_f64()));
        Ok::<_, anyhow::Error>(median(rates.collect::<Result<Vec<_>>>()?).unwrap_or_default())
    };
    let first = measure(&mut load)?;
    let accepted = || Ok::<_, anyhow::Error>(Progress::of(gateway.server.address)?.accepted);
    while accepted()? < u64::from(events) {
        measure(&mut load)?;
    }
    let events = accepted()?;
    let last = measure(&mut load)?;
    Ok(Endurance { events, first, last, peak: gateway.server.usage()?.peak })
}
