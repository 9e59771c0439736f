//! Row u: what the gateway keeps of large webhooks.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::measure::{drain, settled};
use crate::process::wait_until;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::megabytes;
use crate::subject::{Place, STUB, request};
use crate::webhook::large;

pub(crate) static LARGE_BODIES: Row = Row {
    name: "large_bodies",
    letter: "u",
    about: "memory before, during and after 20 webhooks of 19 MB",
    goals: &[Goal {
        figure: "kept",
        wanted: Wanted::Below(64.0),
        unit: " MB",
        found: |results| {
            results.median(&LARGE_BODIES, |round: &Large| megabytes(round.after) - megabytes(round.before))
        },
    }],
    run: Run::EachRound(|place, _| {
        let found = run(place)?;
        Ok(Found::new(format!("{:.0} MB after, {:.0} before", megabytes(found.after), megabytes(found.before)), found))
    }),
    print,
};

const WEBHOOKS: u32 = 20;

/// Bytes of a body.
const BODY: usize = 19_000_000;

/// How long the gateway rests before its memory counts.
const REST: Duration = Duration::from_secs(5);

/// One round, in resident bytes.
#[derive(Clone, Copy, Debug)]
struct Large {
    /// Before the first one.
    before: u64,
    peak: u64,
    /// A moment after the last one was delivered.
    after: u64,
}

fn run(place: &mut Place) -> Result<Large> {
    let gateway = place.gateway(STUB)?;
    let server = &gateway.server;
    let before = settled(server)?;
    for number in 1..=WEBHOOKS {
        let (status, text) = request(server.address, large(number, BODY))?;
        ensure!(status == 202, "a webhook of {BODY} bytes was answered {status}: {text}");
    }
    drain(server)?;
    wait_until(REST, REST, || false);
    let usage = server.usage()?;
    Ok(Large { before, peak: usage.peak, after: usage.resident })
}

fn print(results: &Results) {
    let of = |pick: fn(&Large) -> u64| {
        results.median(&LARGE_BODIES, |round: &Large| megabytes(pick(round))).unwrap_or_default()
    };
    let text = format!(
        "{WEBHOOKS} webhooks of 19 MB, one after the other: resident memory {:.0} MB before, {:.0} MB at the peak, {:.0} MB {} s after",
        of(|round| round.before),
        of(|round| round.peak),
        of(|round| round.after),
        REST.as_secs(),
    );
    results.print(&LARGE_BODIES, &text);
}
