//! Row j: what a dead agent costs the others.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;

use crate::agent::Agent;
use crate::probe::{RATE, Sender, WARM_UP, wait_for};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{nanos, percentile};
use crate::secrets::GITHUB_VARIABLE;
use crate::subject::Place;
use crate::webhook::Requests;

pub(crate) static DEAD_AGENT: Row = Row {
    name: "dead_agent",
    letter: "j",
    about: "p99 of 99 agents beside a dead one, and without it",
    goals: &[Goal {
        figure: "dead/alive",
        wanted: Wanted::Below(1.2),
        unit: "",
        found: |results| results.median(&DEAD_AGENT, |round: &Neighbours| round.with / round.without),
    }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        Ok(Found::new(format!("p99 {:.0} µs without, {:.0} µs with", found.without, found.with), found))
    }),
    print,
};

/// Agents, each with a channel of its own.
const AGENTS: u32 = 100;

/// The p99 of deliveries to the other agents, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Neighbours {
    /// While all agents work.
    without: f64,
    /// While one of them accepts connections and never answers.
    with: f64,
    /// Events for the others that did not arrive, in both cases.
    lost: usize,
}

/// Sends for `time` to living agents, and for as long while one is dead.
fn run(place: &mut Place, time: Duration) -> Result<Neighbours> {
    let (without, lost) = p99(place, time, None)?;
    // Connections wait in its queue for ever.
    let dead = TcpListener::bind("127.0.0.1:0")?;
    let (with, lost_with) = p99(place, time, Some(&dead))?;
    Ok(Neighbours { without, with, lost: lost + lost_with })
}

/// The p99 of all agents but the first, and the events for them that did not arrive.
fn p99(place: &mut Place, time: Duration, dead: Option<&TcpListener>) -> Result<(f64, usize)> {
    let living = Agent::start()?;
    let mut config = String::new();
    for agent in 0..AGENTS {
        let address = match dead {
            Some(dead) if agent == 0 => dead.local_addr()?,
            _ => living.address,
        };
        config += &format!(
            "[channels.c{agent:02}]\nplugin = \"github\"\nsecret = {{ env = \"{GITHUB_VARIABLE}\" }}\n\n\
             [agents.a{agent:02}]\nplugin = \"http\"\nconfig = {{ url = \"http://{address}/\" }}\n\
             allow_hosts = [\"{address}\"]\n\n[[routes]]\nchannels = [\"c{agent:02}\"]\nagents = [\"a{agent:02}\"]\n\n"
        );
    }
    let gateway = place.gateway(&config)?;
    let count = RATE * u32::try_from(time.as_secs())?;
    let agent_of = |issue: u32| issue % AGENTS;
    let mut requests = Requests::to(WARM_UP + count, |issue| format!("/webhooks/c{:02}", agent_of(issue)));
    let expected = |from: u32, to: u32| (from..=to).filter(|issue| dead.is_none() || agent_of(*issue) != 0).count();
    let mut sender = Sender::connect(gateway.server.address)?;
    sender.send(&mut requests, WARM_UP)?;
    wait_for(&living, expected(1, WARM_UP));
    living.take();
    let (sent, _) = sender.send(&mut requests, count)?;
    wait_for(&living, expected(WARM_UP + 1, WARM_UP + count));
    let arrivals = living.take();
    let others: Vec<_> = (WARM_UP + 1..).zip(&sent).filter(|(issue, _)| agent_of(*issue) != 0).collect();
    let arrived =
        others.iter().filter_map(|(issue, sent)| Some(arrivals.get(issue)?.saturating_duration_since(**sent)));
    let mut latencies: Vec<u32> = arrived.map(nanos).collect();
    let lost = others.len() - latencies.len();
    Ok((f64::from(percentile(&mut latencies, 99)) / 1000.0, lost))
}

fn print(results: &Results) {
    let of = |pick: fn(&Neighbours) -> f64| results.median(&DEAD_AGENT, pick).unwrap_or_default() / 1000.0;
    let lost: usize = results.of(&DEAD_AGENT).map(|round: &Neighbours| round.lost).sum();
    let text = format!(
        "p99 of 99 agents, 1,000 requests/s: {:.2} ms while the 100th works, {:.2} ms while it is dead; {lost} events did not arrive",
        of(|round| round.without),
        of(|round| round.with),
    );
    results.print(&DEAD_AGENT, &text);
}
