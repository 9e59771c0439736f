//! Row e: how long it takes from a webhook to the first byte of the agent's request, at a constant rate.

use std::time::Duration;

use anyhow::Result;

use crate::agent::Agent;
use crate::probe::{RATE, Sender, WARM_UP, latencies, wait_for};
use crate::process::Usage;
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::Spread;
use crate::subject::Place;
use crate::webhook::Requests;

pub(crate) static DELIVERY: Row = Row {
    name: "delivery",
    letter: "e",
    about: "from a request to its first byte at an HTTP agent, 1,000/s",
    goals: &[Goal {
        figure: "p95",
        wanted: Wanted::Below(2.0),
        unit: " ms",
        found: |results| results.median(&DELIVERY, |round: &Delivery| round.latency.p95 / 1000.0),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("p95 {:.0} µs", found.latency.p95), found))
    }),
    print,
};

/// What one round brought.
#[derive(Clone, Copy, Debug, Default)]
struct Delivery {
    latency: Spread,
    /// The longest, in microseconds.
    worst: f64,
    /// Events that did not arrive.
    lost: usize,
    /// Requests that could not be sent within a millisecond of their time.
    late: usize,
    /// Processor time of the gateway per request, in microseconds.
    cpu: f64,
    load_cpu: f64,
}

/// Sends for `time` and waits until the agent has received everything.
fn run(place: &mut Place, time: Duration) -> Result<Delivery> {
    let agent = Agent::start()?;
    let gateway = place.gateway(&agent.configuration("receiver"))?;
    let count = RATE * u32::try_from(time.as_secs())?;
    // One issue each, so that no event waits for another of its subject and each is identified by its number.
    let mut requests = Requests::new(WARM_UP + count);
    let mut sender = Sender::connect(gateway.server.address)?;
    sender.send(&mut requests, WARM_UP)?;
    wait_for(&agent, WARM_UP as usize);
    agent.take();

    let before = (gateway.server.usage()?, Usage::own()?);
    let (mut latencies, late) = latencies(&agent, &mut sender, &mut requests, WARM_UP, count)?;
    let after = (gateway.server.usage()?, Usage::own()?);
    let per_request = |used: Duration| used.as_secs_f64() * 1e6 / f64::from(count);
    Ok(Delivery {
        latency: Spread::of(&mut latencies),
        worst: f64::from(latencies.last().copied().unwrap_or_default()) / 1000.0,
        lost: count as usize - latencies.len(),
        late,
        cpu: per_request(after.0.cpu - before.0.cpu),
        load_cpu: per_request(after.1.cpu - before.1.cpu),
    })
}

fn print(results: &Results) {
    let of = |pick: fn(&Delivery) -> f64| results.median(&DELIVERY, pick).unwrap_or_default();
    let mut text = format!(
        "from the request to its first byte at an HTTP agent, 1,000 requests/s:\n\
         p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, longest {:.1} ms; CPU {:.0} µs, of load and agent {:.0} µs",
        of(|round| round.latency.p50) / 1000.0,
        of(|round| round.latency.p95) / 1000.0,
        of(|round| round.latency.p99) / 1000.0,
        of(|round| round.worst) / 1000.0,
        of(|round| round.cpu),
        of(|round| round.load_cpu),
    );
    let lost: usize = results.of(&DELIVERY).map(|round: &Delivery| round.lost).sum();
    let late: usize = results.of(&DELIVERY).map(|round: &Delivery| round.late).sum();
    if lost + late > 0 {
        text += &format!("\n{lost} events did not arrive within 10 s; {late} requests were sent 1 ms late or more");
    }
    results.print(&DELIVERY, &text);
}
