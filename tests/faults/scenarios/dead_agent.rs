//! DEL6: one agent that never answers, among a hundred.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::load::deliver_to;
use crate::recorder::Answer;
use crate::report::Report;
use crate::suite::{Scale, percentiles};
use crate::support::{Setup, TestGateway};
use crate::trial::{Trial, plugins};

use super::Outcome;

const AGENTS: usize = 100;

/// Requests per second, spread evenly over all agents.
const RATE: u32 = 300;

/// The same load with and without one agent that accepts requests but never answers.
pub(super) async fn run(scale: Scale) -> Outcome {
    let requests = scale.either(900, 9000);
    let mut report = Report::new(scale.rounds);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..scale.rounds {
        scale.progress(round);
        for (dead, times) in [false, true].into_iter().zip(&mut times) {
            let trial = Trial::answering(move |record| match record.path.as_str() {
                "/agents/0" if dead => Answer::Hang,
                _ => Answer::Status(200),
            })
            .await;
            let gateway = setup(&trial).start().await;
            times.extend(send(&gateway, &trial, requests, &mut report).await);
        }
    }
    let [without, with] = times.map(|times| percentiles(&times).unwrap_or_default()[1]);
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    report.note(format!(
        "p99 from request to the {} others: {without:.1?} without a dead agent, {with:.1?} with it, {ratio:.2} times",
        AGENTS - 1
    ));
    Ok(report)
}

/// A channel for each agent.
fn setup(trial: &Trial) -> Setup {
    let address = trial.agent.address;
    let mut config = String::new();
    for agent in 0..AGENTS {
        let _ = write!(
            config,
            r#"
            [agents.agent-{agent}]
            plugin = "http"
            config = {{ url = "http://{address}/agents/{agent}" }}
            allow_hosts = ["{address}"]
            timeout = "2s"
            [channels.channel-{agent}]
            plugin = "dummy"
            keep_headers = ["x-delivery-id"]
            [[routes]]
            channels = ["channel-{agent}"]
            agents = ["agent-{agent}"]
            "#
        );
    }
    plugins().config(&config).env("GATEWAY__LOG__LEVEL", "info")
}

/// Sends `requests` at a steady rate; returns the time that each took to a live agent.
async fn send(gateway: &TestGateway, trial: &Trial, requests: usize, report: &mut Report) -> Vec<Duration> {
    let sent = Arc::new(Mutex::new(HashMap::new()));
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut waiting = JoinSet::new();
    for number in 0..requests {
        ticks.tick().await;
        let (client, journal, sent) = (gateway.client.clone(), Arc::clone(&trial.journal), Arc::clone(&sent));
        waiting.spawn(async move {
            let agent = number % AGENTS;
            let letter = journal.attempt_about(format!("agent {agent}"));
            sent.lock().unwrap().insert(letter.id.clone(), Instant::now());
            let channel = format!("channel-{agent}");
            deliver_to(&client, &journal, &letter, &channel).await.unwrap().expect_accepted();
        });
    }
    waiting.join_all().await;
    let others = requests - requests.div_ceil(AGENTS);
    let lives = |path: &str| path != "/agents/0";
    let arrived = || trial.agent.records().iter().filter(|record| lives(&record.path)).count();
    gateway.until("the events of all live agents", async || (arrived() >= others).then_some(())).await;
    // The outcomes, too.
    gateway
        .until("outcomes", async || {
            let stats = gateway.json("/admin/stats").await;
            (stats["events"]["delivered"].as_u64().unwrap() >= others as u64).then_some(())
        })
        .await;
    report.add(&trial.judge_now(gateway, true).await);
    let sent = sent.lock().unwrap();
    let records = trial.agent.records();
    let took = records.iter().filter(|record| lives(&record.path)).map(|record| record.at - sent[&record.arrival.id]);
    took.collect()
}
