//! Row s2: alerts: from a new one to its agent, a large notification, and a restart with many that fire.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::agent::Agent;
use crate::probe::{RATE, Sender, WARM_UP, latencies, wait_for};
use crate::process::wait_until;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{Spread, megabytes};
use crate::subject::{Place, Subject, request, wait_for_metric};
use crate::webhook::{Requests, notification};

pub(crate) static ALERTS: Row = Row {
    name: "alerts",
    letter: "s2",
    about: "a new alert to its agent; many at once; a start with many",
    goals: &[
        Goal {
            figure: "p95",
            wanted: Wanted::Below(10.0),
            unit: " ms",
            found: |results| results.median(&ALERTS, |round: &Alerts| round.latency.p95 / 1000.0),
        },
        Goal {
            figure: "1,000 alerts",
            wanted: Wanted::Below(250.0),
            unit: " ms",
            found: |results| results.median(&ALERTS, |round: &Alerts| round.processed),
        },
        Goal {
            figure: "start",
            wanted: Wanted::Below(5.0),
            unit: " s",
            found: |results| results.median(&ALERTS, |round: &Alerts| round.start),
        },
    ],
    run: Run::Once(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// Alerts of one notification.
const MANY: u32 = 1_000;
/// Such notifications.
const NOTIFICATIONS: u32 = 100;
/// So that the answer ends.
const CLOSE: &str = "Connection: close\r\n";
/// How long what was sent may take to be processed.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
struct Alerts {
    /// From the request to the first byte at the agent.
    latency: Spread,
    lost: usize,
    late: usize,
    /// From the answer to a notification of many alerts until they are processed, in milliseconds; the median.
    processed: f64,
    /// From the start of the process until it serves with all signals, in seconds.
    start: f64,
    /// Resident bytes after that.
    resident: u64,
}

fn run(place: &mut Place, time: Duration) -> Result<Alerts> {
    let agent = Agent::start()?;
    let gateway = gateway(place, &agent)?;
    let count = RATE * u32::try_from(time.as_secs())?;
    let mut requests = Requests::alerts(WARM_UP + count);
    let mut sender = Sender::connect(gateway.server.address)?;
    sender.send(&mut requests, WARM_UP)?;
    // With the one that showed that the channel serves.
    wait_for(&agent, WARM_UP as usize + 1);
    agent.take();
    let (mut latencies, late) = latencies(&agent, &mut sender, &mut requests, WARM_UP, count)?;
    let latency = Spread::of(&mut latencies);
    let lost = count as usize - latencies.len();

    let mut known = 1 + WARM_UP + count;
    let mut processed = Vec::new();
    for number in 0..NOTIFICATIONS {
        let (status, text) =
            request(gateway.server.address, notification(&format!("Many{number:03}"), 0, MANY, CLOSE))?;
        ensure!(status == 202, "a notification is answered {status}: {text}");
        let answered = Instant::now();
        known += MANY;
        let line = format!("gateway_alert_notifications_total{{fate=\"began\"}} {known}");
        wait_for_metric(&gateway.server, &line, PATIENCE)?;
        processed.push(answered.elapsed().as_secs_f64() * 1e3);
    }
    processed.sort_by(f64::total_cmp);

    let folder = gateway.stop();
    let began = Instant::now();
    let gateway = place.start_again(folder)?;
    wait_for_metric(&gateway.server, &format!("gateway_alert_signals{{state=\"firing\"}} {known}.0"), PATIENCE)?;
    let start = began.elapsed().as_secs_f64();
    let resident = gateway.server.usage()?.resident;
    Ok(Alerts { latency, lost, late, processed: processed[processed.len() / 2], start, resident })
}

/// A gateway with a channel of alerts.
fn gateway(place: &mut Place, agent: &Agent) -> Result<Subject> {
    let more = format!(
        "[channels.alertmanager]\nverification = \"none\"\nallow_from = [\"127.0.0.1\"]\n\n\
         [alerts]\nchannels = [\"alertmanager\"]\n\n\
         [agents.triage]\nplugin = \"http\"\nconfig = {{ url = \"http://{0}/\" }}\nallow_hosts = [\"{0}\"]\n\n\
         [[routes]]\nchannels = [\"alerts\"]\nkinds = [\"alerts.opened\"]\nagents = [\"triage\"]\n",
        agent.address
    );
    let gateway = place.gateway(&more)?;
    let file = place.source("alertmanager").with_extension("wasm");
    ensure!(file.is_file(), "`{}` is missing\nhint: run `cargo xtask bench`, which builds it", file.display());
    fs::copy(&file, gateway.folder.plugins().join("alertmanager.wasm"))?;
    let serves =
        || request(gateway.server.address, notification("First", 0, 1, CLOSE)).is_ok_and(|(status, _)| status == 202);
    ensure!(wait_until(PATIENCE, Duration::from_millis(50), serves), "the channel does not serve");
    wait_for_metric(&gateway.server, "gateway_alert_notifications_total{fate=\"began\"} 1", PATIENCE)?;
    Ok(gateway)
}

fn print(results: &Results) {
    let of = |pick: fn(&Alerts) -> f64| results.median(&ALERTS, pick).unwrap_or_default();
    let mut text = format!(
        "a new alert to its first byte at the agent, 1,000/s: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms\n\
         1,000 alerts are processed {:.0} ms after their 202; start with 100,000 that fire: {:.1} s, {:.0} MB resident",
        of(|round| round.latency.p50) / 1000.0,
        of(|round| round.latency.p95) / 1000.0,
        of(|round| round.latency.p99) / 1000.0,
        of(|round| round.processed),
        of(|round| round.start),
        of(|round| megabytes(round.resident)),
    );
    let lost: usize = results.of(&ALERTS).map(|round: &Alerts| round.lost).sum();
    let late: usize = results.of(&ALERTS).map(|round: &Alerts| round.late).sum();
    if lost + late > 0 {
        text += &format!("\n{lost} alerts did not arrive within 10 s; {late} requests were sent 1 ms late or more");
    }
    results.print(&ALERTS, &text);
}
