//! Row i: starting with a large number of deliveries that are still to be made.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use gateway::event::{Priority, Recipient};

use crate::agent::Agent;
use crate::baseline::{new_event, open_event_log};
use crate::process::wait_until;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{megabytes, thousands};
use crate::subject::Place;
use crate::webhook::{ISSUES, body};

pub(crate) static COLD_START: Row = Row {
    name: "cold_start",
    letter: "i",
    about: "start with 1,000,000 open deliveries: time, memory, first delivery",
    goals: &[
        Goal {
            figure: "start",
            wanted: Wanted::Below(10.0),
            unit: " s",
            found: |results| results.median(&COLD_START, |found: &ColdStart| found.start),
        },
        Goal {
            figure: "first delivery",
            wanted: Wanted::Below(1.0),
            unit: " s",
            found: |results| results.median(&COLD_START, |found: &ColdStart| found.first),
        },
        Goal {
            figure: "peak",
            wanted: Wanted::Below(256.0),
            unit: " MB",
            found: |results| results.median(&COLD_START, |found: &ColdStart| megabytes(found.peak)),
        },
    ],
    run: Run::Once(|place, effort| {
        let found = run(place, effort.events, effort.time)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// The agent of the deliveries.
const AGENT: &str = "receiver";

/// Events of one commit, as many as the gateway's own commits have at most.
const BATCH: u32 = 512;

/// The least time that memory is watched: after a start the gateway scans its whole log while it delivers.
const WATCHED: Duration = Duration::from_secs(60);

/// How long the first delivery may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the start brought.
#[derive(Clone, Copy, Debug)]
struct ColdStart {
    deliveries: u32,
    /// From the start of the process until it serves, in seconds.
    start: f64,
    /// From then until the agent gets the first event, in seconds.
    first: f64,
    /// The most resident bytes, from the start until some time after the first delivery.
    peak: u64,
    /// Deliveries in a second, from the first one on.
    rate: f64,
}

/// Starts the gateway on `deliveries` and watches it for `time`, or for a minute when that is longer.
fn run(place: &mut Place, deliveries: u32, time: Duration) -> Result<ColdStart> {
    let folder = place.folder()?;
    let seed = Command::new(std::env::current_exe()?)
        .args(["as", "pending", &deliveries.to_string()])
        .arg(folder.path())
        .output()?;
    if !seed.status.success() {
        bail!("the events could not be stored: {}", String::from_utf8_lossy(&seed.stderr));
    }
    let agent = Agent::start()?;
    let began = Instant::now();
    let gateway = place.gateway_in(folder, &agent.configuration(AGENT))?;
    let serves = Instant::now();
    ensure!(wait_until(PATIENCE, Duration::from_millis(1), || agent.count() > 0), "nothing was delivered");
    let first = agent.first().context("an event arrived without a time")?;
    let before = agent.total();
    let watched = Instant::now();
    wait_until(time.max(WATCHED), Duration::from_millis(50), || false);
    let rate = (agent.total() - before) as f64 / watched.elapsed().as_secs_f64();
    Ok(ColdStart {
        deliveries,
        start: (serves - began).as_secs_f64(),
        first: first.saturating_duration_since(serves).as_secs_f64(),
        peak: gateway.server.usage()?.peak,
        rate,
    })
}

fn print(results: &Results) {
    for found in results.of::<ColdStart>(&COLD_START) {
        let text = format!(
            "{} deliveries to make: serves after {:.2} s, the first arrives {:.2} s later, then {} in a second; peak {:.0} MB",
            thousands(found.deliveries.into()),
            found.start,
            found.first,
            thousands(found.rate),
            megabytes(found.peak),
        );
        results.print(&COLD_START, &text);
    }
}

/// Stores `events` with one open delivery each, in a process of its own.
pub(crate) fn store(folder: &Path, events: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let log = open_event_log(folder)?;
        let bodies: Vec<_> = (1..=ISSUES).map(|issue| Bytes::from(body(issue))).collect();
        let recipient = Recipient { agent: AGENT.parse()?, priority: Priority::default() };
        let mut numbers = 0..events;
        loop {
            let batch = numbers.by_ref().take(BATCH as usize).map(|number| {
                let issue = number % ISSUES;
                let mut event = new_event(&number.to_string(), issue + 1, bodies[issue as usize].clone())?;
                event.recipients.push(recipient.clone());
                Ok(event)
            });
            let batch = batch.collect::<Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            log.commit(batch.into()).await?;
        }
        log.close().await;
        Ok(())
    })
}
