//! Row l: whether the gateway is as fast with a large log as with an empty one.

use std::time::Duration;

use anyhow::Result;

use crate::load::Load;
use crate::measure::{CONNECTIONS, WARM_UP};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{median, megabytes, thousands};
use crate::subject::{Place, Progress};
use crate::webhook::{ISSUES, Requests};

pub(crate) static ENDURANCE: Row = Row {
    name: "endurance",
    letter: "l",
    about: "accepted requests after 1,000,000 events, and at the start",
    goals: &[Goal {
        figure: "last/first",
        wanted: Wanted::AtLeast(0.8),
        unit: "",
        found: |results| results.median(&ENDURANCE, |found: &Endurance| found.last / found.first),
    }],
    run: Run::Once(|place, effort| {
        let found = run(place, effort.events, effort.time)?;
        Ok(Found::new(format!("{:.0} of {:.0} requests/s", found.last, found.first), found))
    }),
    print,
};

/// Measurements at each end. The median counts, because the speed of a disk varies.
const WINDOWS: u32 = 3;

/// Good answers in a second.
#[derive(Clone, Copy, Debug)]
struct Endurance {
    events: u64,
    first: f64,
    /// After `events` events.
    last: f64,
    /// The most resident bytes.
    peak: u64,
}

/// Sends until `events` are accepted, and measures for some `time` before and after.
fn run(place: &mut Place, events: u32, time: Duration) -> Result<Endurance> {
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

fn print(results: &Results) {
    for found in results.of::<Endurance>(&ENDURANCE) {
        let text = format!(
            "accepted in a second: {} at the start, {} after {} events; peak {:.0} MB",
            thousands(found.first),
            thousands(found.last),
            thousands(found.events as f64),
            megabytes(found.peak),
        );
        results.print(&ENDURANCE, &text);
    }
}
