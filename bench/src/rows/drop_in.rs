//! Row g: how long a new plugin takes from being written into the folder to its first answer.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::wait_until;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::median;
use crate::subject::{Place, STUB, Subject, request};
use crate::versions::version_of;

pub(crate) static DROP_IN: Row = Row {
    name: "drop_in",
    letter: "g",
    about: "from a component put into the plugin folder to its first answer",
    goals: &[Goal { figure: "", wanted: Wanted::Below(250.0), unit: " ms", found: |results| median(times(results)) }],
    run: Run::EachRound(|place, _| {
        let found = run(place)?;
        Ok(Found::new(format!("{found:.0?} ms"), found))
    }),
    print,
};

/// Plugins that one round drops in.
const PLUGINS: u32 = 5;

/// How long one plugin may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between requests, because they compete with the compiler for the cores.
const PAUSE: Duration = Duration::from_millis(1);

/// The time of each plugin in milliseconds.
fn run(place: &mut Place) -> Result<Vec<f64>> {
    let gateway = place.gateway(STUB)?;
    (1..=PLUGINS).map(|number| drop_in(&gateway, number)).collect()
}

fn drop_in(gateway: &Subject, number: u32) -> Result<f64> {
    let plugins = gateway.folder.plugins();
    let component = fs::read(plugins.join("dummy.wasm")).context("cannot read a plugin")?;
    // Bytes that no plugin had before, so that it is compiled and not taken from the cache.
    let component = version_of(&component, number);
    let name = format!("bench-{number}");
    let ask = format!(
        "POST /webhooks/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let start = Instant::now();
    fs::write(plugins.join(&name).with_extension("wasm"), component)?;
    let mut last = Ok((0, String::new()));
    let served = wait_until(PATIENCE, PAUSE, || {
        last = request(gateway.server.address, &ask);
        matches!(last, Ok((202, _)) | Err(_))
    });
    let took = start.elapsed();
    let (status, answer) = last?;
    if !served {
        bail!("the new plugin does not serve: {status} {answer}\n{}", gateway.server.last_words());
    }
    Ok(took.as_secs_f64() * 1000.0)
}

fn times(results: &Results) -> impl Iterator<Item = f64> {
    results.of::<Vec<f64>>(&DROP_IN).flatten().copied()
}

fn print(results: &Results) {
    let worst = times(results).fold(0.0, f64::max);
    let text = format!(
        "from writing a new component to its first answer: {:.0} ms, the longest of {} {worst:.0} ms",
        median(times(results)).unwrap_or_default(),
        times(results).count(),
    );
    results.print(&DROP_IN, &text);
}
